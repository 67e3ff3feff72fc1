"""The rules of the checker, in the order in which equally grave findings are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from etude.check import cycles, ends, starts
from etude.check.course import Course, Subject
from etude.check.finding import Finding, Severity
from etude.names import choice

__all__ = ["CODES", "OF", "OTHER", "RULES", "Rule", "findings"]

Rule: TypeAlias = Callable[[Course], Iterator[Finding]]

RULES: tuple[Rule, ...] = (
    starts.warmup_longer_than_run,
    starts.never_leaves_warmup,
    starts.long_warmup,
    starts.first_update_at_zero,
    starts.zero_updates,
    ends.peak_never_reached,
    cycles.cosine_climbs_back,
    cycles.run_ends_inside_cycle,
    ends.jump_at_end,
    cycles.restart_above_peak,
    cycles.stepsize,
    cycles.few_cycles,
    ends.floor_never_reached,
    ends.floor_reached_early,
    ends.length_differs,
    ends.ends_high,
    ends.base_unused,
)

LR = "lr"
OTHER = "other"
OF = (
    LR, "momentum", "weight_decay", "betas[0]", "betas[1]", "eps", "dampening", "alpha", "rho", "lr_decay",
    "lambd", "t0", "momentum_decay", "beta2_decay", "etas[0]", "etas[1]", OTHER,
)  # fmt: skip
"""What a schedule may be for: the numbers in the groups of torch's optimizers, or any other."""

CODES = tuple(rule.__name__.replace("_", "-") for rule in RULES)
"""What each rule's finding is called."""

ANY: tuple[Rule, ...] = (
    starts.warmup_longer_than_run,
    ends.peak_never_reached,
    ends.jump_at_end,
    ends.floor_never_reached,
    ends.length_differs,
)
"""The rules that make sense for any hyperparameter; the others are about learning rates."""

GRAVITY: tuple[Severity, ...] = ("error", "warning", "note")


def findings(table: Subject, base: float | None = None, of: str = LR) -> tuple[Finding, ...]:
    """Check a schedule on its horizon.

    Args:
        table: the schedule on its horizon.
        base: the optimizer's own value, where it is known.
        of: the hyperparameter that it is for, one of ``OF``.

    Returns:
        the findings, the gravest first; empty where nothing is amiss.

    Raises:
        ScheduleError: for a hyperparameter that is not known.
    """
    choice(of, "check(of=)", OF)
    rules, noun = (RULES, "rate") if of == LR else (ANY, "value")
    course = Course(table, base, noun)
    found = [finding for rule in rules for finding in rule(course)]
    if found and not course.exact:  # so that the numbers told are no estimates
        course = Course(table, base, noun, whole=True)
        found = [finding for rule in rules for finding in rule(course)] if course.exact else found
    return tuple(sorted(found, key=lambda finding: GRAVITY.index(finding.severity)))
