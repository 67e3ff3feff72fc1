"""The code blocks of a page, and how they are run: by the tests, and by the build where it draws from them.

The blocks of a page run in order and share their names, as the cells of a notebook do:

- a ``python`` block runs; ``# → value`` is what the expression before it gives, or the statement prints;
- a ``sh`` block of ``etude`` commands runs each of them, where they are quick ones;
- a ``text`` block right after one of these is what it prints, warnings included;
- ``<!-- python ... -->`` runs unseen, and ``<!-- picture: expression -->`` is where a picture of the
  expression's value goes.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["QUICK", "Block", "Page", "PageError", "find_blocks"]

QUICK = ("show", "check", "diff", "convert", "catalogue", "--version")
"""The verbs of ``etude`` that answer at once."""

ETUDE = Path(sys.executable).with_name("etude")
_BLOCKS = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^[ ]*```[ ]*$"
    r"|^<!-- python\n(?P<hidden>.*?)^-->$"
    r"|^<!-- picture: (?P<picture>.+?) -->$",
    re.MULTILINE | re.DOTALL,
)
_OUTPUT = re.compile(r"\n\s*```text\n(?P<output>.*?)^[ ]*```[ ]*$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"^<!-- picture: .+? -->$", re.MULTILINE)
SHOWN = re.compile(r"#\s*→\s*(.+)$", re.MULTILINE)
_LENIENT = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


class PageError(AssertionError):
    """A block does not do what its page says."""


@dataclass(frozen=True)
class Block:
    """One block: its kind (``python``, ``sh`` or ``picture``), its code, and the output shown after it."""

    kind: str
    code: str
    line: int
    output: str | None = None


def find_blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that can be run, in order."""
    for match in _BLOCKS.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["picture"]:
            yield Block("picture", match["picture"], line)
        elif match["hidden"]:
            yield Block("python", match["hidden"], line + 1)
        elif match["language"] in ("python", "sh"):
            after = _OUTPUT.match(text, match.end())
            output = textwrap.dedent(after["output"]) if after else None
            block = Block(match["language"], textwrap.dedent(match["code"]), line + 1, output)
            if block.kind == "python" or _is_quick(block):
                yield block


def _is_quick(block: Block) -> bool:
    commands = _commands(block.code)
    return bool(commands) and all(words[0] == "etude" and words[1] in QUICK for words in commands)


def _commands(code: str) -> list[list[str]]:
    """The words of each command of a shell block."""
    lines = code.replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


class Page:
    """A page that is being run: its name for messages, and the names that its blocks have defined."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.names: dict[str, Any] = {"__name__": f"page_{re.sub(r'[^0-9a-zA-Z]', '_', name)}"}

    def run(self, block: Block) -> Any:
        """Run a block; return the value of a picture's expression.

        Raises:
            PageError: where the page shows something else than what came out.
        """
        if block.kind == "picture":
            return eval(block.code, self.names)  # the page's own expression
        if block.kind == "sh":
            printed = self._shell(block)
        elif block.code.lstrip().startswith(">>>"):
            return self._doctest(block)
        else:
            printed = self._python(block)
        if block.output is not None:
            self._compare(block, block.line, block.output, printed)
        return None

    def _python(self, block: Block) -> str:
        """Run the statements one after another, comparing each with what the page shows beside it."""
        whole = []
        lines = block.code.splitlines()
        for statement in ast.parse(block.code).body:
            last = statement.end_lineno or statement.lineno
            shown = SHOWN.search(lines[last - 1], statement.end_col_offset or 0)
            line = block.line + statement.lineno - 1
            ast.increment_lineno(statement, block.line - 1)
            value, printed = self._statement(statement)
            if shown:
                got = printed if value is None else repr(value)
                self._compare(block, line, shown[1], got)
            else:
                whole.append(printed)
        if block.output is None and (told := [text for text in whole if "Warning: " in text]):
            raise PageError(f"{self.name}:{block.line}: the page does not show {told[0]!r}")
        return "".join(whole)

    def _statement(self, statement: ast.stmt) -> tuple[Any, str]:
        """The value of an expression, and what was printed, warnings among it as on a terminal."""
        printed = io.StringIO()

        def tell(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
            print(f"{category.__name__}: {message}", file=printed)

        value = None
        with warnings.catch_warnings(), contextlib.redirect_stdout(printed):
            warnings.simplefilter("default")
            for hidden in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
                warnings.simplefilter("ignore", hidden)
            warnings.showwarning = tell
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), self.name, "eval"), self.names)
            else:
                exec(compile(ast.Module([statement], []), self.name, "exec"), self.names)
        return value, printed.getvalue()

    def _doctest(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.code, {}, self.name, self.name, block.line - 1)
        test.globs = self.names
        report: list[str] = []
        failed, _ = doctest.DocTestRunner(optionflags=_LENIENT).run(
            test, out=report.append, clear_globs=False
        )
        if failed:
            raise PageError("".join(report))

    def _shell(self, block: Block) -> str:
        printed = ""
        for words in _commands(block.code):
            done = subprocess.run(
                [ETUDE, *words[1:]],
                env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.stderr and block.output is None:
                raise PageError(f"{self.name}:{block.line}: {shlex.join(words)} says {done.stderr}")
            printed += done.stdout + done.stderr
        return printed

    def _compare(self, block: Block, line: int, shown: str, got: str) -> None:
        if not doctest.OutputChecker().check_output(shown.strip() + "\n", got.strip() + "\n", _LENIENT):
            raise PageError(f"{self.name}:{line}: the page shows\n{shown}\nbut this came out:\n{got}")
