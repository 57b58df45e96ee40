"""Streams and polls at the door: they count as connections, and a node that drains takes none."""

import asyncio

import pytest

from domain.errors import Unavailable
from hub.admission import Admission, AdmissionLimits, Guest
from hub.connection import ConnectionCounts
from hub.node import Node
from hub.session import Session
from hub.sweep import Sweep
from hub.tick import TickWriter

pytestmark = pytest.mark.unit


class Caller:
    kind = "poll"
    session: Session

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address


def admission(connections: int = 0, per_address: int = 0) -> Admission:
    limits = AdmissionLimits(connections, per_address, (), ())
    loop = asyncio.new_event_loop()
    loop.close()
    return Admission(
        limits, Node("n"), Sweep(), TickWriter(loop), ConnectionCounts(), lambda: 0, lambda _session, _data: None
    )


def test_a_node_that_drains_takes_none_and_says_when_to_come_again() -> None:
    door = admission()
    door.is_draining = True
    with pytest.raises(Unavailable) as refused:
        door.admit(Caller())
    assert refused.value.retry_after_ms == 2_000
    assert door.is_empty()


def test_no_more_than_the_node_may_have() -> None:
    door = admission(connections=2)
    guests: list[Guest] = [Caller(), Caller("192.0.2.2")]
    for guest in guests:
        door.admit(guest)
    with pytest.raises(Unavailable):
        door.admit(Caller("192.0.2.3"))
    door.release(guests[0])
    door.admit(Caller("192.0.2.3"))


def test_no_more_than_one_address_may_have_however_often_one_leaves() -> None:
    door = admission(per_address=2)
    guests = [Caller(), Caller()]
    for guest in guests:
        door.admit(guest)
    with pytest.raises(Unavailable):
        door.admit(Caller())
    door.admit(Caller("192.0.2.2"))
    door.release(guests[0])
    door.release(guests[0])
    door.admit(Caller())
    with pytest.raises(Unavailable):
        door.admit(Caller())
