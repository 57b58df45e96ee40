"""Invented people and their days: what is said of them is so."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from statistics import correlation, mean, stdev
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from deploy.demo.days import HOUR_MS, Day, days_of
from deploy.demo.people import HABITS, WEEK, ZONES, Person, drawing, person
from domain.times import from_ms

pytestmark = pytest.mark.unit

UNTIL_MS = 1_795_000_000_000  # in November 2026
PEOPLE = [person(1, user) for user in range(300)]


def days(who: Person, count: int) -> list[Day]:
    return list(days_of(who, count, UNTIL_MS, drawing(1, who.user, "days")))


def dates(lived: Sequence[Day]) -> list[date]:
    return [from_ms(day.midnight_ms + 12 * HOUR_MS).astimezone(ZoneInfo(day.zone)).date() for day in lived]


def test_somebody_is_the_same_again_and_another_with_another_seed() -> None:
    assert person(1, 5) == person(1, 5)
    assert person(2, 5) != person(1, 5)
    assert len({(who.valence, who.spread) for who in PEOPLE}) == len(PEOPLE)
    assert len({who.name for who in PEOPLE}) == len(PEOPLE)


def test_everybody_has_one_to_three_effects_and_more_that_is_none() -> None:
    for who in PEOPLE:
        assert 1 <= len(who.effects) <= 3
        assert len(who.unrelated) >= 3
        assert not who.unrelated & set(who.effects)
        assert len(who.effects) + len(who.unrelated) == len(who.keeps)


def test_all_habits_and_most_zones_are_there() -> None:
    assert {who.habit.name for who in PEOPLE} == {habit.name for habit in HABITS}
    assert len({who.zone for who in PEOPLE}) > 0.8 * len(ZONES)
    assert 0.2 < mean(who.travels > 0 for who in PEOPLE) < 0.6


def test_a_mood_lingers_as_much_and_moves_as_far_as_is_said() -> None:
    for who in PEOPLE[:5]:
        alone = replace(who, measures=(), occasions=(), week=0.0)
        off = [day.valence - who.valence for day in days(alone, 5_000)]
        assert correlation(off[:-1], off[1:]) == pytest.approx(who.phi, abs=0.05)
        assert stdev(off) == pytest.approx(who.spread, rel=0.1)
        assert mean(off) == pytest.approx(0, abs=0.03)


def test_the_week_lifts_saturdays_and_weighs_on_mondays() -> None:
    assert sum(WEEK) == pytest.approx(0)
    calm = replace(PEOPLE[0], measures=(), occasions=(), week=0.3, spread=0.0, travels=0.0)
    lived = days(calm, 14)
    for day, at in zip(lived, dates(lived), strict=True):
        assert day.valence - calm.valence == pytest.approx(0.3 * WEEK[at.weekday()])


def test_who_stays_at_home_lives_each_date_once_up_to_today() -> None:
    for zone in ("Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "America/St_Johns"):
        lived = days(replace(PEOPLE[0], zone=zone, travels=0.0), 800)
        today = from_ms(UNTIL_MS).astimezone(ZoneInfo(zone)).date()
        assert dates(lived) == [today - timedelta(days=back) for back in reversed(range(800))]
        assert all(from_ms(day.midnight_ms).astimezone(ZoneInfo(zone)).hour <= 1 for day in lived)


def test_over_the_date_line_a_date_is_lived_twice_or_left_out() -> None:
    lived = days(replace(PEOPLE[0], zone="Pacific/Auckland", travels=0.1), 3_000)
    steps = [(after - before).days for before, after in pairwise(dates(lived))]
    assert set(steps) == {0, 1, 2}
    assert {day.zone for day in lived} == set(ZONES)
    assert all(
        12 * HOUR_MS < after.midnight_ms - before.midnight_ms <= 36 * HOUR_MS for before, after in pairwise(lived)
    )
    assert all(("travel" in day.tags) == (day.zone != "Pacific/Auckland") for day in lived)
