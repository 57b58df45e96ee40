"""The big squeeze against a plain model: who squeezed when, on which node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.squeezes import BIG_SHARE_PERCENT, SLICE_MS, WINDOW_SLICES, Warmth, is_big

pytestmark = pytest.mark.property

MEMBERS = [f"member {number}" for number in range(10)]
START_MS = 1_760_000_000_000
# (member, ms after the one before)
histories = st.lists(st.tuples(st.sampled_from(MEMBERS), st.integers(0, 400)), min_size=1, max_size=40)


def node_of(member: str, nodes: int) -> int:
    return MEMBERS.index(member) % nodes


@given(histories, st.integers(1, 3), st.integers(2, 12))
def test_it_is_big_when_enough_members_squeezed_within_a_second(
    history: list[tuple[str, int]], nodes: int, members: int
) -> None:
    warmths = [Warmth() for _ in range(nodes)]
    last: dict[str, int] = {}
    now = START_MS
    for member, gap in history:
        now += gap
        warmths[node_of(member, nodes)].squeezed(member, now)
        last[member] = now // SLICE_MS
    newest = max(last.values())
    squeezing = sum(1 for slice_ in last.values() if newest - slice_ < WINDOW_SLICES)
    expected = squeezing * 100 >= members * BIG_SHARE_PERCENT
    assert is_big(members, [warmth.warm(now) for warmth in warmths]) == expected


@given(histories)
def test_who_squeezes_often_counts_once(history: list[tuple[str, int]]) -> None:
    warmth, now = Warmth(), START_MS
    for member, gap in history:
        now += gap
        warmth.squeezed(member, now)
    assert sum(count for _, count in warmth.warm(now)) <= len({member for member, _ in history})


@given(histories, st.sets(st.sampled_from(MEMBERS)))
def test_who_has_gone_does_not_count(history: list[tuple[str, int]], gone: set[str]) -> None:
    warmth, without, now = Warmth(), Warmth(), START_MS
    for member, gap in history:
        now += gap
        warmth.squeezed(member, now)
        if member not in gone:
            without.squeezed(member, now)
    for member in gone:
        warmth.forget(member)
    assert warmth.warm(now) == without.warm(now)


def test_one_alone_does_not_squeeze_as_a_room() -> None:
    warmth = Warmth()
    warmth.squeezed("Ana", START_MS)
    assert not is_big(1, [warmth.warm(START_MS)])
    assert not is_big(5, [])
