"""One example of each name in the catalogue, and of the schedules that are one line of what is there.

All of them are for ``HORIZON``: 1,000 updates in 10 epochs.
"""

from __future__ import annotations

from etude.durations import Horizon

__all__ = ["EXAMPLES", "FIELD", "HORIZON"]

HORIZON = Horizon(steps_per_epoch=100, total="10ep", samples_per_step=32, tokens_per_step=1000)

EXAMPLES: dict[str, str] = {
    "Constant": "Constant(0.5 * BASE)",
    "Cosine": "Cosine(BASE, 0.0)",
    "Custom": "Custom('math:erfc').stretch(500)",
    "Exponential": "Exponential(0.7, per='1ep')",
    "ExponentialWarmup": "ExponentialWarmup('1ep')",
    "Geometric": "Geometric(BASE, 0.01 * BASE)",
    "Hyperbolic": "Hyperbolic(BASE, 0.0, upper='20ep')",
    "InverseSqrt": "InverseSqrt('1ep')",
    "InverseTime": "InverseTime(0.5, per='1ep')",
    "Linear": "Linear(BASE, 0.0)",
    "Noise": "Noise(7, 0.2, every='10st')",
    "Plateau": "Plateau('val_loss', factor=0.5, patience=3)",
    "Points": "Points([(0, 0.1 * BASE), ('3ep', BASE), ('8ep', 0.2 * BASE), ('10ep', 0.0)])",
    "Polynomial": "Polynomial(BASE, 0.0, power=2)",
    "PolynomialCycles": "PolynomialCycles('2.5ep')",
    "PowerLaw": "PowerLaw(0.75, timescale='1ep')",
    "RAdamWarmup": "RAdamWarmup(0.99)",
    "Ramp": "Ramp(BASE, 0.0, ease='one_minus_sqrt')",
    "Rex": "Rex(BASE, 0.0)",
    "Sigmoid": "Sigmoid(1.5, middle='5ep', per='1ep')",
    "Steps": "Steps('2ep', 0.5)",
    "Tanh": "Tanh(BASE, 0.0)",
    "adafactor": "adafactor(warmup_init=True)",
    "chebyshev": "chebyshev(steps=8, per='25st')",
    "cosine": "cosine(warmup='1ep', floor=0.05 * BASE)",
    "cyclic": "cyclic('2ep', low=0.1 * BASE, mode='triangular2')",
    "cyclic_cosine_decay": (
        "cyclic_cosine_decay('4ep', 0.05 * BASE, '2ep', 1.5, 0.5 * BASE, '1ep', 0.05 * BASE, init_lr=BASE)"
    ),
    "exponential": "exponential(0.7, per='1ep')",
    "infinite": "infinite('5ep', warmup='1ep', level=0.2 * BASE)",
    "inverse_sqrt": "inverse_sqrt('1ep')",
    "linear": "linear(warmup='1ep')",
    "maximum": "maximum(Exponential(0.5, per='1ep'), 0.2 * BASE)",
    "minimum": "minimum(Linear(0.0, 1.0, over='1ep'), InverseSqrt('1ep', start=1.0))",
    "multistep": "multistep(['3ep', '6ep', '8ep'], 0.3)",
    "noam": "noam(d_model=512, warmup=200)",
    "one_cycle": "one_cycle()",
    "one_cycle_momentum": "one_cycle_momentum()",
    "piecewise_constant": (
        "piecewise_constant(['2ep', '5ep', '8ep'], rates=[BASE, 0.5 * BASE, 0.7 * BASE, 0.1 * BASE])"
    ),
    "polynomial": "polynomial(power=2.0, warmup='1ep')",
    "power_scheduler": "power_scheduler(peak=0.02, a=12.0, b=0.51, warmup='50st')",
    "sgdr": "sgdr('1ep', stretch=2)",
    "slanted_triangular": "slanted_triangular()",
    "step": "step('3ep', 0.3)",
    "time_decay": "time_decay(0.5, per='1ep')",
    "untuned_warmup": "untuned_warmup(0.99)",
    "warmup": "warmup('3ep', ease='cosine')",
    "wsd": "wsd(warmup='1ep', cooldown='3ep', ease='one_minus_sqrt')",
    "yolo": "yolo()",
}
"""Name → an expression that shows what it is for."""

FIELD: dict[str, str] = {
    # Constant, stair and interpolated.
    "a constant factor, then released": "Constant(0.3 * BASE, over='1ep') >> BASE",
    "milestones with a rate each": "piecewise_constant(['3ep', '6ep'], rates=[0.1, 0.05, 0.001])",
    "interpolated with half cosines": (
        "Points([(0, 0.1 * BASE), ('3ep', BASE), ('10ep', 0.0)], ease='cosine')"
    ),
    # Decays.
    "staircase exponential": "Steps('1ep', 0.7)",
    "exponential, bounded below": "exponential(0.5, per='1ep', floor=0.05 * BASE)",
    "cosine to a power": "Cosine(power=2)",
    "k-decay, cosine": "Cosine(k=2)",
    "k-decay, polynomial": "Polynomial(power=0.5, k=2)",
    "REX as ported": "Rex(beta=0.9)",
    "power law of the tokens seen": "PowerLaw(0.51, timescale='100000tok')",
    "inverse warmup, from high to base": "Linear(20 * BASE, BASE, over='1ep') >> BASE",
    # Cycles.
    "triangles, from the top": "cyclic('1ep', low=0.1 * BASE).shift('-1ep')",
    "sine waves that halve": "cyclic('1ep', low=0.1 * BASE, mode='triangular2', shape='sine')",
    "cosine waves that fade": (
        "cyclic('1ep', low=0.1 * BASE, mode='exp_range', gamma=0.8, per='1ep', shape='cosine')"
    ),
    "saw-tooth": "cyclic(0, low=0.1 * BASE, down='2ep')",
    "saw-tooth of quarter cosines": "cyclic(0, low=0.1 * BASE, down='2ep', shape='sine')",
    "saw-tooth of half cosines that halve": (
        "cyclic(0, low=0.1 * BASE, down='2ep', mode='triangular2', shape='cosine')"
    ),
    "restarts of given lengths": (
        "Cosine(over='2ep') >> Cosine(0.5 * BASE, over='3ep') >> Cosine(0.2 * BASE, over='5ep')"
    ),
    "polynomial restarts": "Polynomial(over='2ep', power=2).repeat()",
    "restarts, each with a way up": "sgdr('5ep', up='1ep', gain=0.5)",
    "equal cosines in the run": "cosine(warmup='1ep', cycles=4)",
    "the momentum of a cycle": "cyclic('2ep', low=0.0, high=0.1).under(0.9)",
    # Phases.
    "warmup, hold, cosine": "wsd(warmup='1ep', cooldown='6ep', ease='cosine')",
    "flat, then cosine": "wsd(cooldown=0.3, ease='cosine')",
    "explore, then exploit": "wsd(warmup='1ep', cooldown='50%')",
    "cosine, then wsd's tail": ("Cosine(BASE, 0.15 * BASE, over='80%') >> Linear(0.15 * BASE, 0.0)"),
    "double decay": "Linear(BASE, 0.3 * BASE, over='50%') >> Linear(0.3 * BASE, 0.0)",
    "cosine, then constant": "Cosine(BASE, 0.1 * BASE, over='60%') >> 0.1 * BASE",
    "inverse square root, then a linear cooldown": "inverse_sqrt('1ep').cooldown('8ep', over='2ep')",
    "a cooldown on demand": (
        "infinite('4ep', warmup='1ep').cooldown('8ep', over='2ep', stop=0.001 * BASE, ease='geometric')"
    ),
    "stages of the batch size": (
        "piecewise_constant(['3ep', '6ep'], rates=[1.0, 1.52, 1.73]) * Linear(BASE, 0.15 * BASE, "
        "over='60%').shift('40%')"
    ),
    "three-phase one-cycle": "one_cycle(three_phase=True, ease='linear')",
    "averaging weights after any schedule": (
        "step('3ep').cooldown('8ep', over='1ep', stop=0.05 * BASE, ease='cosine')"
    ),
    # Warmups, as factors.
    "quadratic warmup of a cosine": "cosine() * warmup('2ep', ease='one_minus_square')",
    "exponential warmup of stairs": "step('3ep') * ExponentialWarmup('50st')",
    "averaging weights at a constant rate": (
        "Constant().cooldown('75%', over='1ep', stop=0.2 * BASE, ease='cosine')"
    ),
    # Derived and stochastic.
    "noise on a cosine": "cosine() * Noise(1, 0.3, distribution='normal', std=0.1)",
    "a sharpness that follows the rate": "Cosine(0.5, 0.1)",
    "a plateau after a warmup": "warmup('1ep') * Plateau('val_loss', start_after=1) * BASE",
    "the ramp of a range test": "Geometric(1e-06, 10.0)",
}
"""What it is → the expression of a schedule of the field that needs no name of its own."""
