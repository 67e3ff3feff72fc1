"""Texts that are nearly right: bytes, tokens and values changed, and texts put together of two."""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

__all__ = ["mutated", "mutated_json"]

TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
SIGNS = "()[]{}'\",:.+-*/>&|!%#@\\\n\t \x00\ud800\u202e\uff11\u0663é☃"
WORDS = (
    "0 -1 -0.0 1e400 -1e400 1e-400 NaN Infinity nan inf 0x1F 0b1 0o7 1_000 1e999999999 1/0 00 ٣ １ None True "
    "null yes ~ BASE lambda import eval __import__ __class__ et Custom Constant over >> ** // == := ... <- ; "
    ",, (( )) [] {} () ''"
)
HOSTILE = (
    *WORDS.split(),
    "9" * 400,
    "9" * 5_000,
    "1" + "0" * 60,
    "4503599627370497",
    "9007199254740993",
    "18446744073709551616",
    "Custom('soak_hostile:touched', over=10)",
    "Custom('os:_exit')",
    "__import__('os').system('true')",
    "'5ep - 6ep'",
    "'1e30ep'",
    "'rest'",
    "'rest - 10ep'",
    "'-1/3rest'",
    "'1e30rest'",
    "over='rest'",
    "'100000000000000000000000%'",
    "0.1 * BASE - 1",
    ".repeat(10**9, stretch=2)",
    ".shift('-9999999999ep')",
    ".stretch(1e-30)",
    "\x1b[31m",
    "\ud800",
    "x" * 3_000,
)
MARKS = "!!str !!bool !!float !!int !!null !!map ! @ ` | >- --- ... *a &a ? 0x 0o9 1:2:3 2001-01-01 ="
YAML = (
    *MARKS.split(),
    "!!int ''",
    "!!map [x]",
    "!!python/object/apply:os.system [true]",
    "!!python/name:os.system",
    "!!binary '?'",
    "!!set {a}",
    "!!timestamp 2001-99-99",
    "!!omap [x]",
    "&a [*a]",
    "<<: *a",
    "? [x]",
    "%YAML 9.9",
    "- - -",
    "{a: &b [*b, *b]}",
    "!<x> y",
    "\t",
)
TEXTS = (
    "",
    "x",
    "0",
    "٣",
    "5ep",
    "rest",
    "-2rest",
    "1e400",
    "9" * 5_000,
    "\x00",
    "\x1b[2J",
    "\ud800",
    "BASE",
    "1/0",
)
NUMBERS = (0, -1, 1, 0.5, -0.0, 1e308, 5e-324, 2**53 + 1, 10**30, 10**400, 999999999999, math.inf, math.nan)
VALUES: tuple[Any, ...] = (
    *TEXTS,
    *NUMBERS,
    *(None, True, False, [], {}, [[]], [None], {"": None}, {"type": "Linear"}),
    "Custom('soak_hostile:touched')",
)
RARE: tuple[Callable[[], str], ...] = (
    lambda: "[" * 100_000,
    lambda: "(" * 10_000,
    lambda: "{'a':" * 50_000,
    lambda: '{"a":' * 50_000,
    lambda: "- " * 20_000,
    lambda: "-" * 50_000 + "1",
    lambda: "1" + "+1" * 20_000,
    lambda: " >> ".join(["Constant(1, over=1)"] * 2_000),
    lambda: "Constant(1)" + ".stretch(2)" * 3_000,
    lambda: "minimum(1, " * 3_000,
    lambda: "{" + ",".join(f'"k{number}": 1' for number in range(20_000)) + "}",
    lambda: "\n".join(f"k{number}: 1" for number in range(20_000)),
    lambda: (
        "a: &a [1,1]\n"
        + "".join(f"{x}: &{x} [*{y}, *{y}, *{y}]\n" for x, y in zip("bcdefghi", "abcdefgh", strict=True))
    ),
    lambda: "9" * 200_000,
    lambda: "\x00" * 10_000,
)


def mutated(random: Random, texts: Sequence[str]) -> str:
    """One of the texts, changed a little, or in one case of a thousand something monstrous."""
    text = random.choice(texts)
    if random.random() < 0.001:
        monster = random.choice(RARE)()
        return random.choice([monster, text + monster, text.replace("1", monster, 1)])
    for _ in range(random.choice([1, 1, 1, 2, 3, 6])):
        text = random.choice(WAYS)(random, text, texts)
    return text


def mutated_json(random: Random, texts: Sequence[str]) -> str:
    """The same of JSON, of which mostly the values are changed."""
    if random.random() < 0.3:
        return mutated(random, texts)
    document = json.loads(random.choice(texts))
    for _ in range(random.choice([1, 1, 2, 4])):
        document = _with_other_value(random, document)
    return json.dumps(document)


def _bytes(random: Random, text: str, texts: Sequence[str]) -> str:
    place = random.randrange(len(text) + 1)
    end = min(place + random.choice([0, 1, 1, 2, 8, 40]), len(text))
    put = random.choice(["", random.choice(SIGNS), chr(random.randrange(32, 127)), text[place:end] * 2])
    return text[:place] + put + text[end:]


def _tokens(random: Random, text: str, texts: Sequence[str]) -> str:
    tokens = TOKEN.findall(text) or [""]
    place = random.randrange(len(tokens))
    other = random.choice(TOKEN.findall(random.choice(texts)))
    tokens[place] = random.choice(
        [random.choice(HOSTILE), random.choice(HOSTILE), other, "", tokens[place] * 2]
    )
    return "".join(tokens)


def _yaml(random: Random, text: str, texts: Sequence[str]) -> str:
    tokens = TOKEN.findall(text) or [""]
    place = random.randrange(len(tokens))
    tokens[place] = random.choice([f"{random.choice(YAML)} {tokens[place]}", random.choice(YAML)])
    return "".join(tokens)


def _splice(random: Random, text: str, texts: Sequence[str]) -> str:
    other = random.choice(texts)
    return text[: random.randrange(len(text) + 1)] + other[random.randrange(len(other)) :]


def _cut(random: Random, text: str, texts: Sequence[str]) -> str:
    return text[: random.randrange(len(text) + 1)]


WAYS = (_bytes, _bytes, _tokens, _tokens, _tokens, _yaml, _splice, _cut)


def _with_other_value(random: Random, document: Any) -> Any:
    """A document with one value anywhere in it changed, left out, doubled or moved."""
    if not isinstance(document, dict | list) or not document or random.random() < 0.1:
        return copy.deepcopy(random.choice(VALUES))
    keys = list(document) if isinstance(document, dict) else list(range(len(document)))
    key = random.choice(keys)
    if random.random() < 0.6:
        document[key] = _with_other_value(random, document[key])
        return document
    what = random.randrange(6)
    if what == 0:
        del document[key]
    elif what == 1:
        document[key] = copy.deepcopy(document[random.choice(keys)])
    elif what == 2 and isinstance(document, dict):
        document[random.choice(["", "x", "type", str(key) + "s", "\ud800"])] = document.pop(key)
    elif what == 3 and isinstance(document, list):
        document += copy.deepcopy(document) * random.choice([1, 1, 100])
    elif what == 4:
        for _ in range(random.choice([1, 1, 1, 1, 1, 1, 2, 60, 200])):
            document[key] = [document[key]]
    else:
        document[key] = copy.deepcopy(random.choice(VALUES))
    return document
