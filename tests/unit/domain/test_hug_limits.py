"""Which limits a hug falls under, and how a refusal reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hug_limits import DAY_MS, HOUR_MS, MINUTE_MS, Bound, HugLimits, bounds_of, too_many

pytestmark = pytest.mark.unit


def test_the_defaults_are_those_of_the_product() -> None:
    assert bounds_of(HugLimits(), has_answered=False) == (
        Bound("hugs-minute", 30, MINUTE_MS),
        Bound("hugs-day", 500, DAY_MS),
        Bound("hugs-unanswered", 5, HOUR_MS, is_per_recipient=True),
    )


def test_who_has_ever_hugged_back_may_be_hugged_more_often() -> None:
    assert bounds_of(HugLimits(), has_answered=True) == bounds_of(HugLimits(), has_answered=False)[:2]


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_nought_is_without_limit(minute: int, day: int, unanswered: int, has_answered: bool) -> None:
    bounds = bounds_of(HugLimits(minute, day, unanswered), has_answered=has_answered)
    assert all(bound.times > 0 for bound in bounds)
    assert [bound.times for bound in bounds] == [
        times for times in (minute, day, 0 if has_answered else unanswered) if times
    ]


@given(st.lists(st.integers(0, DAY_MS), min_size=3, max_size=3).filter(any))
def test_a_refusal_says_how_long_the_slowest_takes(waits_ms: list[int]) -> None:
    refusal = too_many(bounds_of(HugLimits(), has_answered=False), waits_ms)
    assert refusal.retry_after_ms == max(waits_ms)
    number, unit = str(refusal).rstrip(".").split()[-2:]
    unit_ms = {"seconds": 1_000, "minutes": MINUTE_MS, "hours": HOUR_MS}[unit]
    assert max(waits_ms) <= int(number) * unit_ms < max(waits_ms) + unit_ms, "never sooner than it is possible"


def test_a_refusal_says_why() -> None:
    bounds = bounds_of(HugLimits(), has_answered=False)
    assert str(too_many(bounds, [1_500, 0, 0])) == "You have sent many hugs. Send the next one in 2 seconds."
    assert str(too_many(bounds, [1_500, 0, HOUR_MS])) == (
        "They have not hugged you back yet. Send the next one in 60 minutes."
    )
