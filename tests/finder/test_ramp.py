from __future__ import annotations

import pytest

from etude import Horizon
from etude.errors import ScheduleError
from etude.finder import ramp


@pytest.mark.parametrize(
    ("ease", "values"),
    [
        ("geometric", {0: 1e-4, 5: 1e-3, 10: 1e-2, 20: 1.0}),
        ("linear", {0: 1e-4, 10: 0.50005, 20: 1.0}),
    ],
)
def test_it_begins_with_start_and_ends_with_stop(ease: str, values: dict[int, float]) -> None:
    table = ramp(1e-4, 1.0, 21, ease).on(Horizon(total=21))
    for step, value in values.items():
        assert table(step) == pytest.approx(value, rel=1e-12)
    assert table(0) == 1e-4
    assert table(20) == 1.0


def test_a_straight_one_may_begin_at_0() -> None:
    assert ramp(0, 1.9, 20, "linear").on(Horizon(total=20))(range(3)) == pytest.approx([0.0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1.0, 1.0, 50), "start must be less than stop; got start=1.0, stop=1.0"),
        ((0, 1.0, 50), "start must be more than 0, for no factor leads up from it; write ease='linear'"),
        ((-1, 1.0, 50), "start must be a finite number, at least 0; got -1"),
        ((0.1, "1", 50), "stop must be a finite number, more than 0; got '1'"),
        ((0.1, 1.0, 19), "steps must be a whole number, at least 20; got 19"),
        ((0.1, 1.0, 50, "cosine"), "ease must be one of 'geometric', 'linear'; got 'cosine'"),
    ],
)
def test_bad_input_is_told(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        ramp(*arguments)  # type: ignore[arg-type]
