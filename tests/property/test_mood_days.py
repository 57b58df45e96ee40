"""How entries become days."""

import math
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mood_days import MoodEntry, merge_days

pytestmark = pytest.mark.property

DAYS = st.sampled_from([date(2026, 2, day) for day in range(1, 6)])
PARTS = st.floats(-1, 1)
ENTRIES = st.builds(
    MoodEntry,
    day=DAYS,
    valence=PARTS,
    tags=st.lists(st.sampled_from(["Friends", "friends", "work"]), unique=True),
    factors=st.dictionaries(st.sampled_from(["coffee", "walk", "mixed"]), st.booleans() | st.floats(-1e6, 1e6)),
)


def entry(day: int, *, tags: tuple[str, ...] = (), **factors: float | bool) -> MoodEntry:
    return MoodEntry(date(2026, 2, day), 0.0, tags, factors)


@given(st.lists(ENTRIES, max_size=30), st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter(entries: list[MoodEntry], shuffled) -> None:
    days = merge_days(entries)
    shuffled.shuffle(entries)
    assert merge_days(entries) == days


@given(st.lists(ENTRIES, max_size=30))
def test_each_day_has_one_value_of_what_it_was_told(entries: list[MoodEntry]) -> None:
    days = merge_days(entries)
    logged = {each.day for each in entries}
    assert days.valence.keys() == logged
    for name in {name for each in entries for name in each.factors}:
        assert days.factors[name].keys() == {each.day for each in entries if name in each.factors}
    for name in {name for each in entries for name in each.tags}:
        assert days.tags[name] == {each.day for each in entries if name in each.tags}


@given(st.lists(ENTRIES, min_size=1, max_size=30))
def test_moods_of_a_day_are_their_mean(entries: list[MoodEntry]) -> None:
    frame = pd.DataFrame([(each.day, each.valence) for each in entries], columns=["day", "valence"])
    means = frame.groupby("day")["valence"].mean()
    assert merge_days(entries).valence == pytest.approx(means.to_dict(), abs=1e-12)


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ([True, False], True),
        ([False, False], False),
        ([2.0, 3.0], 2.5),
        ([1.0, 0.0, 0.0], 1 / 3),
        ([True, 2.0], 1.5),
        ([False, 2.0], 1.0),
    ],
)
def test_factors_of_a_day(said: list[float | bool], day: float | bool) -> None:
    days = merge_days([entry(1, walk=value) for value in said] + [entry(2)])
    merged = days.factors["walk"][date(2026, 2, 1)]
    assert math.isclose(merged, day)
    assert isinstance(merged, bool) == isinstance(day, bool)
    assert days.factors["walk"].keys() == {date(2026, 2, 1)}, "nothing is filled in"


def test_names_are_kept_as_they_were_typed() -> None:
    days = merge_days([entry(1, tags=("Friends",)), entry(2, tags=("friends",)), entry(2, tags=("friends",))])
    assert days.tags == {"Friends": {date(2026, 2, 1)}, "friends": {date(2026, 2, 2)}}
