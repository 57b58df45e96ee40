"""When a gentle word is in place, held against the sentence that says so, counted the slow way."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.care import is_prompt_due, is_stale

pytestmark = pytest.mark.property

TODAY = date(2026, 3, 1)
valences = st.one_of(st.sampled_from([-1.0, -0.6, -0.5999, 0.0]), st.floats(-1, 1))
ages = st.integers(-2, 12)  # days ago; below 0: a clock that is ahead
calendars = st.dictionaries(ages, valences).map(lambda days: {TODAY - timedelta(days=n): v for n, v in days.items()})
heavy = st.sampled_from([-1.0, -0.8, -0.6])


def days_ago(ago: int) -> date:
    return TODAY - timedelta(days=ago)


@given(calendars, st.none() | st.integers(0, 30))
def test_it_is_the_sentence(days: dict[date, float], shown_ago: int | None) -> None:
    """At least 5 of the last 7 days, today included, at or below -0.6, and nothing shown within 14 days."""
    count = len([day for day in days if days_ago(6) <= day <= TODAY and days[day] <= -0.6])
    quiet = shown_ago is None or shown_ago >= 14
    assert is_prompt_due(days, TODAY, None if shown_ago is None else days_ago(shown_ago)) == (count >= 5 and quiet)


@given(st.sets(st.integers(0, 6)), heavy)
def test_it_takes_five_heavy_days_and_no_day_without_an_entry_counts(ago: set[int], valence: float) -> None:
    assert is_prompt_due({days_ago(n): valence for n in ago}, TODAY, None) == (len(ago) >= 5)


@given(st.integers(0, 30))
def test_after_it_was_shown_there_are_14_quiet_days(shown_ago: int) -> None:
    assert is_prompt_due({days_ago(n): -1.0 for n in range(7)}, TODAY, days_ago(shown_ago)) == (shown_ago >= 14)


@given(calendars, st.integers(0, 12), st.floats(0, 2))
def test_a_better_day_never_brings_it_on(days: dict[date, float], ago: int, better: float) -> None:
    brighter = {**days, days_ago(ago): min(days.get(days_ago(ago), -1.0) + better, 1.0)}
    if days_ago(ago) in days and is_prompt_due(brighter, TODAY, None):
        assert is_prompt_due(days, TODAY, None)


@given(calendars, calendars)
def test_what_was_more_than_a_week_ago_is_over(days: dict[date, float], older: dict[date, float]) -> None:
    long_ago = {day - timedelta(days=20): valence for day, valence in older.items()}
    assert is_prompt_due(days | long_ago, TODAY, None) == is_prompt_due(days, TODAY, None)


@given(st.lists(st.booleans(), min_size=60, max_size=60))
def test_however_heavy_it_is_shown_at_most_once_in_14_days(opened: list[bool]) -> None:
    """Somebody who logs nothing but heavy days, and opens the app on some of them."""
    days = {days_ago(n): -1.0 for n in range(-60, 7)}
    shown: list[date] = []
    for n, is_open in enumerate(opened):
        today = days_ago(-n)
        if is_open and is_prompt_due(days, today, shown[-1] if shown else None):
            shown.append(today)
    assert all((later - earlier).days >= 14 for earlier, later in pairwise(shown))
    assert bool(shown) == any(opened)


def test_shown_in_the_future_by_a_clock_that_was_ahead_is_shown() -> None:
    assert not is_prompt_due({days_ago(n): -1.0 for n in range(7)}, TODAY, days_ago(-1))


@given(st.integers(0, 400))
def test_a_resource_is_believed_for_180_days(ago: int) -> None:
    assert is_stale(days_ago(ago), TODAY) == (ago > 180)
