"""Moods: what is accepted is within its limits, whatever is given; what is refused is told why."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.moods import (
    FACTORS_MAX,
    LABEL_MAX_GRAPHEMES,
    TAGS_MAX,
    check_felt_at,
    check_intensity,
    check_note,
    clean_factors,
    clean_tags,
    local_date,
    place,
    zone,
)
from domain.times import to_ms

pytestmark = pytest.mark.property

VOCABULARY = {"calm": (0.5, -0.8)}
NOW_MS = 1_760_000_000_000


@given(st.floats() | st.none(), st.floats() | st.none())
def test_a_mood_lies_on_the_plane_or_is_refused(valence: float | None, arousal: float | None) -> None:
    try:
        found = place("calm", valence, arousal, VOCABULARY)
    except Invalid:
        said = [value for value in (valence, arousal) if value is not None]
        assert any(math.isnan(value) or abs(value) > 1 for value in said)
    else:
        assert all(-1 <= value <= 1 for value in found)
        assert found[0] == (0.5 if valence is None else valence)
        assert found[1] == (-0.8 if arousal is None else arousal)


def test_a_word_that_nobody_knows_needs_its_place() -> None:
    assert place("Calm", None, None, VOCABULARY) == (0.5, -0.8)
    assert place("waldeinsamkeit", 0.4, -0.5, VOCABULARY) == (0.4, -0.5)
    with pytest.raises(Invalid, match="vocabulary"):
        place("waldeinsamkeit", 0.4, None, VOCABULARY)


@pytest.mark.parametrize("intensity", [-0.01, 1.01, math.nan, math.inf])
def test_intensity_goes_from_0_to_1(intensity: float) -> None:
    check_intensity(0)
    check_intensity(1)
    with pytest.raises(Invalid):
        check_intensity(intensity)


def test_a_note_is_counted_as_people_count() -> None:
    flag = "\U0001f1e9\U0001f1ea"
    check_note(flag * 2_000)
    with pytest.raises(Invalid):
        check_note(flag * 2_001)


@given(st.lists(st.text(max_size=LABEL_MAX_GRAPHEMES + 4), max_size=TAGS_MAX + 4))
def test_tags_are_trimmed_told_once_and_few(tags: list[str]) -> None:
    try:
        cleaned = clean_tags(tags)
    except Invalid:
        return
    assert len(cleaned) == len(set(cleaned)) <= TAGS_MAX
    assert set(cleaned) == {tag.strip() for tag in tags}
    assert all(cleaned)
    assert clean_tags(cleaned) == cleaned


@given(
    st.dictionaries(st.text(max_size=LABEL_MAX_GRAPHEMES + 4), st.floats() | st.booleans(), max_size=FACTORS_MAX + 2)
)
def test_factors_are_finite_and_few(factors: dict[str, float | bool]) -> None:
    try:
        cleaned = clean_factors(factors)
    except Invalid:
        return
    assert len(cleaned) == len(factors) <= FACTORS_MAX
    assert all(isinstance(value, bool) or math.isfinite(value) for value in cleaned.values())
    assert list(cleaned.values()) == list(factors.values())


def test_two_factors_that_differ_only_around_them_are_one_too_many() -> None:
    with pytest.raises(Invalid, match="twice"):
        clean_factors({"sleep": 7, " sleep": 8})


@pytest.mark.parametrize(
    ("ago", "is_taken"),
    [
        (timedelta(days=30), True),
        (timedelta(days=30, milliseconds=1), False),
        (-timedelta(minutes=5), True),
        (-timedelta(minutes=5, milliseconds=1), False),
    ],
)
def test_how_far_back_and_ahead(ago: timedelta, is_taken: bool) -> None:
    felt_ms = NOW_MS - ago // timedelta(milliseconds=1)
    if is_taken:
        check_felt_at(felt_ms, NOW_MS)
    else:
        with pytest.raises(Invalid):
            check_felt_at(felt_ms, NOW_MS)


def test_the_date_is_that_of_the_place() -> None:
    felt_ms = to_ms(datetime(2024, 2, 29, 10, 30, tzinfo=UTC))
    assert local_date(felt_ms, "Pacific/Kiritimati").isoformat() == "2024-03-01"
    assert local_date(felt_ms, "Pacific/Pago_Pago").isoformat() == "2024-02-28"
    assert local_date(felt_ms, "UTC").isoformat() == "2024-02-29"


@pytest.mark.parametrize(
    "name", ["", "localtime", "Europe/Atlantis", "../etc/passwd", "europe/berlin", "UTC\x00", "A" * 5_000]
)
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="IANA"):
        zone(name)
