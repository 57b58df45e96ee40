"""Friends and hugs of invented people."""

import uuid
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo.bonds import AWAKE, CIRCLE, KINDS, MESSAGES, friends, hugs
from deploy.demo.entries import DAY_MS
from domain.hug_moments import MUTUAL_WITHIN_MS
from domain.hugs import KINDS as ALLOWED
from domain.hugs import check_message
from domain.ids import uuid7_ms

pytestmark = pytest.mark.unit

UNTIL_MS = 1_795_000_000_000


@given(st.integers(0, 10**9), st.integers(1, 100), st.integers(1, 100))
def test_who_is_added_changes_nothing_between_others(seed: int, users: int, more: int) -> None:
    before = set(friends(seed, 0, users))
    after = set(friends(seed, 0, users + more))
    assert before == {(low, high) for low, high in after if high < users}
    assert all(low < high and low // CIRCLE == high // CIRCLE for low, high in after)


def test_circle_by_circle_is_the_same_as_all_at_once() -> None:
    one_by_one = [pair for first in range(0, 96, CIRCLE) for pair in friends(7, first, first + CIRCLE)]
    assert one_by_one == list(friends(7, 0, 96))


def test_most_have_a_few_friends() -> None:
    known = Counter(user for pair in friends(1, 0, 40 * CIRCLE) for user in pair)
    numbers = [known[user] for user in range(40 * CIRCLE)]
    assert 5 < sum(numbers) / len(numbers) < 9
    assert sum(number == 0 for number in numbers) < len(numbers) / 50


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(0, 500), st.integers(1, 60))
def test_hugs_are_what_a_server_would_have_taken(seed: int, low: int, days: int) -> None:
    pair = (low, low + 1)
    sent = list(hugs(seed, pair, days, UNTIL_MS))
    assert sent == list(hugs(seed, pair, days, UNTIL_MS))
    for hug in sent:
        parsed = uuid.UUID(hug.id)
        assert (str(parsed), parsed.version, uuid7_ms(hug.id)) == (hug.id, 7, hug.at_ms)
        assert {hug.sender, hug.recipient} == set(pair)
        assert hug.kind in ALLOWED
        assert UNTIL_MS - days * DAY_MS <= hug.at_ms < hug.delivered_ms <= UNTIL_MS
        assert hug.seen_ms is None or hug.delivered_ms < hug.seen_ms <= UNTIL_MS
    # Hugs that nearly meet would be mutual: their start would have to be told.
    for before, after in pairwise(sorted(sent, key=lambda hug: hug.at_ms)):
        assert after.sender == before.sender or after.at_ms - before.at_ms > MUTUAL_WITHIN_MS


def test_they_differ_and_some_are_returned() -> None:
    pairs = list(friends(3, 0, 10 * CIRCLE))
    sent = [hug for pair in pairs for hug in hugs(3, pair, 90, UNTIL_MS)]
    assert {hug.kind for hug in sent} == set(KINDS)
    assert {hug.message for hug in sent} == {None, *MESSAGES}
    assert len({hug.id for hug in sent}) == len(sent)
    each = Counter((hug.sender, hug.recipient) for hug in sent)
    assert len(each) > len(pairs)  # most pairs hug in both directions
    assert 0 < sum(hug.seen_ms is None for hug in sent) < len(sent) / 4


def test_what_people_write_is_allowed() -> None:
    for message in MESSAGES:
        check_message(message)
    assert KINDS.keys() <= ALLOWED
    assert all(0 <= hour < 24 for hour in AWAKE)
