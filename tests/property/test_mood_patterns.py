"""What is found in the days of one person: by valence and arousal, on the same day and the one after."""

import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mood_days import MoodDays
from domain.mood_patterns import Course, Found, examine_days, find_in_days
from domain.patterns import benjamini_hochberg
from domain.streaks import DAY

pytestmark = pytest.mark.property

FIRST = date(2025, 12, 20)


def series(values: list[float]) -> dict[date, float]:
    return {FIRST + number * DAY: value for number, value in enumerate(values)}


def noise(n: int, seed: int) -> list[float]:
    drawn = random.Random(seed)
    return [drawn.uniform(-1, 1) for _ in range(n)]


def told(days: MoodDays) -> list[tuple[str, Course, int]]:
    return [(found.pattern.name, found.goes_with, found.lag) for found in find_in_days(days)]


@st.composite
def lives(draw: st.DrawFn) -> MoodDays:
    """Moods, factors and tags that follow one of the two, at once or a day before, more or less or not at all."""
    n = draw(st.integers(20, 70))
    drawn = random.Random(draw(st.integers(0, 999)))
    days = [FIRST + number * DAY for number in range(n) if drawn.random() < 0.95]
    courses = [{day: drawn.uniform(-1, 1) for day in days} for _ in range(2)]

    def following() -> dict[date, float]:
        course, lag, by = drawn.choice(courses), drawn.choice((0, 1)), drawn.choice((-2.0, 0.0, 1.0))
        return {day: by * course.get(day + lag * DAY, 0.0) + drawn.gauss(0, 0.5) for day in days}

    factors = {f"factor {number}": following() for number in range(draw(st.integers(0, 3)))}
    tags = {f"tag {number}": {day for day, value in following().items() if value > 0} for number in range(2)}
    return MoodDays(*courses, factors, tags)


@given(lives())
def test_all_four_are_corrected_together(days: MoodDays) -> None:
    tested = examine_days(days)
    ps = [found.pattern.p for found in tested]
    assert [found.pattern.q for found in tested] == pytest.approx(benjamini_hochberg(ps), abs=1e-12)
    assert len({(found.pattern.name, found.goes_with, found.lag) for found in tested}) == len(tested)


@given(lives())
def test_what_is_told_is_told_once(days: MoodDays) -> None:
    found = find_in_days(days)
    assert all(each.pattern.is_told for each in found)
    strengths = [abs(each.pattern.rho) for each in found]
    assert strengths == sorted(strengths, reverse=True)
    what = [(each.pattern.name, each.goes_with) for each in found]
    assert len(set(what)) == len(what), "not the same again for the day after"
    missing = [each for each in examine_days(days) if each.pattern.is_told and each not in found]
    assert all(_is_echo(each, found) for each in missing)


def _is_echo(one: Found, found: list[Found]) -> bool:
    at_once = [each for each in found if each.lag == 0 and each.pattern.name == one.pattern.name]
    return one.lag == 1 and one.goes_with in {each.goes_with for each in at_once}


@given(lives())
def test_valence_and_arousal_change_places(days: MoodDays) -> None:
    turned = examine_days(MoodDays(days.arousal, days.valence, days.factors, days.tags))
    expected = {(found.pattern.name, found.goes_with, found.lag): found.pattern for found in examine_days(days)}
    other = {Course.VALENCE: Course.AROUSAL, Course.AROUSAL: Course.VALENCE}
    assert {(each.pattern.name, other[each.goes_with], each.lag): each.pattern for each in turned} == expected


@pytest.mark.parametrize("course", Course)
@pytest.mark.parametrize("lag", [0, 1])
def test_it_is_found_where_it_is(course: Course, lag: int) -> None:
    moods, others = noise(45, 1), noise(45, 2)
    courses = (series(moods), series(others)) if course is Course.VALENCE else (series(others), series(moods))
    before = series([7 + mood for mood in moods[lag:]])  # each with the mood of *lag* days later
    assert told(MoodDays(*courses, {"sleep_hours": before}, {})) == [("sleep_hours", course, lag)]


def test_the_day_after_is_the_next_date_and_no_other() -> None:
    """Who logs every other day has no day after, however many days there are."""
    days = {FIRST + 2 * number * DAY: value for number, value in enumerate(noise(60, 1))}
    tested = examine_days(MoodDays(days, days, {"walk": days}, {}))
    assert {found.lag for found in tested} == {0}


def test_a_day_without_an_entry_is_not_a_day_without_the_tag() -> None:
    """60 days, of which every fourth has no entry, so that 30 are followed by a logged one and logged themselves."""
    values = noise(60, 1)
    days = {FIRST + number * DAY: value for number, value in enumerate(values) if number % 4}
    given_on = {day for number, day in enumerate(days) if number % 2}
    later = [found.pattern for found in examine_days(MoodDays(days, days, {}, {"friends": given_on})) if found.lag]
    assert {pattern.n for pattern in later} == {30}
    assert {pattern.contrast.days_with + pattern.contrast.days_without for pattern in later} == {30}


def test_of_very_many_names_those_of_most_days_are_tested() -> None:
    moods = series(noise(60, 1))
    factors = {f"{number:03}": series(noise(60 - number % 30, number)) for number in range(150)}
    days = list(moods)
    tags = {f"{number:03}": set(random.Random(number).sample(days, 8 + number % 30)) for number in range(150)}
    tested = examine_days(MoodDays(moods, moods, factors, tags))
    for is_tag, named in ((False, factors), (True, tags)):
        seen = {found.pattern.name for found in tested if found.pattern.is_tag is is_tag and not found.lag}
        assert len(seen) == 100
        assert min(len(named[name]) for name in seen) >= max(len(named[name]) for name in named.keys() - seen)
