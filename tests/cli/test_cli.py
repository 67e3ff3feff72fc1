"""The command itself: its verbs, its help, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import etude as package
from etude.cli import VERBS, cli

from .terminal import etude, fits, started


def test_the_verbs_and_their_options_are_these() -> None:
    assert list(VERBS) == [
        "show",
        "catalogue",
        "check",
        "diff",
        "convert",
        "find",
        "compare",
        "report",
        "runs",
        "watch",
        "explain",
        "add",
    ]
    options = {
        name: sorted(option for parameter in command.params for option in parameter.opts)
        for name in VERBS
        if (command := cli.get_command(None, name)) is not None  # type: ignore[arg-type]
    }
    running = ["--horizon", "--samples-per-step", "--steps-per-epoch", "--tokens-per-step"]
    comparing = [
        "--budgets",
        "--device",
        "--only",
        "--out",
        "--peaks",
        "--schedule",
        "--seeds",
        "--store",
        "-s",
        "task",
    ]
    assert options == {
        "show": [
            "--base",
            "--horizon",
            "--output",
            "--samples-per-step",
            "--steps-per-epoch",
            "--tokens-per-step",
            "-o",
            "expression",
        ],
        "catalogue": ["name"],
        "check": sorted(["expression", "--base", "--json", "--of", *running]),
        "diff": sorted(["first", "second", "--base", "--close", "--plot", *running]),
        "convert": sorted(["expression", "--to", *running]),
        "find": ["--device", "--plot", "--repeats", "--start", "--steps", "--stop", "task"],
        "compare": sorted([*comparing, "--workers"]),
        "report": sorted([*comparing, "--allow-imports"]),
        "runs": ["--all", "--failed", "--store", "--task"],
        "watch": ["--allow-imports", "--every", "--store", "run"],
        "explain": ["--allow-imports", "--group", "--store", "run", "step"],
        "add": ["--store", "file"],
    }


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_verb(option: str) -> None:
    said = etude(option)

    assert said.status == 0
    for name, about in VERBS.items():
        assert f" {name} {about} " in " ".join([*said.text.split(), ""])
    assert fits(said)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_that_fits(verb: str) -> None:
    said = etude(verb, "--help")

    assert said.status == 0
    assert said.text.startswith(f"Usage: cli {verb} [OPTIONS]")
    assert fits(said)


def test_the_version_is_the_packages() -> None:
    assert etude("--version").text == f"etude, version {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shwo"], "No such command 'shwo'; did you mean 'show'?"),
        (["convert", "cosine()", "--to", "pytorch"], "'transformers'; did you mean 'torch'?"),
        (["show"], "Missing argument 'EXPRESSION'"),
        (["show", "Constant()", "--horizn", "3"], "--horizn"),
        (["compare"], "Missing argument 'TASK'"),
        (["compare", "digits", "--seeds", "0"], "0 is not in the range x>=1"),
        (["compare", "digits", "--workers", "0"], "0 is not in the range x>=1"),
    ],
)
def test_what_the_command_line_has_not_is_a_usage_error(arguments: list[str], message: str) -> None:
    said = etude(*arguments)

    assert said.status == 2
    assert message in said.text


def test_a_refusal_is_one_message_and_status_1(tmp_path: Path) -> None:
    with started(["show", "Cosine(ovr=3)"], tmp_path) as process:
        out, error = process.communicate()

    assert (process.returncode, out) == (1, "")
    assert error == (
        "etude: Cosine() has no ovr; did you mean 'over'? "
        "(it takes start, stop, over, inclusive, after, power, k)\n"
        "  Cosine(ovr=3)\n"
        "         ^ column 8\n"
    )


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    with started(["show", "Constant()", "--horizon", "10"], tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None

        process.stdout.close()

        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("verb", "needs"), [("compare", "scipy"), ("compare", "jinja2"), ("report", "scipy"), ("show", None)]
)
def test_what_is_not_installed_is_named(verb: str, needs: str | None) -> None:
    missing = [needs] if needs else ["jinja2", "matplotlib", "scipy", "sklearn", "torch"]
    arguments = ["digits"] if needs else ["Constant()", "--horizon", "9"]
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({missing}))\n"
        f"sys.argv = {['etude', verb, *arguments]}\n"
        "from etude.cli import main\n"
        "main()"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    message = f"etude: `etude {verb}` needs {needs}, which is not installed: pip install 'etude[study]'\n"
    assert (done.returncode, done.stderr) == ((1, message) if needs else (0, ""))


def test_a_function_of_ones_own_may_lie_here_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "curves.py").write_text("def falling(step):\n    return 1 / (1 + step)\n")
    (tmp_path / "random.py").write_text("raise ImportError('this is not the random that others mean')\n")

    with started(["show", "Custom('curves:falling', over=4)"], tmp_path) as process:
        out, error = process.communicate()

    assert (process.returncode, error) == (0, "")
    assert "floor  0.25 at step 3" in out
