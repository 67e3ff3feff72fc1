"""Horizons, lengths, levels and expressions at random, of every kind that there is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.soak.oracle import DEFINITIONS, EASES, FACTORS, WAVES, multiplies
from tests.soak.terms import BASE, Rate, Sizes, Term, term

__all__ = ["Draw"]

METRICS = ("loss", "accuracy")


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

    def length(self) -> Any:
        """Any length, more than none."""
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

        def first(leaves: int = leaves - 1, *, plain: bool = plain) -> Term:
            return self.expression(leaves, plain=plain)

        kind = self.one_of(
            ">>", ">>", ">>", "*", "+", "minimum", "maximum", ".repeat", ".repeat", ".shift", ".stretch",
            ".until", ".clip", ".cooldown",
        )  # fmt: skip
        if kind == ">>":
            return term(">>", self.ended(first(one)), first(leaves - one))
        if kind == "*":
            other = self.factor if self.random.random() < 0.5 else first
            sides = [first(one), other(leaves - one, plain=True)]
            self.random.shuffle(sides)
            return term("*", *sides)
        if kind in ("+", "minimum", "maximum"):
            return term(kind, first(one), first(leaves - one))
        part = first()
        if kind == ".repeat":
            stretch, times = self.growth(), self.maybe(0.5, lambda: self.random.randint(1, 6))
            gain = self.maybe(0.5, lambda: self.number(0.5, 1), 1.0)
            return term(".repeat", self.ended(part), times, stretch=stretch, gain=gain)
        if kind == ".shift":
            return term(".shift", part, self.one_of(self.random.randint(-9, 9), "1ep", "-1ep", 2.5, "-10%"))
        if kind == ".stretch":
            return term(".stretch", part, self.one_of(2, "1/2", "3/2", 1.1, 3))
        if kind == ".until":
            return term(".until", part, self.length())
        if multiplies(part):  # which has neither of the two
            part = term("*", part, 0.5)
        if kind == ".clip":
            low = self.rate(plain=True)
            return term(".clip", part, low, low + self.number(0, 5))
        over, ease = self.one_of(self.length(), self.length(), 0), self.one_of("linear", self.ease())
        stop = self.rate(plain=plain)
        if self.random.random() < 0.1:
            ease, stop = "geometric", self.above(plain=True)
        return term(".cooldown", part, self.length(), over=over, stop=stop, ease=ease)

    def ended(self, part: Term) -> Term:
        """The part, left after a while if it never ends, or may not."""
        if part.name in SHAPES and dict(part.options).get("after", "hold") == "hold":
            return part
        if part.name in (".until", ".cooldown"):
            return part
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
            return term(">>", self.ended(self.factor(one)), self.factor(leaves - one))
        if kind[0] != ".":
            return term(kind, self.factor(one), self.factor(leaves - one))
        part = self.factor(leaves - 1)
        if kind == ".repeat":
            return term(".repeat", self.ended(part), self.random.randint(1, 6), stretch=self.growth())
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
        warmup = {"warmup": self.one_of(0, self.random.randint(1, 9), self.share())}
        cycles = {"cycles": self.maybe(0.5, lambda: self.random.randint(1, 5))}
        gain = number(0.5, 1)
        if kind in SHAPES:
            ends = [rate(), rate()]
            options: dict[str, Any] = {"over": self.one_of(length(), length(), length(), 0)}
            if kind in ("Geometric", "ExpHyperbolic"):
                ends = [self.above(plain=plain), self.above(plain=plain)]
            if kind in ("Hyperbolic", "ExpHyperbolic"):
                options["upper"] = self.one_of(500, 10_000)
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
        lengths = [length() for _ in range(self.random.randint(1, 4))]
        normal = {"distribution": "normal"}
        times = sorted(self.random.randint(0, 60) for _ in range(self.random.randint(1, 5)))
        made: dict[str, Callable[[], Term]] = {
            "Constant": lambda: term("Constant", rate(), over=self.maybe(0.6, length)),
            "Points": lambda: term("Points", [(when, rate()) for when in times], ease=self.ease()),
            "Exponential": lambda: term("Exponential", gain, per=length(), **law),
            "InverseTime": lambda: term("InverseTime", number(0, 2), per=length(), **law),
            "PowerLaw": lambda: term("PowerLaw", number(0.1, 2), timescale=length(), **law),
            "InverseSqrt": lambda: term("InverseSqrt", length(), **law),
            "Sigmoid": lambda: term("Sigmoid", number(0.01, 2), middle=length(), per=length(), **law),
            "PolynomialCycles": lambda: term("PolynomialCycles", length(), power=number(0.1, 3), **law),
            "Steps": lambda: term("Steps", gain, **self.one_of({"every": length()}, {"at": lengths}), **law),
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
            "fixed": lambda: term("fixed", rate()),
            "piecewise_constant": lambda: term(
                "piecewise_constant", list(times), [rate() for _ in range(len(times) + 1)]
            ),
            "time_decay": lambda: term("time_decay", number(0, 2), per=length(), **peak),
            "exponential": lambda: term("exponential", gain, per=length(), **peak),
            "step": lambda: term("step", length(), gain, **peak),
            "multistep": lambda: term("multistep", lengths, gain, **peak),
            "cosine": lambda: term("cosine", self.one_of("100%", length()), rate(), **peak),
            "linear_to_zero": lambda: term("linear_to_zero", "100%", **warmup, **peak),
            "polynomial": lambda: term(
                "polynomial", "100%", number(0.2, 4), rate(), k=self.one_of(1.0, 2.0), **warmup, **peak
            ),
            "inverse_sqrt": lambda: term("inverse_sqrt", length(), self.maybe(0.5, length), **peak),
            "noam": lambda: term("noam", self.random.randint(1, 2048), self.random.randint(1, 40)),
            "power_scheduler": lambda: term(
                "power_scheduler",
                number(0.1, 1),
                number(2, 20),
                number(0.3, 1),
                unit=self.one_of("tok", "st"),
                **warmup,
            ),
            "adafactor": lambda: term("adafactor", warmup_init=self.one_of(True, False)),
            "chebyshev": lambda: term(
                "chebyshev", self.one_of(2, 4, 16), number(0.01, 0.9), per=length(), **peak
            ),
            "one_cycle": lambda: term(
                "one_cycle",
                rate(),
                up=number(0.1, 0.5),
                div=number(1, 30),
                final_div=number(1, 1e4),
                **self.phases(),
            ),
            "one_cycle_momentum": lambda: term(
                "one_cycle_momentum", rate(), rate(), up=number(0.1, 0.5), **self.phases()
            ),
            "slanted_triangular": lambda: term(
                "slanted_triangular", self.one_of("100%", length()), number(0, 1), number(1, 50), **peak
            ),
            "flat_cosine": lambda: term("flat_cosine", number(0, 1), floor=rate(), **peak),
            "knee": lambda: term("knee", self.share(), floor=rate(), **warmup, **peak),
            "infinite": lambda: term("infinite", length(), length(), rate(), **peak),
            "swa": lambda: term("swa", rate(), length(), at=length(), ease=self.ease(), **peak),
            "yolo": lambda: term("yolo", rate(), number(0, 1), warmup=length()),
            "wsd": lambda: term(
                "wsd", self.one_of(0, 5, self.share()), self.share(), floor=rate(), ease=self.ease(), **peak
            ),
            "warmup": lambda: term(
                "warmup", length(), self.maybe(0.5, lambda: number(0, 1)), ease=self.ease()
            ),
            "untuned_linear_warmup": lambda: term(
                "untuned_linear_warmup", self.one_of(0.5, 0.9, 0.99, 0.999)
            ),
            "untuned_exponential_warmup": lambda: term("untuned_exponential_warmup", number(0.5, 0.99)),
            "sgdr": lambda: term(
                "sgdr", length(), self.growth(), floor=rate(), gain=self.one_of(1.0, gain), **cycles, **peak
            ),
            "cosine_with_restarts": lambda: term(
                "cosine_with_restarts", self.random.randint(1, 5), floor=rate(), **warmup, **peak
            ),
            "warmup_restarts": lambda: term(
                "warmup_restarts",
                self.random.randint(9, 30),
                self.random.randint(0, 8),
                self.growth(),
                floor=rate(),
                gain=self.one_of(1.0, gain),
                **cycles,
                **peak,
            ),
            "cyclic_cosine_decay": lambda: term(
                "cyclic_cosine_decay",
                length(),
                rate(),
                length(),
                self.growth(),
                rate(),
                length(),
                rate(),
                warmup_shape=self.ease(),
                **self.maybe(0.5, lambda: {"init_lr": rate()}, {}),
            ),
            "cyclic": lambda: self.cyclic(plain),
            "cyclic_momentum": lambda: term(
                "cyclic_momentum", rate(), rate(), length(), self.maybe(0.5, length), **cycles
            ),
        }
        return made[kind]()

    def phases(self) -> dict[str, Any]:
        """How many phases a one-cycle has."""
        return {"three_phase": self.one_of(True, False), "ease": self.one_of("cosine", "linear")}

    def cyclic(self, plain: bool) -> Term:
        """A wave between two bounds."""
        low = self.rate(plain=plain)
        high = low * 1 + self.number(0, 5) if not isinstance(low, Rate) else Rate(low.factor * 2, low.offset)
        mode = self.one_of("triangular", "triangular2", "exp_range", "exp_range_both")
        fade = {"gamma": self.number(0.9, 1), "per": self.length()} if "exp" in mode else {}
        return term(
            "cyclic", low, high, self.length(), self.maybe(0.5, self.length), mode, shape=self.one_of(*WAVES),
            gain=self.maybe(0.3, lambda: self.number(0.5, 1)),
            cycles=self.maybe(0.5, lambda: self.random.randint(1, 5)), **fade,
        )  # fmt: skip

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
    "QuarterCosine",
    "QuarterSine",
    "MirrorCosine",
    "OneMinusSqrt",
    "OneMinusSquare",
    "Polynomial",
    "Rex",
    "Tanh",
    "Geometric",
    "Hyperbolic",
    "ExpHyperbolic",
)
KINDS = [
    name
    for name in DEFINITIONS
    if name[0].isalpha() and name not in ("minimum", "maximum") and name not in FACTORS
]
