"""One example of each name in the catalogue, and of the schedules that are one line of what is there.

All of them are for ``HORIZON``: 1,000 updates in 10 epochs.
"""

from __future__ import annotations

from etude.durations import Horizon

__all__ = ["EXAMPLES", "FIELD", "HORIZON"]

HORIZON = Horizon(steps_per_epoch=100, total="10ep", samples_per_step=32, tokens_per_step=1000)

EXAMPLES: dict[str, str] = {
    "Constant": "Constant(0.5 * BASE)",
    "Cosine": "Cosine(BASE, 0.0, over='100%')",
    "Custom": "Custom('math:erfc').stretch(500)",
    "ExpHyperbolic": "ExpHyperbolic(BASE, 0.001 * BASE, over='100%', upper='20ep')",
    "Exponential": "Exponential(0.7, per='1ep')",
    "ExponentialWarmup": "ExponentialWarmup('1ep')",
    "Geometric": "Geometric(BASE, 0.01 * BASE, over='100%')",
    "Hyperbolic": "Hyperbolic(BASE, 0.0, over='100%', upper='20ep')",
    "InverseSqrt": "InverseSqrt('1ep')",
    "InverseTime": "InverseTime(0.5, per='1ep')",
    "Linear": "Linear(BASE, 0.0, over='100%')",
    "MirrorCosine": "MirrorCosine(BASE, 0.0, over='100%')",
    "Noise": "Noise(7, 0.2, every='10st')",
    "OneMinusSqrt": "OneMinusSqrt(BASE, 0.0, over='100%')",
    "OneMinusSquare": "OneMinusSquare(BASE, 0.0, over='100%')",
    "Plateau": "Plateau('val_loss', factor=0.5, patience=3)",
    "Points": "Points([(0, 0.1 * BASE), ('3ep', BASE), ('8ep', 0.2 * BASE), ('10ep', 0.0)])",
    "Polynomial": "Polynomial(BASE, 0.0, over='100%', power=2)",
    "PolynomialCycles": "PolynomialCycles('2.5ep')",
    "PowerLaw": "PowerLaw(0.75, timescale='1ep')",
    "QuarterCosine": "QuarterCosine(BASE, 0.0, over='100%')",
    "QuarterSine": "QuarterSine(0.0, BASE, over='100%')",
    "RAdamWarmup": "RAdamWarmup(0.99)",
    "Rex": "Rex(BASE, 0.0, over='100%')",
    "Sigmoid": "Sigmoid(1.5, middle='5ep', per='1ep')",
    "Steps": "Steps(0.5, every='2ep')",
    "Tanh": "Tanh(BASE, 0.0, over='100%')",
    "adafactor": "adafactor(warmup_init=True)",
    "chebyshev": "chebyshev(8, per='25st')",
    "cosine": "cosine(floor=0.05 * BASE)",
    "cosine_with_restarts": "cosine_with_restarts(4, warmup='1ep')",
    "cyclic": "cyclic(0.1 * BASE, BASE, '2ep', mode='triangular2')",
    "cyclic_cosine_decay": (
        "cyclic_cosine_decay('4ep', 0.05 * BASE, '2ep', 1.5, 0.5 * BASE, '1ep', 0.05 * BASE, init_lr=BASE)"
    ),
    "cyclic_momentum": "cyclic_momentum(0.8, 0.9, '2ep')",
    "exponential": "exponential(0.7, per='1ep')",
    "fixed": "fixed()",
    "flat_cosine": "flat_cosine(0.7)",
    "infinite": "infinite('1ep', '5ep', 0.2 * BASE)",
    "inverse_sqrt": "inverse_sqrt('1ep')",
    "knee": "knee('50%', warmup='1ep')",
    "linear_to_zero": "linear_to_zero(warmup='1ep')",
    "maximum": "maximum(Exponential(0.5, per='1ep'), 0.2 * BASE)",
    "minimum": "minimum(Linear(0.0, 1.0, over='1ep'), InverseSqrt('1ep', start=1.0))",
    "multistep": "multistep(['3ep', '6ep', '8ep'], 0.3)",
    "noam": "noam(512, 200)",
    "one_cycle": "one_cycle()",
    "one_cycle_momentum": "one_cycle_momentum()",
    "piecewise_constant": (
        "piecewise_constant(['2ep', '5ep', '8ep'], [BASE, 0.5 * BASE, 0.7 * BASE, 0.1 * BASE])"
    ),
    "polynomial": "polynomial(power=2.0, warmup='1ep')",
    "power_scheduler": "power_scheduler(0.02, 12.0, 0.51, warmup='50st')",
    "sgdr": "sgdr('1ep', 2)",
    "slanted_triangular": "slanted_triangular()",
    "step": "step('3ep', 0.3)",
    "swa": "swa(0.2 * BASE, '1ep')",
    "time_decay": "time_decay(0.5, per='1ep')",
    "untuned_exponential_warmup": "untuned_exponential_warmup(0.99)",
    "untuned_linear_warmup": "untuned_linear_warmup(0.99)",
    "warmup": "warmup('3ep', ease='cosine')",
    "warmup_restarts": "warmup_restarts('5ep', '1ep', gain=0.5)",
    "wsd": "wsd('1ep', '3ep', ease='one_minus_sqrt')",
    "yolo": "yolo(lrf=0.2)",
}
"""Name → an expression that shows what it is for."""

FIELD: dict[str, str] = {
    # Constant, stair and interpolated.
    "a constant factor, then released": "fixed(0.3 * BASE).until('1ep') >> fixed()",
    "milestones with a rate each": "piecewise_constant(['3ep', '6ep'], [0.1, 0.05, 0.001])",
    "interpolated with half cosines": (
        "Points([(0, 0.1 * BASE), ('3ep', BASE), ('10ep', 0.0)], ease='cosine')"
    ),
    # Decays.
    "staircase exponential": "Steps(0.7, every='1ep')",
    "exponential, bounded below": "Exponential(0.5, per='1ep').clip(0.05 * BASE)",
    "cosine to a power": "Cosine(over='100%', power=2)",
    "k-decay, cosine": "Cosine(over='100%', k=2)",
    "k-decay, polynomial": "Polynomial(over='100%', power=0.5, k=2)",
    "REX as ported": "Rex(over='100%', beta=0.9)",
    "power law of the tokens seen": "PowerLaw(0.51, timescale='100000tok')",
    "inverse warmup, from high to base": "Linear(20 * BASE, BASE, over='1ep') >> fixed()",
    # Cycles.
    "triangles, from the top": "cyclic(0.1 * BASE, BASE, '1ep').shift('-1ep')",
    "sine waves that halve": "cyclic(0.1 * BASE, BASE, '1ep', mode='triangular2', shape='sine')",
    "cosine waves that fade": (
        "cyclic(0.1 * BASE, BASE, '1ep', mode='exp_range', gamma=0.8, per='1ep', shape='cosine')"
    ),
    "saw-tooth": "cyclic(0.1 * BASE, BASE, 0, '2ep')",
    "saw-tooth of quarter cosines": "cyclic(0.1 * BASE, BASE, 0, '2ep', shape='sine')",
    "saw-tooth of half cosines that halve": (
        "cyclic(0.1 * BASE, BASE, 0, '2ep', mode='triangular2', shape='cosine')"
    ),
    "restarts of given lengths": (
        "Cosine(over='2ep') >> Cosine(0.5 * BASE, over='3ep') >> Cosine(0.2 * BASE, over='5ep')"
    ),
    "polynomial restarts": "Polynomial(over='2ep', power=2).repeat()",
    # Phases.
    "warmup, hold, cosine": "wsd('1ep', '6ep', ease='cosine')",
    "cosine, then wsd's tail": (
        "Cosine(BASE, 0.15 * BASE, over='80%') >> Linear(0.15 * BASE, 0.0, over='20%')"
    ),
    "double decay": "Linear(BASE, 0.3 * BASE, over='50%') >> Linear(0.3 * BASE, 0.0, over='50%')",
    "cosine, then constant": "Cosine(BASE, 0.1 * BASE, over='60%') >> fixed(0.1 * BASE)",
    "inverse square root, then a linear cooldown": "inverse_sqrt('1ep').cooldown('8ep', over='2ep')",
    "a cooldown on demand": (
        "infinite('1ep', '4ep').cooldown('8ep', over='2ep', stop=0.001 * BASE, ease='geometric')"
    ),
    "stages of the batch size": (
        "piecewise_constant(['3ep', '6ep'], [1.0, 1.52, 1.73]) * Linear(BASE, 0.15 * BASE, "
        "over='60%').shift('40%')"
    ),
    "three-phase one-cycle": "one_cycle(three_phase=True, ease='linear')",
    "averaging weights after any schedule": (
        "step('3ep').cooldown('8ep', over='1ep', stop=0.05 * BASE, ease='cosine')"
    ),
    # Warmups, as factors.
    "quadratic warmup of a cosine": "cosine() * warmup('2ep', ease='one_minus_square')",
    "exponential warmup of stairs": "step('3ep') * ExponentialWarmup('50st')",
    # Derived and stochastic.
    "noise on a cosine": "cosine() * Noise(1, 0.3, distribution='normal', std=0.1)",
    "a sharpness that follows the rate": "Cosine(0.5, 0.1, over='100%')",
    "a plateau after a warmup": "warmup('1ep') * Plateau('val_loss', start_after=1) * BASE",
    "the ramp of a range test": "Geometric(1e-06, 10.0, over='100%')",
}
"""What it is → the expression of a schedule of the field that needs no name of its own."""
