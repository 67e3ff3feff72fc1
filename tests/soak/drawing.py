"""Horizons, lengths, levels and expressions at random, of every kind that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Literal

from tests.soak.oracle import DEFINITIONS, EASES, FACTORS, WAVES, multiplies
from tests.soak.terms import BASE, Rate, Sizes, Term, term

__all__ = ["Draw"]

METRICS = ("loss", "accuracy")
Where = Literal["last", "followed", "repeated"]
# How often a length counts the rest of the run, where it may and where it may not.
RESTS: dict[Where, float] = {"last": 0.15, "followed": 0.1, "repeated": 0.01}
# A length that reaches the end of the run, before something that follows.
SELDOM = 0.05


class Draw:
    """What one case is drawn from.

    Args:
        random: where chance comes from.
        sizes: the horizon that lengths are drawn for.
    """

    def __init__(self, random: Random, sizes: Sizes | None = None) -> None:
        self.random = random
        self.sizes = self._horizon() if sizes is None else sizes
        self.run = max(int(self.sizes.steps(self.sizes.total)), 1)
        self._where: Where = "last"

    def one_of(self, *items: Any) -> Any:
        """One of these."""
        return self.random.choice(items)

    def maybe(self, share: float, draw: Callable[[], Any], other: Any = None) -> Any:
        """What is drawn, in that share of the cases."""
        return draw() if self.random.random() < share else other

    def number(self, low: float, high: float) -> float:
        """A number of few digits, as people write, or of all."""
        number = self.random.uniform(low, high)
        short = round(number, self.one_of(1, 2, 3))
        return short if low < short < high and self.random.random() < 0.7 else number

    def _horizon(self) -> Sizes:
        epoch = self.random.randint(1, 12)
        epochs = self.random.randint(2, 30)
        total = self.one_of(f"{epochs}ep", epoch * epochs, epoch * epochs + 1, f"{1024 * epochs}tok")
        return Sizes(epoch, total, self.one_of(1, 3, 4, 32), self.one_of(7, 64, 1000))

    # Lengths.

    def whole(self) -> Any:
        """A length in whole steps."""
        return self.one_of(
            self.random.randint(1, 40), f"{self.random.randint(1, 5)}ep", self.random.randint(1, 9)
        )

    @contextmanager
    def _in(self, where: Where) -> Iterator[None]:
        """Draw what is last, is followed or is repeated; what is in something repeated is so, too."""
        outer = self._where
        self._where = "repeated" if outer == "repeated" else where
        try:
            yield
        finally:
            self._where = outer

    def rest(self) -> Any:
        """A length that counts the rest of the run; all of it where nothing follows, and else seldom."""
        part = self.one_of(
            "0.5rest", "0.25rest", "1/3rest", "0.1rest", "rest - 1ep", "rest - 5st", "rest - 10%",
            "rest - 3", "0.5rest + 2st", "0.9rest - 1/2st", "-0.25rest + 20%", "rest - 200smp",
        )  # fmt: skip
        if self._where == "last" or self.random.random() < SELDOM:
            return self.one_of("rest", "rest", "rest + 1ep", part, part)
        return part

    def whole_run(self) -> dict[str, Any]:
        """How long a recipe is that fills the run where nothing is said."""
        if self._where == "last" or self.random.random() < SELDOM:
            return self.one_of({}, {}, {"over": "100%"}, {"over": self.length()}, {"over": self.rest()})
        return {"over": self.one_of("100%", "50%", self.length())}

    def part(self, *lengths: Any) -> Any:
        """A part of a recipe: a length, or a share of it."""
        shares = (0.1, 0.25, self.number(0.01, 0.6))
        return self.one_of(*lengths, self.share(), *shares, self.maybe(RESTS[self._where], self.rest, 3))

    def length(self) -> Any:
        """Any length, more than none."""
        if self.random.random() < RESTS[self._where]:
            return self.rest()
        samples, tokens = self.sizes.samples_per_step or 1, self.sizes.tokens_per_step or 1
        number = self.random.randint(1, 30)
        return self.one_of(
            self.whole(),
            self.whole(),
            f"{number}ep + {self.random.randint(1, 5)}st",
            f"{self.random.randint(1, 4)}ep - {self.one_of(1, '1/2')}st",
            f"{self.one_of(5, 10, 12.5, 20, 30, '100/3', 50)}%",
            f"{self.one_of(5, 10, 30)}% - 1st",
            f"{number * samples}smp",
            f"{number + 1}smp",
            f"{number * tokens}tok",
            f"{number * 5}tok",
            f"{number}/{self.one_of(3, 7, 8)}st",
            f"{self.one_of(0.5, 1.5, 2.25, '1/3')}ep",
            self.one_of(1.1, 2.5, 0.3, 7.75),
        )

    def share(self) -> str:
        """A length that is a share of the run."""
        return f"{self.one_of(2.5, 5, 10, 20, 25, '100/3')}%"

    # Levels.

    def rate(self, *, plain: bool = False) -> Any:
        """A level; ``plain`` without BASE."""
        level = self.one_of(0.0, 0.1, 0.5, 1.0, self.number(0, 10), self.number(1e-6, 1e-3))
        if plain or self.random.random() < 0.4:
            return level
        return Rate(self.one_of(1.0, 0.5, 0.1, self.number(0.01, 3)), self.one_of(0.0, 0.0, 0.25))

    def above(self, *, plain: bool = False) -> Any:
        """A level above 0."""
        return self.number(1e-3, 3) if plain else self.one_of(BASE, BASE * 0.1, self.number(1e-3, 3))

    def ease(self) -> str:
        """The name of an ease."""
        return self.one_of(*EASES)

    def growth(self) -> Any:
        """How many times as long each cycle is."""
        return self.one_of(1, 1, 2, 3, 1.1, "3/2", "1/2", 0.9)

    # Expressions.

    def expression(self, leaves: int = 5, *, plain: bool = False) -> Term:
        """Any expression of about so many parts."""
        if leaves < 2:
            return self.leaf(plain=plain)
        one = self.random.randint(1, leaves - 1)

        def first(leaves: int = leaves - 1, *, plain: bool = plain, where: Where = self._where) -> Term:
            with self._in(where):
                return self.expression(leaves, plain=plain)

        kind = self.one_of(
            ">>", ">>", ">>", "*", "+", "minimum", "maximum", ".repeat", ".repeat", ".shift", ".stretch",
            ".until", ".clip", ".cooldown", ".under",
        )  # fmt: skip
        if kind == ">>":
            return term(">>", self.ended(lambda: first(one, where="followed")), first(leaves - one))
        if kind == "*":
            other = self.factor if self.random.random() < 0.5 else first
            sides = [first(one), other(leaves - one, plain=True)]
            self.random.shuffle(sides)
            return term("*", *sides)
        if kind in ("+", "minimum", "maximum"):
            return term(kind, first(one), first(leaves - one))
        if kind == ".repeat":
            stretch, times = self.growth(), self.maybe(0.5, lambda: self.random.randint(1, 6))
            gain = self.maybe(0.5, lambda: self.number(0.5, 1), 1.0)
            with self._in("repeated"):
                part = self.ended(first)
            return term(".repeat", part, times, stretch=stretch, gain=gain)
        if kind == ".under":
            return self.momentum(plain)
        part = first(where="last" if kind in (".until", ".cooldown") else self._where)
        if kind == ".shift":
            by = self.one_of(self.random.randint(-9, 9), "1ep", "-1ep", 2.5, "-10%", "0.1rest", "-0.2rest")
            if self._where == "repeated" and "rest" in str(by):
                by = 3
            return term(".shift", part, by)
        if kind == ".stretch":
            return term(".stretch", part, self.one_of(2, "1/2", "3/2", 1.1, 3))
        if kind == ".until":
            return term(".until", part, self.length())
        if multiplies(part):  # which has neither of the two
            part = term("*", part, 0.5)
        if kind == ".clip":
            low = self.rate(plain=True)
            return term(".clip", part, low, low + self.number(0, 5))
        ease, stop = self.one_of("linear", self.ease()), self.rate(plain=plain)
        if self.random.random() < 0.1:
            ease, stop = "geometric", self.above(plain=True)
        return term(".cooldown", part, self.length(), **self.cooling(), stop=stop, ease=ease)

    def cooling(self) -> dict[str, Any]:
        """How long a cooldown takes: the rest of the run where nothing is said."""
        if self._where == "last" and self.random.random() < 0.3:
            return {}
        return {"over": self.one_of(self.length(), self.length(), 0)}

    def ended(self, draw: Callable[[], Term]) -> Term:
        """What is drawn, left after a while if it never ends, or may not."""
        part = draw()
        if part.name in SHAPES and dict(part.options).get("after", "hold") == "hold":
            return part
        if part.name in (".until", ".cooldown"):
            return part
        if part.name in ENDED and self.random.random() < 0.5:
            return part
        with self._in("followed"):
            if multiplies(part) or self.random.random() < 0.7:
                return term(".until", part, self.length())
            return term(".cooldown", part, self.length(), over=self.length(), stop=self.rate(plain=True))

    def factor(self, leaves: int = 1, *, plain: bool = True) -> Term:
        """Something that multiplies, of about so many parts."""
        if leaves < 2:
            return self._leaf(self.one_of(*FACTORS), plain)
        one = self.random.randint(1, leaves - 1)
        kind = self.one_of(">>", "*", "+", "minimum", "maximum", ".repeat", ".shift", ".stretch", ".until")
        if kind == ">>":
            with self._in("followed"):
                before = self.ended(lambda: self.factor(one))
            return term(">>", before, self.factor(leaves - one))
        if kind[0] != ".":
            return term(kind, self.factor(one), self.factor(leaves - one))
        if kind == ".repeat":
            with self._in("repeated"):
                part = self.ended(lambda: self.factor(leaves - 1))
            return term(".repeat", part, self.random.randint(1, 6), stretch=self.growth())
        part = self.factor(leaves - 1)
        if kind == ".shift":
            return term(".shift", part, self.random.randint(-9, 9))
        return term(kind, part, self.one_of(2, "3/2") if kind == ".stretch" else self.length())

    def leaf(self, *, plain: bool = False, only: str | None = None) -> Term:
        """One entry of the catalogue: a rate, and seldom a factor, which has no place there."""
        kinds = FACTORS if self.random.random() < 0.02 else KINDS
        return self._leaf(only or self.one_of(*kinds), plain)

    def _leaf(self, kind: str, plain: bool) -> Term:
        def rate() -> Any:
            return self.rate(plain=plain)

        length, number = self.length, self.number
        peak = {"peak": rate()}
        start = {"start": rate()}
        law = {**start, **self.maybe(0.4, lambda: {"over": length()}, {})}
        factor = self.maybe(0.3, lambda: {"over": length()}, {})
        warmup = self.maybe(0.7, lambda: {"warmup": self.part(0, self.random.randint(1, 9))}, {})
        # Where there is no whole that it could be a share of.
        own_warmup = self.maybe(
            0.6, lambda: {"warmup": self.one_of(0, self.random.randint(1, 9), self.share(), length())}, {}
        )
        floor = self.maybe(0.6, lambda: {"floor": rate()}, {})
        cycles = {"cycles": self.maybe(0.5, lambda: self.random.randint(1, 5))}
        gain = number(0.5, 1)
        if kind in SHAPES:
            return self._shape(kind, plain)
        lengths = [length() for _ in range(self.random.randint(1, 4))]
        normal = {"distribution": "normal"}
        times = sorted(self.random.randint(0, 60) for _ in range(self.random.randint(1, 5)))
        last = self.maybe(RESTS[self._where], lambda: [self.rest()], [])
        made: dict[str, Callable[[], Term]] = {
            "Constant": lambda: term("Constant", rate(), over=self.maybe(0.6, length)),
            "Points": lambda: term("Points", [(when, rate()) for when in [*times, *last]], ease=self.ease()),
            "Exponential": lambda: term("Exponential", gain, per=length(), **law),
            "InverseTime": lambda: term("InverseTime", number(0, 2), per=length(), **law),
            "PowerLaw": lambda: term("PowerLaw", number(0.1, 2), timescale=length(), **law),
            "InverseSqrt": lambda: term("InverseSqrt", length(), **law),
            "Sigmoid": lambda: term("Sigmoid", number(0.01, 2), middle=length(), per=length(), **law),
            "PolynomialCycles": lambda: term("PolynomialCycles", length(), power=number(0.1, 3), **law),
            "Steps": lambda: term(
                "Steps", **self.one_of({"every": length()}, {"at": lengths}), gamma=gain, **law
            ),
            "Custom": lambda: term("Custom", "math:sqrt", **law),
            "ExponentialWarmup": lambda: term("ExponentialWarmup", length(), **factor),
            "RAdamWarmup": lambda: term("RAdamWarmup", number(0.7, 0.999), **factor),
            "Noise": lambda: term(
                "Noise",
                self.random.randint(0, 2**40),
                number(0.01, 1),
                every=length(),
                **self.one_of({}, normal, {**normal, "std": number(0.1, 2)}),
                **factor,
            ),
            "Plateau": self.plateau,
            "piecewise_constant": lambda: term(
                "piecewise_constant",
                [*times, *last],
                rates=[rate() for _ in range(len(times) + len(last) + 1)],
            ),
            "time_decay": lambda: term(
                "time_decay", number(0, 2), per=length(), **own_warmup, **floor, **peak
            ),
            "exponential": lambda: term("exponential", gain, per=length(), **own_warmup, **floor, **peak),
            "step": lambda: term("step", length(), gain, **own_warmup, **floor, **peak),
            "multistep": lambda: term("multistep", lengths, gain, **own_warmup, **floor, **peak),
            "cosine": lambda: term(
                "cosine",
                **self.whole_run(),
                **warmup,
                **floor,
                **self.maybe(0.4, lambda: {"cycles": self.random.randint(1, 5)}, {}),
                **peak,
            ),
            "linear": lambda: term("linear", **self.whole_run(), **warmup, **floor, **peak),
            "polynomial": lambda: term(
                "polynomial",
                **self.whole_run(),
                power=number(0.2, 4),
                k=self.one_of(1.0, 2.0),
                **warmup,
                **floor,
                **peak,
            ),
            "inverse_sqrt": lambda: term("inverse_sqrt", length(), **own_warmup, **floor, **peak),
            "noam": lambda: term(
                "noam", d_model=self.random.randint(1, 2048), warmup=self.random.randint(1, 40)
            ),
            "power_scheduler": lambda: term(
                "power_scheduler",
                peak=number(0.1, 1),
                a=number(2, 20),
                b=number(0.3, 1),
                unit=self.one_of("tok", "st"),
                **own_warmup,
            ),
            "adafactor": lambda: term("adafactor", warmup_init=self.one_of(True, False)),
            "chebyshev": lambda: term(
                "chebyshev",
                steps=self.one_of(2, 4, 16),
                small=number(0.01, 0.9),
                per=self._repeated_length(),
                **peak,
            ),
            "one_cycle": lambda: term(
                "one_cycle",
                **self.whole_run(),
                **self.phases(),
                div=number(1, 30),
                final_div=number(1, 1e4),
                **peak,
            ),
            "one_cycle_momentum": lambda: term(
                "one_cycle_momentum", **self.whole_run(), low=rate(), high=rate(), **self.phases()
            ),
            "slanted_triangular": lambda: term(
                "slanted_triangular", **self.whole_run(), up=self.part(5), ratio=number(1, 50), **peak
            ),
            "infinite": lambda: term("infinite", length(), **own_warmup, level=rate(), **peak),
            "yolo": lambda: term(
                "yolo",
                **self.maybe(0.4, lambda: {"epochs": length()}, {}),
                lr0=rate(),
                lrf=number(0, 1),
                warmup=length(),
            ),
            "wsd": lambda: self._wsd(plain, {**warmup, **floor, **peak}),
            "warmup": lambda: term(
                "warmup",
                length(),
                **self.maybe(0.5, lambda: {"start": number(0, 1)}, {}),
                ease=self.ease(),
            ),
            "untuned_warmup": lambda: term(
                "untuned_warmup",
                self.one_of(0.5, 0.9, 0.99, 0.999, number(0.5, 0.99)),
                ease=self.one_of("linear", "exponential"),
            ),
            "sgdr": lambda: self._sgdr({**floor, "gain": self.one_of(1.0, gain), **cycles, **peak}),
            "cyclic_cosine_decay": lambda: term(
                "cyclic_cosine_decay",
                length(),
                rate(),
                self._repeated_length(),
                self.growth(),
                rate(),
                length(),
                rate(),
                warmup_shape=self.ease(),
                **self.maybe(0.5, lambda: {"init_lr": rate()}, {}),
            ),
            "cyclic": lambda: self.cyclic(plain),
        }
        return made[kind]()

    def _shape(self, kind: str, plain: bool) -> Term:
        number, length = self.number, self.length
        options: dict[str, Any] = {"over": self.one_of(length(), length(), length(), 0)}
        if self.random.random() < (0.3 if self._where == "last" else SELDOM):
            options = {}
        if kind == "Hyperbolic":
            options["upper"] = self.one_of(500, 10_000, self.maybe(2 * RESTS[self._where], self.rest, 1000))
            options |= {"geometric": True} if self.random.random() < 0.5 else {}
        log = kind == "Geometric" or options.get("geometric")
        ends = [(self.above if log else self.rate)(plain=plain) for _ in range(2)]
        if kind == "Ramp":
            options["ease"] = self.one_of(*(ease for ease in EASES if ease not in OWN))
        if kind in ("Cosine", "Polynomial"):
            options |= {
                "power": self.one_of(1.0, 0.5, 2.0, number(0.2, 4)),
                "k": self.one_of(1.0, 2.0, 0.5),
            }
        if kind == "Rex":
            options["beta"] = number(0, 0.95)
        if kind == "Tanh":
            options |= {"lower": number(-8, -1), "upper": number(0.1, 4)}
        if self.random.random() < 0.3:
            options["inclusive"] = True
        if self.random.random() < 0.15:
            options["after"] = self.one_of("repeat", "raise")
        return Term(kind, tuple(ends), tuple(options.items()))

    def _repeated_length(self) -> Any:
        """The length of what a recipe repeats."""
        with self._in("repeated"):
            return self.length()

    def _wsd(self, plain: bool, options: dict[str, Any]) -> Term:
        ease = self.one_of("linear", self.ease())
        power = self.number(0.2, 4) if ease == "linear" and self.random.random() < 0.5 else 1.0
        if self.random.random() < 0.1:
            ease, power = "geometric", 1.0
            options |= {"floor": self.above(plain=plain), "peak": self.above(plain=plain)}
        cooldown = self.maybe(0.7, lambda: {"cooldown": self.part(0, 5)}, {})
        return term("wsd", **self.whole_run(), **cooldown, ease=ease, power=power, **options)

    def _sgdr(self, options: dict[str, Any]) -> Term:
        period, up = self._repeated_length(), {}
        if self.random.random() < 0.5:
            with self._in("repeated"):
                period, up = self.random.randint(9, 30), {"up": self.part(self.random.randint(0, 8))}
        return term("sgdr", period, stretch=self.growth(), **up, **options)

    def phases(self) -> dict[str, Any]:
        """The way up of a one-cycle, and how many phases it has."""
        phases = {"three_phase": self.one_of(True, False), "ease": self.one_of("cosine", "linear")}
        return {
            **self.maybe(0.7, lambda: {"up": self.one_of(self.number(0.1, 0.5), self.length())}, {}),
            **phases,
        }

    def cyclic(self, plain: bool) -> Term:
        """A wave between two bounds."""
        low = self.rate(plain=plain)
        high = low * 1 + self.number(0, 5) if not isinstance(low, Rate) else Rate(low.factor * 2, low.offset)
        mode = self.one_of("triangular", "triangular2", "exp_range", "exp_range_both")
        fade = {"gamma": self.number(0.9, 1), "per": self.length()} if "exp" in mode else {}
        return term(
            "cyclic", self._repeated_length(), low=low, high=high,
            down=self.maybe(0.5, self._repeated_length), mode=mode, shape=self.one_of(*WAVES),
            gain=self.maybe(0.3, lambda: self.number(0.5, 1)),
            cycles=self.maybe(0.5, lambda: self.random.randint(1, 5)), **fade,
        )  # fmt: skip

    def momentum(self, plain: bool) -> Term:
        """What a wave leaves of a level, as momenta are."""
        low, height = self.number(0, 1), self.number(0.01, 1)
        wave = term(
            "cyclic", self._repeated_length(), low=0.0, high=height,
            down=self.maybe(0.5, self._repeated_length), shape=self.one_of(*WAVES),
            cycles=self.maybe(0.5, lambda: self.random.randint(1, 5)),
        )  # fmt: skip
        return term(".under", wave, Rate(0.0 if plain else self.one_of(0.0, 1.0), low + height))

    def plateau(self) -> Term:
        """A Plateau with every option."""
        return term(
            "Plateau",
            self.one_of(*METRICS),
            factor=self.number(0, 0.9),
            patience=self.random.randint(1, 3),
            mode=self.one_of("min", "max"),
            threshold=self.number(0, 1),
            threshold_mode=self.one_of("rel", "abs"),
            cooldown=self.random.randint(0, 3),
            minimum=self.one_of(0.0, 0.01, 0.5),
            counting=self.one_of("torch", "keras", "optax"),
            nan=self.one_of("bad", "ignore"),
            start_after=self.random.randint(0, 2),
            average=self.random.randint(1, 2),
        )


SHAPES = (
    "Linear",
    "Cosine",
    "Ramp",
    "Polynomial",
    "Rex",
    "Tanh",
    "Geometric",
    "Hyperbolic",
)
OWN = ("linear", "cosine", "rex")
"""Eases that have a shape of their own."""
ENDED = (
    "cosine",
    "linear",
    "polynomial",
    "one_cycle",
    "one_cycle_momentum",
    "slanted_triangular",
    "wsd",
    "yolo",
)
"""Recipes that end."""
KINDS = [
    name
    for name in DEFINITIONS
    if name[0].isalpha() and name not in ("minimum", "maximum") and name not in FACTORS
]
