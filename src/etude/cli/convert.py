"""``etude convert``: a schedule as Python, JSON, YAML, or as code for torch, optax or transformers."""

from __future__ import annotations

import click

from etude.cli.horizon_options import HINT, horizon_of, horizon_options
from etude.cli.imports import typed
from etude.convert import ON_A_RUN, TARGETS, convert
from etude.errors import HorizonError
from etude.names import nearest
from etude.schedules import Schedule

__all__ = ["command"]


class Target(click.Choice[str]):
    """One of the names of what can be written."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in TARGETS:
            known = ", ".join(map(repr, TARGETS))
            self.fail(f"{value!r} is not one of {known}{nearest(value, TARGETS)}", param, ctx)
        return value


@click.command("convert")
@click.argument("expression")
@click.option("--to", type=Target(TARGETS), required=True, help="What to write.")
@horizon_options
def command(
    expression: str,
    to: str,
    total: str | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
) -> None:
    """Write a schedule for another program, equal to it at every step of the run.

    torch, optax and transformers count in steps and need the length of the run; the others keep lengths as
    they are written.

    \b
    etude convert "wsd(500, '20%')" --to torch --horizon 10000
    """
    schedule = typed(expression, Schedule)
    sizes = (total, steps_per_epoch, samples_per_step, tokens_per_step)
    # A schedule with an end of its own needs no other.
    horizon = horizon_of(*sizes) if to in ON_A_RUN or any(size is not None for size in sizes) else None
    try:
        text = convert(schedule, to, horizon)
    except HorizonError as error:
        raise HorizonError(f"{error}{HINT}" if to in ON_A_RUN else str(error)) from None
    click.echo(text.rstrip("\n"))
