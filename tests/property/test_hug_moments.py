"""Pairing off, whatever the candidates: nobody twice, and nobody alone who could have met somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hug_moments import pair_off

pytestmark = pytest.mark.property

mine, theirs = st.sampled_from("abcdef"), st.sampled_from("uvwxyz")
meetings = st.lists(st.tuples(st.integers(0, 3), mine, theirs), unique=True)


@given(meetings, st.booleans())
def test_no_hug_is_in_two_pairs_and_none_is_left_beside_a_free_one(
    meetings: list[tuple[int, str, str]], both: bool
) -> None:
    others = [(distance, other, one) for distance, one, other in meetings] if both else []  # both people in one batch
    pairs = pair_off(meetings + others)
    met = {hug: frozenset(pair) for pair in pairs for hug in pair}
    assert len(met) == 2 * len(pairs)
    distance = {}
    for apart, one, other in meetings:
        pair = frozenset((one, other))
        distance[pair] = min(apart, distance.get(pair, apart))
    assert set(met.values()) <= distance.keys()
    for apart, one, other in meetings:  # whoever did not meet lost the other to somebody who is at least as near
        taken = [met[hug] for hug in (one, other) if hug in met]
        assert any(distance[pair] <= apart for pair in taken)
