"""Text: what is read, that everything written reads back, and what is refused, where and how."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etude import (
    BASE,
    Constant,
    Cosine,
    Custom,
    EtudeError,
    Exponential,
    Horizon,
    Linear,
    Plateau,
    Points,
    Rex,
    Schedule,
    Steps,
    maximum,
    minimum,
    parse,
    sgdr,
)
from etude.errors import SpecError
from tests.strategies import schedules


@given(schedules)
@example((Linear(over=5) >> Constant(0.5)) * 2 + 1)
@example(((Linear(over=5) + 1) * Constant(0.5, over=3)).repeat(2))
@example(Linear(over=5) >> (Rex(over=5) >> Rex(over=3)).repeat() * 0.5)
@example(minimum(Linear(over=5) >> Constant(0.5), 1) * 2)
@example(Constant(0.5 * BASE - 0.25) + Constant(1 - 0.5 * BASE))
def test_every_composition_reads_back(plan: Schedule) -> None:
    twin = parse(repr(plan))
    assert twin == plan
    assert twin.fingerprint == plan.fingerprint


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("Constant(0.1)", Constant(0.1)),
        ("0.1", Constant(0.1)),
        ("BASE", Constant(BASE)),
        ("0.1 * BASE + 0.05", Constant(0.1 * BASE + 0.05)),
        ("(BASE - 0.1) / 2", Constant(0.5 * BASE - 0.05)),
        ("2 * 3 - 1", Constant(5.0)),
        ("+1", Constant(1.0)),
        ("Linear(BASE * 0.01, over='5ep')", Linear(0.01 * BASE, over="5ep")),
        ('Linear(over="5ep")', Linear(over="5ep")),
        ("Linear(0, 1, over=10, inclusive=True)", Linear(0.0, 1.0, over=10, inclusive=True)),
        ("Linear(start=.1, stop=1e-5, over=1_000)", Linear(0.1, 1e-5, over=1000)),
        ("sgdr('10ep', stretch=2)", sgdr("10ep", stretch=2)),
        ("sgdr('10ep', stretch='3/2', cycles=3)", sgdr("10ep", stretch="3/2", cycles=3)),
        ("Steps(at=['30ep', 60])", Steps(at=["30ep", 60])),
        ("Steps(at=('30ep', 60))", Steps(at=["30ep", 60])),
        ("Points([(0, .1), ('5ep', BASE)])", Points([(0, 0.1), ("5ep", BASE)])),
        ("Linear(over=5) >> 0.5", Linear(over=5) >> 0.5),
        ("Linear(over=5) >> 0.1 * BASE", Linear(over=5) >> 0.1 * BASE),
        ("Constant(1, over=2) >> Rex(over=3) >> BASE", Constant(1.0, over=2) >> Rex(over=3) >> BASE),
        ("2 * 3 * Linear(over=5)", 6 * Linear(over=5)),  # from the left, as Python does
        ("Linear(over=5) * 2 * 3", Linear(over=5) * 2 * 3),
        ("1 + 2 + Linear(over=5) + 4", 3 + Linear(over=5) + 4),
        ("1 + Linear(over=5) * 2 >> Rex(over=3)", (1 + Linear(over=5) * 2) >> Rex(over=3)),
        ("(Linear(over=5) >> Rex(over=3)) * 2", (Linear(over=5) >> Rex(over=3)) * 2),
        ("minimum(0.5, Linear(over=5))", minimum(0.5, Linear(over=5))),
        ("maximum(0.1, 0.2, BASE)", maximum(0.1, 0.2, BASE)),
        ("Linear(over=5).repeat()", Linear(over=5).repeat()),
        (
            "Linear(over=5).repeat(3, stretch='3/2', gain=.5)",
            Linear(over=5).repeat(3, stretch="3/2", gain=0.5),
        ),
        ("Linear(over=5).repeat(times=None)", Linear(over=5).repeat()),
        ("Linear(over=5).shift('1ep').stretch(2)", Linear(over=5).shift("1ep").stretch(2)),
        ("BASE.clip(0, 1)", None),
        ("Constant().clip(0.1, high=1)", Constant(BASE).clip(0.1, 1)),
        ("Exponential(.9).cooldown(5, over=3)", Exponential(0.9).cooldown(5, over=3)),
        ("cosine() * Plateau('loss', mode='max')", Cosine() * Plateau("loss", mode="max")),
        ("Custom('my.module:f')", Custom("my.module:f")),
        ("  Linear(over=5)  ", Linear(over=5)),
        ("Linear(\n  over=5,\n)\n  >> Rex(over=3)\r\n  >> 0.5", Linear(over=5) >> Rex(over=3) >> 0.5),
    ],
)
def test_what_is_read(text: str, plan: Schedule | None) -> None:
    if plan is None:
        with pytest.raises(SpecError):
            parse(text)
    else:
        assert parse(text) == plan


def test_long_rows_are_read_in_one_go() -> None:
    parts = [Constant(float(k), over=1) for k in range(1, 2000)]
    row = " >> ".join(map(repr, parts))
    plan = parse(row)
    assert plan.parts == tuple(parts)
    assert repr(plan) == row
    assert len(parse(" + ".join(map(repr, parts))).parts) == len(parts)


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        # Names, with the nearest one.
        ("Cosin(over=10)", r"there is no schedule called 'Cosin'; did you mean 'Cosine'\?", 1),
        ("0.5 * Cosin(over=10)", r"there is no schedule called 'Cosin'; did you mean 'Cosine'\?", 7),
        ("Linear(over=5) >> cosin()", r"no schedule called 'cosin'; did you mean 'cosine'\?", 19),
        ("zebra()", r"there is no schedule called 'zebra'$", 1),
        (
            "Cosine(ovr=1)",
            r"Cosine\(\) has no ovr; did you mean 'over'\? \(it takes start, stop, over,",
            8,
        ),
        (
            "Linear(over=5).repeat(2, strech=3)",
            r"repeat\(\) has no strech; did you mean 'stretch'\?",
            26,
        ),
        ("Linear(over=5).repat()", r"a schedule has no method 'repat'; did you mean 'repeat'\? *$", 16),
        ("Linear(over=5).on()", r"a schedule has no method 'on'", 16),
        ("Linear(BSE, over=5)", r"'BSE' is no value; did you mean 'BASE'\?", 8),
        ("Linear", r"'Linear' is no value \(call it, with its arguments\)", 1),
        ("et.Cosine(over=1)", r"leave out 'et.': write Cosine\(...\)", 1),
        # Columns count characters, not bytes.
        ("Custom('é:é') * Cosin()", r"no schedule called 'Cosin'", 17),
        ("Custom('módulo:ñ', foo=1)", r"Custom\(\) has no foo", 20),
        ("Linear(over='5 ép', ovr=1)", r"Linear\(\) has no ovr", 21),
        ("Linear(over='éé') >> (", r"this is not an expression: '\(' was never closed", 22),
        # Arguments.
        ("Ramp()", r"Ramp\(\): missing a required argument: 'ease' \(it takes start, stop, over,", 1),
        ("step()", r"step\(\): missing a required argument: 'every' \(it takes every, gamma, warmup,", 1),
        (
            "Cosine(1, 2, 3)",
            r"Cosine\(\) takes 2 without a name, start, stop; got 3; the others are named: over=",
            1,
        ),
        ("Linear(over=1, over=2)", r"Linear is given 'over' twice", 16),
        ("Linear(1, start=2, over=3)", r"Linear\(\) is given start twice, as 1 and as start=2", 1),
        ("minimum(parts=1)", r"minimum\(\) has no parts, nor any other argument with a name", 9),
        ("minimum(1)", r"must be two schedules or more", 1),
        ("Linear(over=-5)", r"Linear\(over=\) must be at least 0; got -5", 1),
        ("Linear(-1, over=5)", r"Linear\(start=\) must be at least 0; got -1", 1),
        ("2 * Linear(over=[1])", r"Linear\(over=\) must be a duration such as .*; got \[1\]", 5),
        ("Linear(over=Rex(over=1))", r"Linear\(over=\) must be a duration such as .*; got Rex", 1),
        ("Linear(over='5 apples')", r"Linear\(over=\) has the unknown unit 'apples'", 1),
        (
            "Constant('x')",
            r"Constant\(level=\) must be a number \(absolute\) or a multiple of BASE .*; got 'x'",
            1,
        ),
        # Operators.
        (
            "Rex(over=1) - 1",
            r"nothing can be subtracted from a schedule; write floor= or \.clip\(low=\.\.\.\)",
            15,
        ),
        (
            "Rex(over=1) / 2",
            r"a schedule is multiplied, not divided: write Rex\(BASE, 0.0, over=1\) \* 0.5",
            15,
        ),
        (
            "Rex(over=1) - 0 * BASE",
            r"nothing can be subtracted from a schedule; .* or plan.under\(level\)",
            15,
        ),
        (
            "1 - Rex(over=1)",
            r"a level less a schedule is written Rex\(BASE, 0.0, over=1\).under\(1\)",
            5,
        ),
        ("2 ** 3", r"a number and a number cannot be joined by '\*\*'", 6),
        ("7 // 2", r"cannot be joined by '//'", 6),
        ("7 @ 2", r"cannot be joined by this operator", 5),
        ("BASE * BASE", r"a multiple of BASE and a multiple of BASE cannot be joined by '\*'", 8),
        ("1 / BASE", r"a number and a multiple of BASE cannot be joined by '/'", 5),
        ("BASE / 0", r"cannot divide by 0", 8),
        (
            "Rex(over=1) * Rex(over=2)",
            r"both .* are multiples of BASE, and their product would be a rate squared",
            15,
        ),
        ("1 >> Rex(over=1)", r"Constant\(1.0\) has no length of its own, so nothing can follow it", 6),
        ("Exponential(.9) >> Rex(over=1)", r"never ends, so nothing can follow it", 20),
        ("-BASE", r"only a number can have a sign; this is a multiple of BASE", 1),
        ("-Rex(over=1)", r"only a number can have a sign; this is a schedule", 1),
        ("'a' * Rex(over=1)", r"'a' cannot be calculated with", 1),
        ("Rex(over=1) >> [1]", r"\[1\] cannot be calculated with", 16),
        ("True * Rex(over=1)", r"True cannot be calculated with", 1),
        ("BASE.repeat()", r"a multiple of BASE has no method 'repeat'; only a schedule has", 6),
        # What is no schedule.
        ("'5ep'", r"this is '5ep', not a schedule", 1),
        ("[1]", r"this is \[1\], not a schedule", 1),
        ("None", r"this is None, not a schedule", 1),
        ("True", r"this is True, not a schedule", 1),
        ("-1", r"Constant\(level=\) must be at least 0; got -1", 1),
        ("1e999", r"numbers must be at most 1e\+300 in size", 1),
        ("9" * 400, r"numbers must be at most 1e\+300 in size", 1),
        ("9" * 300 + " * " + "9" * 300, r"numbers must be at most 1e\+300 in size", 304),
        ("1e300 / 1e-300", r"numbers must be at most 1e\+300 in size", 9),
        ("BASE * 1e300 * 1e300", r"Level\(factor=\) must be finite; got inf", 16),
        # What is no expression.
        ("", r"this is not an expression", 1),
        ("Rex(over=1) Rex(over=1)", r"this is not an expression: invalid syntax", 13),
        ("Rex(over=1", r"this is not an expression: '\(' was never closed", 4),
        ("x = 1", r"this is not an expression: invalid syntax", 3),
        ("import os", r"this is not an expression: invalid syntax", 1),
        ("Rex(over=1) # warm\n >> Rex(over=2)", r"comments have no place in a schedule's text", 13),
    ],
)
def test_what_is_refused_and_where(text: str, message: str, column: int) -> None:
    with pytest.raises(SpecError, match=message.replace("$", r"\n")) as caught:
        parse(text)
    *_, line, pointer = str(caught.value).split("\n")
    assert pointer.endswith(f"^ column {column}")
    # The pointer stands under the character at that column, also where only a part of the text is shown.
    shown = line[2:]
    place = pointer.index("^") - 2
    joined = " ".join(text.splitlines())
    assert joined[column - 1 : column] == shown[place : place + 1]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("__import__('os').system('true')", "method 'system'"),
        ("__import__('os')", "no schedule called '__import__'"),
        ("eval('1')", "no schedule called 'eval'"),
        ("open('/etc/passwd')", "no schedule called 'open'"),
        ("print(1)", "no schedule called 'print'"),
        ("Rex.__class__", "'__class__' must be called"),
        ("Rex(over=1).__class__", "'__class__' must be called"),
        ("Rex(over=1).__init__()", "no method '__init__'"),
        ("Rex(over=1).on", "'on' must be called"),
        ("().__class__.__bases__[0]", "an index"),
        ("Rex(over=1)(5)", "only a name can be called"),
        ("(lambda: 1)()", "only a name can be called"),
        ("lambda: 1", "a lambda"),
        ("[x for x in [1]]", "a comprehension"),
        ("Steps(gamma=.1, at=[x for x in [1]])", "a comprehension"),
        ("minimum(x for x in [1])", "a comprehension"),
        ("f'{1}'", "an f-string"),
        ("Custom(f'{1}')", "an f-string"),
        ("(x := Rex(over=1))", "':='"),
        ("1 if True else 2", "a condition"),
        ("1 and 2", "a condition"),
        ("not 1", "this operator"),
        ("~1", "this operator"),
        ("1 < 2", "a comparison"),
        ("{}", "a dict"),
        ("{1}", "a set"),
        ("Rex(*[1])", r"'\*' has no place"),
        ("Rex(**{'over': 1})", r"'\*\*' has no place"),
        ("[*[1]]", r"'\*' has no place"),
        ("b'a'", "b'a' has no place"),
        ("1j", "1j has no place"),
        ("...", "Ellipsis has no place"),
        ("await x", "Await has no place"),
        ("Schedule()", "no schedule called 'Schedule'"),
        ("BASE()", "no schedule called 'BASE'"),
        ("Repeat(Rex(over=1))", "no schedule called 'Repeat'"),
        ("Rex(over=1)\0", "null characters"),
        ("\0", "null characters"),
        ("Custom('a:b\0')", "null characters"),
    ],
)
def test_what_has_no_place_in_a_text(text: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def evaluated(*arguments: Any) -> None:
        raise AssertionError("the text was evaluated")

    for name in ("eval", "exec", "open", "print"):
        monkeypatch.setattr(builtins, name, evaluated)
    with pytest.raises(SpecError, match=what):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "[" * 5000,
        "-" * 50_000 + "1",
        "+".join(["1"] * 40_000),
        "Rex(over=1)" + ".shift(1)" * 8000,
        "Rex(over=" * 5000,
        "minimum(" * 90 + "1" + ",1)" * 90,
        " >> ".join(["Rex(over=1)"] * 6000),
        "x" * 100_001,
        "1" * 5000,
        "Rex(over='" + "9" * 5000 + "')",
        "Rex(over='1e999999999')",
        "Rex(over='1/" + "9" * 4000 + "')",
        "Rex(over=1).repeat(stretch='1e999999999')",
        "Rex(over=1).repeat(10000000000, stretch=2)",
        "Rex(over=1).repeat(" + "9" * 300 + ")",
    ],
    ids=lambda text: text[:30],
)
def test_texts_made_to_exhaust_the_reader(text: str) -> None:
    read: Schedule | EtudeError
    try:
        read = parse(text)
    except EtudeError as error:
        read = error
    assert isinstance(read, Schedule) or len(str(read)) < 1000


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        plan = parse(text)
    except SpecError:
        return
    assert parse(repr(plan)) == plan


PIECES = ["Linear", "Rex", "Constant", "minimum", "BASE", "None", ".repeat", ".shift", "over", "'5ep'"]
PIECES += [
    "(",
    ")",
    "[",
    "]",
    ",",
    "=",
    "+",
    "-",
    "*",
    "/",
    "**",
    " >> ",
    "1",
    "0.5",
    "1e999",
    "é",
    "#",
    "\n",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_arrangement_of_pieces_is_read_or_refused(text: str) -> None:
    try:
        plan = parse(text)
    except SpecError:
        return
    assert parse(repr(plan)) == plan


@pytest.mark.parametrize("value", [None, 5, b"Rex(over=1)", Rex(over=1), ["Rex(over=1)"]])
def test_only_text_is_read(value: Any) -> None:
    with pytest.raises(SpecError, match="a schedule's text must be a string; got"):
        parse(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Constant()" + ".shift(1)" * 190, r"this is nested too deeply to read: more than 180 deep\n"),
        ("minimum(" * 190 + "1, 1" + ")" * 190, r"more than 180 deep\n.*\n *\^ column 1441$"),
        ("-" * 100_000, "this is nested too deeply to read: Python itself gives up on it"),
        ("minimum(" + "1," * 20_000 + "1)", "may hold 20,000 values, and this is one more"),
        (
            "Constant(1.0, over='" + "1+" * 40_000 + "1')",
            "a duration of at most 10,000 characters",
        ),
        ("x" * 100_000, r"^'x{98}… is no value"),
    ],
)
def test_d5_what_is_too_deep_or_too_much_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse(text)


def calls(text: str) -> int:
    """How many functions are called as a text is read: unlike seconds, as many on any machine."""
    count = 0

    def called(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        parse(text)
    finally:
        sys.setprofile(None)
    return count


def test_d3_pieces_by_the_thousand_are_read_in_one_go() -> None:
    def written(jumps: int) -> str:
        rates = ", ".join(f"{i}.0" for i in range(jumps + 1))
        return f"piecewise_constant([{', '.join(map(str, range(1, jumps + 1)))}], rates=[{rates}])"

    plan = parse(written(2_000))
    assert len(plan.parts) == 2_001
    assert plan.on(Horizon(total=2_001))([0, 1, 1_999, 2_000]).tolist() == [0.0, 1.0, 1_999.0, 2_000.0]
    assert calls(written(400)) < 2.5 * calls(written(200))  # not the square of as many
