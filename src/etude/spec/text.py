"""Text → schedule: a small part of Python, read from its syntax tree and never evaluated.

An expression is made of catalogue names called with arguments, ``BASE``, numbers, strings, True, False
and None, lists and tuples, the operators ``>> * + - /`` and a schedule's methods. ``repr(schedule)``
writes exactly this.
"""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any, NoReturn, overload

from etude.answers import named_arguments, wrong_call, wrong_keyword, wrong_name
from etude.errors import EtudeError, SpecError
from etude.json_text import shortened
from etude.levels import BASE, Level, LevelLike
from etude.names import nearest
from etude.schedules.algebra import MAX_DEPTH, Product, Rate, Schedule, Sequence, Sum, to_schedule
from etude.schedules.names import named_only
from etude.spec.catalogue import CATALOGUE, METHODS
from etude.spec.document import Functions, Kind, check_functions, of_kind

__all__ = ["parse"]

MAX_LENGTH = 100_000
# Calls and operations in each other: one for each level of the schedule, and those of its numbers.
DEEPEST = MAX_DEPTH + 10
# As many as a list of points that fills the longest text.
MAX_VALUES = 20_000
MAX_NUMBER = 1e300
NUMBER = (int, float)


@overload
def parse(text: str, *, custom: Functions = "import") -> Rate: ...
@overload
def parse(text: str, kind: type[Kind], *, custom: Functions = "import") -> Kind: ...
def parse(text: str, kind: type[Schedule] = Rate, *, custom: Functions = "import") -> Schedule:
    """Read the expression of a schedule.

    Args:
        text: what ``repr`` writes, or what a person would: ``"Linear(0.01 * BASE, BASE, over='5ep') >>
            Cosine(over='85ep')"``; a bare number or level is a constant.
        kind: ``Rate``, ``Factor``, or ``Schedule`` for either; another is refused.
        custom: what becomes of the functions that ``Custom`` names: ``"import"``, for a text of your own
            program; ``"name"``, for one from elsewhere, keeps their names and imports nothing.

    Returns:
        the schedule; ``parse(repr(schedule)) == schedule``.

    Raises:
        SpecError: with the column of what is wrong, and the nearest known name.

    >>> parse("sgdr('10ep', stretch=2)")
    Cosine(BASE, 0.0, over='10ep').repeat(stretch=2)
    >>> parse("Cosin(over=10)")
    Traceback (most recent call last):
    etude.errors.SpecError: there is no schedule called 'Cosin'; did you mean 'Cosine'?
      Cosin(over=10)
      ^ column 1
    """
    if not isinstance(text, str):
        raise SpecError(f"a schedule's text must be a string; got {shortened(text)}")
    if len(text) > MAX_LENGTH:
        raise SpecError(f"a schedule's text may have {MAX_LENGTH:,} characters; this has {len(text):,}")
    check_functions(custom, "parse")
    return of_kind(_Reader(text, custom).read(), kind, "parse")


class _Reader:
    """One reading of one text; its errors know the text."""

    def __init__(self, text: str, custom: Functions) -> None:
        self.custom = custom
        # One line, so that a column is enough to find a place.
        self.text = " ".join(text.splitlines()).strip()
        self.depth = self.values = 0

    def read(self) -> Schedule:
        if "#" in self.text:  # on one line, a comment would hide what stood on the lines after it
            self.fail("comments have no place in a schedule's text", self.text.index("#"))
        try:
            tree = ast.parse(self.text, mode="eval")
            value = self.value(tree.body)
        except SyntaxError as error:
            if "\0" in self.text:
                raise SpecError("a schedule's text must not contain null characters") from None
            self.fail(f"this is not an expression: {error.msg}", (error.offset or 1) - 1)
        except (RecursionError, MemoryError):
            raise SpecError("this is nested too deeply to read: Python itself gives up on it") from None
        except ValueError as error:  # what ast.parse says of null characters
            if isinstance(error, EtudeError):
                raise
            raise SpecError(f"this is not an expression: {error}") from None
        if not isinstance(value, Schedule | Level | int | float) or isinstance(value, bool):
            self.fail(f"this is {_kind(value)}, not a schedule", 0)
        schedule: Schedule = self.guarded(tree.body, lambda: to_schedule(value))
        return schedule

    def fail(self, message: str, column: int) -> NoReturn:
        start = max(column - 60, 0)
        line = self.text[start : column + 60]
        raise SpecError(f"{message}\n  {line}\n  {' ' * (column - start)}^ column {column + 1}")

    def at(self, node: ast.expr | ast.keyword, message: str) -> NoReturn:
        self.at_byte(node.col_offset, message)

    def at_name(self, node: ast.Attribute, message: str) -> NoReturn:
        """Point at what is after the dot."""
        self.at_byte((node.end_col_offset or 0) - len(node.attr.encode()), message)

    def at_byte(self, offset: int, message: str) -> NoReturn:
        # The tree counts bytes; a person counts characters.
        self.fail(message, len(self.text.encode()[:offset].decode(errors="ignore")))

    def guarded(self, node: ast.expr, build: Callable[[], Any]) -> Any:
        """Build a value; what the library refuses is told with the place in the text."""
        try:
            return build()
        except EtudeError as error:
            self.at(node, str(error))

    def value(self, node: ast.expr) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            self.at(node, f"a schedule's text may hold {MAX_VALUES:,} values, and this is one more")
        match node:
            case ast.Constant(value=bool() | str() | None as constant):
                return constant
            case ast.Constant(value=int() | float() as number):
                return self.sized(node, number)
            case ast.Constant(value=other):
                self.at(node, f"{shortened(other)} has no place in a schedule's text")
            case ast.Name(id="BASE"):
                return BASE
            case ast.Name(id=name):
                hint = " (call it, with its arguments)" if name in CATALOGUE else ""
                self.at(
                    node, f"{shortened(name)} is no value{hint or wrong_name(name, [*CATALOGUE, 'BASE'])}"
                )
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(item) for item in items]
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                number = self.value(operand)
                if not isinstance(number, NUMBER) or isinstance(number, bool):
                    self.at(node, f"only a number can have a sign; this is {_kind(number)}")
                return -number if isinstance(sign, ast.USub) else number
            case ast.BinOp() | ast.Call():
                self.depth += 1
                if self.depth > DEEPEST:
                    self.at(node, f"this is nested too deeply to read: more than {DEEPEST} deep")
                value = self.call(node) if isinstance(node, ast.Call) else self.operations(node)
                self.depth -= 1
                return value
            case ast.Attribute(attr=attribute):
                self.at_name(
                    node, f"{shortened(attribute)} must be called, with its arguments in parentheses"
                )
            case _:
                name = type(node).__name__
                self.at(node, f"{_FOREIGN.get(type(node), name)} has no place in a schedule's text")

    def sized(self, node: ast.expr, number: float) -> float:
        """The number, if calculating with it cannot overflow by surprise."""
        if abs(number) > MAX_NUMBER:
            self.at(node, f"numbers must be at most {MAX_NUMBER:g} in size")
        return number

    def operations(self, node: ast.BinOp) -> Any:
        """The value of ``a + b * c >> d >> ...``, however long, from the left."""
        links = []
        first: ast.expr = node
        while isinstance(first, ast.BinOp):
            links.append(first)
            first = first.left
        value = self.operand(first)
        for sign, run in groupby(reversed(links), key=lambda link: type(link.op)):
            value = self.joined(value, sign, [link.right for link in run])
        return value

    def joined(self, value: Any, sign: type[ast.operator], nodes: list[ast.expr]) -> Any:
        """A value and what the same operator joins to it, from the left."""
        for i, node in enumerate(nodes):
            if isinstance(value, Schedule) and sign in _JOINS:
                # All the rest at once: one by one, each would be sorted and checked again.
                parts = [value, *map(self.operand, nodes[i:])]
                return self.guarded(node, partial(_JOINS[sign], *parts))
            value = self.operation(node, value, sign, self.operand(node))
        return value

    def operand(self, node: ast.expr) -> Any:
        value = self.value(node)
        if isinstance(value, bool) or not isinstance(value, Schedule | Level | int | float):
            self.at(node, f"{_kind(value)} cannot be calculated with")
        return value

    def operation(self, node: ast.expr, left: Any, sign: type[ast.operator], right: Any) -> Any:
        """What the operator makes of its two sides, of which the left is no schedule."""
        if sign in _JOINS and (isinstance(right, Schedule) or sign is ast.RShift):
            return self.guarded(node, lambda: _JOINS[sign](left, right))
        if sign is ast.Div and right == 0:
            self.at(node, "cannot divide by 0")
        try:
            value = self.guarded(node, lambda: _ARITHMETIC[sign](left, right))
        except (KeyError, TypeError):
            written = _SIGNS.get(sign, "this operator")
            self.at(node, f"{_kind(left)} and {_kind(right)} cannot be joined by {written}")
        return value if isinstance(value, Level) else self.sized(node, value)

    def call(self, node: ast.Call) -> Any:
        match node.func:
            case ast.Name(id=name):
                if name not in CATALOGUE:
                    self.at(
                        node, f"there is no schedule called {shortened(name)}{wrong_name(name, [*CATALOGUE])}"
                    )
                return self.built(node, name, CATALOGUE[name], [])
            case ast.Attribute(value=ast.Name(id="et" | "etude" as module), attr=name):
                self.at(node, f"leave out {module + '.'!r}: write {name}(...)")
            case ast.Attribute(value=owner, attr=name) as method:
                if name not in METHODS:
                    self.at_name(
                        method, f"a schedule has no method {shortened(name)}{nearest(name, [*METHODS])}"
                    )
                schedule = self.value(owner)
                if not isinstance(schedule, Schedule):
                    self.at_name(method, f"{_kind(schedule)} has no method {name!r}; only a schedule has")
                return self.built(node, name, METHODS[name], [schedule])
        self.at(node, "only a name can be called")

    def built(self, node: ast.Call, name: str, build: Callable[..., Schedule], first: list[Any]) -> Any:
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                self.at(argument, "'*' has no place in a schedule's text")
        signature = inspect.signature(build)
        if first:  # a method's
            signature = signature.replace(parameters=list(signature.parameters.values())[1:])
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                self.at(keyword, "'**' has no place in a schedule's text")
            if keyword.arg in named:
                self.at(keyword, f"{name} is given {keyword.arg!r} twice")
            if keyword.arg not in (known := named_arguments(signature)):
                self.at(keyword, wrong_keyword(name, keyword.arg, known))
            named[keyword.arg] = self.value(keyword.value)
        positional = [self.value(argument) for argument in node.args]
        if wrong := wrong_call(name, signature, tuple(positional), named):
            self.at(node, wrong)
        built = self.guarded(node, lambda: build(*first, *positional, **named))
        return built if self.custom == "import" else named_only(built)


_JOINS: dict[type[ast.operator], Callable[..., Schedule]] = {
    ast.RShift: Sequence.of,
    ast.Mult: Product.of,
    ast.Add: Sum.of,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Mult: operator.mul,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
}
_SIGNS: dict[type[ast.operator], str] = {
    ast.Mult: "'*'",
    ast.Add: "'+'",
    ast.Sub: "'-'",
    ast.Div: "'/'",
    ast.Pow: "'**'",
    ast.FloorDiv: "'//'",
    ast.Mod: "'%'",
    ast.LShift: "'<<'",
}
_FOREIGN: dict[type[ast.expr], str] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "':='",
    ast.IfExp: "a condition",
    ast.Compare: "a comparison",
    ast.BoolOp: "a condition",
    ast.Subscript: "an index",
    ast.Dict: "a dict",
    ast.Set: "a set",
    ast.Starred: "'*'",
    ast.UnaryOp: "this operator",
}


def _kind(value: Schedule | LevelLike | object) -> str:
    """What a value is, in words."""
    if isinstance(value, Schedule):
        return "a schedule"
    if isinstance(value, Level):
        return "a multiple of BASE"
    return "a number" if isinstance(value, NUMBER) and not isinstance(value, bool) else shortened(value)
