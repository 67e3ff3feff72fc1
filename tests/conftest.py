"""How Hypothesis looks for counterexamples here: the same ones every time, and never against the clock."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "etude",
    deadline=None,
    derandomize=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("etude")
