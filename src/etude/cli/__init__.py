"""The command ``etude``: one file for each verb, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys

import click

from etude import __version__
from etude.errors import EtudeError, MissingError
from etude.names import nearest

__all__ = ["main"]

VERBS = {
    "show": "Draw a schedule, and say what it does.",
    "catalogue": "List every schedule, or tell what one of them does.",
    "check": "Say what is wrong, or probably not meant, about a schedule on a run.",
    "diff": "Tell where two schedules differ.",
    "convert": "Write a schedule for another program.",
    "find": "Find the rates to train a task with, by a range test.",
    "compare": "Run a task under several schedules, and rank them.",
    "report": "Rank the runs of a comparison that are in the store, or tell of one run.",
    "runs": "List the runs in the store.",
    "watch": "Follow a run that is under way.",
    "explain": "Tell what made the learning rate of an update.",
    "add": "Add to its store what a run could not write.",
}


class Verbs(click.Group):
    """A group whose commands live in modules of their own; listing them imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        try:
            command: click.Command = importlib.import_module(f"etude.cli.{name}").command
        except ModuleNotFoundError as error:
            raise MissingError(
                f"`etude {name}` needs {error.name}, which is not installed: pip install 'etude[study]'"
            ) from error
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}{nearest(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="etude")
def cli() -> None:
    """Learning-rate schedules: write one, see it, run it exactly, compare it.

    A schedule is an expression, such as

    \b
        Linear(0.01 * BASE, BASE, over='5ep') >> Cosine(over='85ep')

    where BASE is the optimizer's own rate and lengths are epochs (5ep), steps (500), percent of the run
    (30%), tokens (2e9tok) or samples (1e6smp).
    """


def main() -> None:
    """Run the command; what Etude refuses is one message and exit status 1."""
    try:
        cli()
    except EtudeError as error:
        click.echo(f"{click.style('etude:', fg='red', bold=True)} {error}", err=True)
        sys.exit(1)
