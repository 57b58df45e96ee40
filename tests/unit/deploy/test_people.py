"""The ring of friends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.children import CannotStart
from deploy.people import Crowd, ring_offsets
from domain.errors import Refusal

pytestmark = pytest.mark.unit


@given(st.integers(2, 60).flatmap(lambda count: st.tuples(st.just(count), st.integers(0, count - 1))))
def test_each_has_exactly_so_many_friends_and_is_their_friend(numbers: tuple[int, int]) -> None:
    count, friends = numbers
    if friends % 2 and count % 2:
        return
    offsets = ring_offsets(count, friends)
    assert len(offsets) == len(set(offsets)) == friends
    assert all(0 < offset < count for offset in offsets)
    assert {count - offset for offset in offsets} == set(offsets)


@pytest.mark.parametrize(
    ("count", "friends", "password"), [(3, 3, None), (5, 1, None), (5000, 1001, None), (2, 0, "short")]
)
def test_impossible_crowds_are_refused(count: int, friends: int, password: str | None) -> None:
    with pytest.raises((CannotStart, Refusal)):
        Crowd(count=count, friends=friends, token_ttl_s=1, password=password).check()
