"""The client's cursor: each event once, in order; acknowledged is only what the app is done with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.cursor import ACK_EVERY, ACK_WITHIN_S, Arrival, Cursor, Follower, MemoryCursor

pytestmark = pytest.mark.unit


def following(seq: int = 0) -> Follower:
    follower = Follower()
    follower.welcomed("e", head=seq, acked=seq, is_resumed=False)
    return follower


def test_has_no_cursor_before_the_first_welcome() -> None:
    follower = Follower()
    assert follower.cursor() is None
    follower.welcomed("e", head=7, acked=3, is_resumed=False)
    assert follower.cursor() == Cursor("e", 7)


def test_tells_next_from_duplicate_and_gap() -> None:
    follower = following(4)
    assert follower.arrive(5) is Arrival.NEXT
    assert follower.arrive(5) is Arrival.DUPLICATE
    assert follower.arrive(7) is Arrival.GAP
    assert follower.arrive(6) is Arrival.NEXT


def test_resumes_from_what_the_app_is_done_with() -> None:
    follower = following()
    for seq in (1, 2, 3):
        follower.arrive(seq)
    follower.finish(1, follower.generation, now=0.0)
    assert follower.cursor() == Cursor("e", 1)
    follower.welcomed("e", head=3, acked=1, is_resumed=True)
    assert [follower.arrive(seq) for seq in (2, 3, 4)] == [Arrival.DUPLICATE, Arrival.DUPLICATE, Arrival.NEXT]


def test_acks_after_a_second_or_sixteen_events() -> None:
    follower = following()
    for seq in range(1, ACK_EVERY + 1):
        follower.arrive(seq)
    assert follower.finish(1, follower.generation, now=10.0), "a first event to acknowledge sets the time"
    assert follower.ack_at() == 10.0 + ACK_WITHIN_S
    assert not follower.finish(2, follower.generation, now=10.5), "a second one changes nothing"
    assert follower.ack_at() == 10.0 + ACK_WITHIN_S
    assert follower.finish(ACK_EVERY, follower.generation, now=10.6)
    assert follower.ack_at() == 0.0, "at once"
    assert follower.take_ack() == ACK_EVERY
    assert follower.ack_at() is None


def test_an_ack_lost_with_its_connection_is_said_again() -> None:
    follower = following()
    follower.arrive(1)
    follower.finish(1, follower.generation, now=0.0)
    assert follower.take_ack() == 1
    follower.welcomed("e", head=1, acked=0, is_resumed=True)
    assert follower.ack_at() is not None
    assert follower.take_ack() == 1


def test_what_the_app_finishes_after_a_reset_does_not_count_for_the_new_inbox() -> None:
    follower = following()
    for seq in range(1, 6):
        follower.arrive(seq)
    old = follower.generation
    follower.welcomed("other", head=2, acked=0, is_resumed=False)
    follower.arrive(3)
    assert not follower.finish(3, old, now=0.0)
    assert follower.cursor() == Cursor("other", 2)


@given(st.lists(st.integers(min_value=1, max_value=12), max_size=80))
def test_any_order_of_arrival_comes_out_as_one_two_three(seqs: list[int]) -> None:
    follower = following()
    out = [seq for seq in seqs if follower.arrive(seq) is Arrival.NEXT]
    assert out == list(range(1, len(out) + 1))


async def test_memory_remembers() -> None:
    store = MemoryCursor()
    assert await store.load() is None
    await store.save(Cursor("e", 3))
    assert await store.load() == Cursor("e", 3)
