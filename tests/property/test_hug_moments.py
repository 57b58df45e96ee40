"""Pairing off, whatever the candidates: nobody twice, and nobody alone who could have met somebody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hug_moments import pair_off

pytestmark = pytest.mark.property

mine, theirs = st.sampled_from("abcdef"), st.sampled_from("uvwxyz")
edges = st.lists(st.tuples(mine, theirs), unique=True)


@given(edges, st.booleans())
def test_no_hug_is_in_two_pairs_and_none_is_left_beside_a_free_one(edges: list[tuple[str, str]], both: bool) -> None:
    candidates: dict[str, list[str]] = {}
    for one, other in edges:
        candidates.setdefault(one, []).append(other)
        if both:  # hugs of both people are in one batch
            candidates.setdefault(other, []).append(one)
    pairs = pair_off(candidates)
    taken = [hug for pair in pairs for hug in pair]
    assert len(taken) == len(set(taken))
    assert all(other in candidates[one] for one, other in pairs)
    assert all(one in taken or other in taken for one, other in edges)
