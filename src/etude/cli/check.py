"""``etude check``: what is wrong, or probably not meant, about a schedule on a run."""

from __future__ import annotations

import dataclasses
import json
import sys

import click
from rich.text import Text

from etude.check import OF, Finding
from etude.cli.console import new_console
from etude.cli.horizon_options import HINT, horizon_of, horizon_options, table_of
from etude.cli.imports import typed
from etude.errors import HorizonError
from etude.names import choice
from etude.schedules import Rate
from etude.texts import shown

__all__ = ["command"]

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold"}


@click.command("check")
@click.argument("expression")
@horizon_options
@click.option(
    "--base", type=float, help="The optimizer's own rate, BASE; not given, rates are told as shares of it."
)
@click.option(
    "--of",
    default="lr",
    show_default=True,
    help="The hyperparameter that it is for, such as momentum; or other.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as a JSON list.")
def command(
    expression: str,
    total: str | None,
    steps_per_epoch: float | None,
    samples_per_step: float | None,
    tokens_per_step: float | None,
    base: float | None,
    of: str,
    as_json: bool,
) -> None:
    """Say what is wrong, or probably not meant, about a schedule on a run.

    Exit status 0 where there is nothing but notes, 1 for a warning or an error.

    \b
    etude check "sgdr('10ep')" --horizon 100ep --steps-per-epoch 391 --base 0.1
    """
    choice(of, "--of", OF)
    table = table_of(
        typed(expression, Rate), horizon_of(total, steps_per_epoch, samples_per_step, tokens_per_step)
    )
    if total is None and table.length is None:
        raise HorizonError(f"{table.text} never ends; say how long the run is, such as --horizon 1000")
    try:
        findings = table.check(base, of=of)
    except HorizonError as error:
        raise HorizonError(f"{error}{HINT}") from None
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        console = new_console()
        console.print(f"{table.horizon}")
        for finding in findings:
            console.print(_told(finding))
        if not findings:
            console.print("Nothing is amiss.")
    sys.exit(0 if all(finding.severity == "note" for finding in findings) else 1)


def _told(finding: Finding) -> Text:
    head = Text.assemble("\n", (f"{finding.severity}: {finding.code}", STYLES[finding.severity]))
    words = shown(finding.message), shown(finding.fix)
    return head.append(f"\n{words[0]}\n", style="not bold").append(words[1], style="dim")
