"""Who does what in an evening, and that a room notices what its members did not hear."""

import pytest

from loadtest.clients.gatherings import Gathering
from loadtest.clients.people import Person
from loadtest.scenario import Load, Orders
from loadtest.scenarios.day import SHARES, parts

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("pairs", [6, 7, 30, 1_000, 50_000])
def test_of_everything_there_is_some(pairs: int) -> None:
    found = parts(pairs)
    assert list(found) == list(SHARES)
    assert min(found.values()) >= 1
    assert sum(found.values()) < pairs  # the others are idle


def test_shares_are_kept_where_there_are_many() -> None:
    assert parts(1_000) == {
        "hugging": 210,
        "acks late": 30,
        "coming and going": 60,
        "in rooms": 160,
        "changing status": 60,
    }


async def test_a_room_sees_who_has_not_heard_everything() -> None:
    load = Load(Orders("test", "", 0, 1, 1, [], [""], {}))
    room = Gathering(load, [Person(str(number), "token") for number in range(3)])
    for index in range(4):
        room.squeeze(index, 0.0)
    assert not room.is_settled()
    for member in room.members:
        member.heard_sums[0] = 4
        member._intended.clear()
    assert room.is_settled()
    assert room.ended() == []
    room.members[1].heard_sums[0] = 3
    assert not room.is_settled()
    assert room.ended() == ["a member of a room heard 3 of 4 squeezes"]
    assert load.counts["squeezes"] == 4
