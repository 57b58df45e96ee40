"""Which patterns are told: thresholds, invariances, and few false ones."""

import math
import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import stats

from domain.patterns import Contrast, Pattern, Strength, benjamini_hochberg, examine
from domain.streaks import DAY

pytestmark = pytest.mark.property

FIRST = date(2024, 2, 1)

Series = dict[date, float]


def series(values: list[float]) -> Series:
    return {FIRST + number * DAY: value for number, value in enumerate(values)}


def noise(n: int, seed: int = 1) -> list[float]:
    drawn = random.Random(seed)
    return [drawn.uniform(-1, 1) for _ in range(n)]


def yes_on(yes: int, n: int) -> list[bool]:
    """So many, spread evenly."""
    return [number * yes // n != (number + 1) * yes // n for number in range(n)]


@st.composite
def people(draw: st.DrawFn) -> tuple[Series, dict[str, Series], dict[str, set[date]]]:
    """Moods, factors that follow them more or less, tags, each with days left out."""
    n = draw(st.integers(20, 70))
    days = [FIRST + number * DAY for number in range(n)]
    drawn = random.Random(draw(st.integers(0, 999)))
    moods = drawn.choices([-0.8, -0.3, 0.0, 0.1, 0.5, 0.9], k=n)

    def factor(follows: float) -> Series:
        return {
            day: round(follows * mood + drawn.gauss(0, 0.5), 1)
            for day, mood in zip(days, moods, strict=True)
            if drawn.random() < 0.95
        }

    follow = draw(st.lists(st.sampled_from([-2.0, 0.0, 1.0]), max_size=4))
    tags = {f"tag {number}": {day for day in days if drawn.random() < 0.4} for number in range(2)}
    return dict(zip(days, moods, strict=True)), {f"{number}": factor(by) for number, by in enumerate(follow)}, tags


def told(days: Series, factors: dict[str, Series]) -> list[Pattern]:
    return [pattern for pattern in examine(days, factors, {}) if pattern.is_told]


@given(people())
def test_what_is_told_keeps_all_rules(person) -> None:
    tested = examine(*person)
    days, _, _ = person
    for pattern in tested:
        assert 21 <= pattern.n <= len(days)
        assert (pattern.strength is Strength.PATTERN) == (pattern.n >= 60)
        assert 0 <= pattern.p <= pattern.q <= 1
        assert (pattern.contrast is not None) == pattern.is_tag
        if pattern.is_told:
            assert pattern.q <= 0.10
            assert abs(pattern.rho) >= 0.3


@given(people())
def test_all_factors_and_tags_are_tested_once_and_corrected_together(person) -> None:
    tested = examine(*person)
    named = [(pattern.is_tag, pattern.name) for pattern in tested]
    assert len(set(named)) == len(named)
    expected = stats.false_discovery_control([pattern.p for pattern in tested]) if tested else []
    assert [pattern.q for pattern in tested] == pytest.approx(list(expected), abs=1e-12)


@given(people(), st.randoms(use_true_random=False))
def test_the_order_of_days_and_names_changes_nothing(person, shuffled) -> None:
    def shuffle(mapping):
        items = list(mapping.items())
        shuffled.shuffle(items)
        return dict(items)

    days, factors, tags = person
    mixed = shuffle({name: shuffle(factor) for name, factor in factors.items()})
    assert examine(shuffle(days), mixed, shuffle(tags)) == examine(days, factors, tags)


@given(people())
def test_only_the_order_of_a_factors_values_counts(person) -> None:
    days, factors, _ = person
    bent = {name: {day: math.exp(value) + 7 for day, value in factor.items()} for name, factor in factors.items()}
    assert examine(days, bent, {}) == examine(days, factors, {})


@given(people())
def test_with_and_without_change_places(person) -> None:
    days, _, tags = person
    turned = {name: days.keys() - given for name, given in tags.items()}
    before, after = ({pattern.name: pattern for pattern in examine(days, {}, each)} for each in (tags, turned))
    assert before.keys() == after.keys()
    for name, pattern in before.items():
        contrast = Contrast(-pattern.contrast.difference, pattern.contrast.days_without, pattern.contrast.days_with)
        assert after[name] == replace(pattern, rho=-pattern.rho, contrast=contrast)


@given(people(), st.sets(st.dates()))
def test_a_tag_is_a_yes_or_no_of_each_day_with_an_entry(person, elsewhere) -> None:
    days, _, tags = person
    lived = {name: {day: day in given for day in days} for name, given in tags.items()}
    as_factors = examine(days, lived, {})
    as_tags = examine(days, {}, {name: given | (elsewhere - days.keys()) for name, given in tags.items()})
    assert [replace(pattern, is_tag=True) for pattern in as_factors] == as_tags


@given(st.lists(st.floats(0, 1), min_size=1))
def test_many_tests_are_corrected_as_scipy_does(ps: list[float]) -> None:
    assert benjamini_hochberg(ps) == pytest.approx(stats.false_discovery_control(ps).tolist(), abs=1e-12)


def test_what_was_tested_beside_it_makes_a_pattern_less_sure() -> None:
    days = series(noise(40))
    follows = {day: mood + 0.9 * other for (day, mood), other in zip(days.items(), noise(40, 2), strict=True)}
    alone = examine(days, {"follows": follows}, {})[0]
    among = {str(number): series(noise(40, 3 + number)) for number in range(20)}
    beside = next(each for each in examine(days, {"follows": follows} | among, {}) if each.name == "follows")
    assert alone.q == alone.p == beside.p < beside.q


def test_only_moods_of_the_same_day_count() -> None:
    moods = noise(60)
    days = series(moods)
    assert [found.name for found in told(days, {"same day": days})] == ["same day"]
    for shifted in (moods[1:], [0.0, *moods]):
        assert told(days, {"another day": series(shifted)}) == []


def test_of_very_many_names_those_of_most_days_are_tested() -> None:
    days = series(noise(60))
    factors = {f"{number:03}": series(noise(60 - number % 30, number)) for number in range(150)}
    tags = {f"{number:03}": set(random.Random(number).sample(list(days), 8 + number % 30)) for number in range(150)}
    tested = examine(days, factors, tags)
    for is_tag, named in ((False, factors), (True, tags)):
        seen = {found.name for found in tested if found.is_tag is is_tag}
        assert len(seen) == 100
        assert min(len(named[name]) for name in seen) >= max(len(named[name]) for name in named.keys() - seen)


# Thresholds


@pytest.mark.parametrize(("n", "strength"), [(20, None), (21, "early hint"), (59, "early hint"), (60, "pattern")])
def test_how_many_paired_days_make_it_a_pattern(n: int, strength: str | None) -> None:
    moods = noise(n)
    days = series([*moods, 0.5, -0.5])  # two more, without a factor
    found = told(days, {"sleep_hours": series([8 + mood for mood in moods])})
    assert [pattern.strength for pattern in found] == ([strength] if strength else [])
    assert all(pattern.n == n for pattern in found)


@pytest.mark.parametrize(("yes", "is_tested"), [(7, False), (8, True), (22, True), (23, False)])
@pytest.mark.parametrize("values", [(False, True), (0.0, 1.0), (7.0, 8.0)])
def test_both_sides_of_a_choice_need_eight_days(yes: int, values: tuple[float, float], is_tested: bool) -> None:
    days = series(noise(30))
    factor = series([values[is_yes] for is_yes in yes_on(yes, 30)])
    tested = examine(days, {"walk": factor}, {})
    assert len(tested) == is_tested
    if tested and values[1] == 1:
        assert (tested[0].contrast.days_with, tested[0].contrast.days_without) == (yes, 30 - yes)


def test_what_never_changes_is_not_tested() -> None:
    moods, same = series(noise(30)), series([1.0] * 30)
    assert examine(moods, {"same": same}, {"always": set(moods), "never": set()}) == []
    assert examine(same, {"sleep_hours": moods}, {}) == []
    assert examine({}, {}, {}) == []


def pattern(*, rho: float = 0.5, q: float = 0.01, contrast: Contrast | None = None, n: int = 44) -> Pattern:
    strength = Strength.PATTERN if n >= 60 else Strength.EARLY_HINT
    return Pattern("walk", contrast is not None, strength, rho, 0.001, q, n, 40.0, contrast)


@pytest.mark.parametrize(
    ("rho", "q", "is_told"),
    [(0.3, 0.1, True), (-0.3, 0.1, True), (0.2999, 0.01, False), (-0.2999, 0.01, False), (0.9, 0.1001, False)],
)
def test_it_must_be_likely_and_strong(rho: float, q: float, is_told: bool) -> None:
    assert pattern(rho=rho, q=q).is_told is is_told


def test_a_rho_of_three_tenths_is_one_also_when_computed() -> None:
    """Of 120 days 78 agree and 42 do not: rho is (78 − 42) / 120."""
    signs = [(1, 1)] * 39 + [(0, 0)] * 39 + [(1, 0)] * 21 + [(0, 1)] * 21
    random.Random(1).shuffle(signs)
    days = series([float(mood) for mood, _ in signs])
    found = told(days, {"walk": series([bool(walk) for _, walk in signs])})
    assert [each.rho for each in found] == [0.3]


def test_ranks_and_means_that_disagree_are_not_told() -> None:
    assert pattern(contrast=Contrast(0.1, 20, 24)).is_told
    assert not pattern(contrast=Contrast(-0.1, 20, 24)).is_told


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_refused(wrong: float) -> None:
    fine, bad = series(noise(5)), series([0.0, wrong])
    with pytest.raises(ValueError, match="valence on 2024-02-02"):
        examine(bad, {}, {})
    with pytest.raises(ValueError, match="sleep_hours on 2024-02-02"):
        examine(fine, {"sleep_hours": bad}, {})
