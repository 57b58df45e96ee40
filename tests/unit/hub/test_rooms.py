"""Rooms of one node: who sits here after changes in any order, and what becomes of squeezes."""

import asyncio
from typing import Any

import msgspec
import pytest

from domain.errors import Conflict
from domain.presence import Rank
from hub.forms import Form, Payload
from hub.node import Node
from hub.rooms import Rooms
from protocol.nodes import Mover, RoomChange, RoomMail, Squeezes
from storage.rooms import RoomRow

pytestmark = pytest.mark.unit

ROOM = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
OTHER_ROOM = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b12"
NOW_MS = 1_760_000_000_000


class Wires:
    """Stands for the doorbell and the listener: what is published, which channels are heard."""

    def __init__(self) -> None:
        self.told: list[RoomMail] = []
        self.heard: set[str] = set()
        self.on_room: Any = None

    def tell_room(self, mail: RoomMail) -> None:
        self.told.append(mail)

    def hear_room(self, room: str) -> None:
        self.heard.add(room)

    def ignore_room(self, room: str) -> None:
        self.heard.discard(room)


class Someone:
    """A session that takes everything."""

    rank = Rank.ONLINE
    cursor = 0
    acked = 0
    sid = ""
    bundle = None

    def __init__(self, user: str) -> None:
        self.id = f"session of {user}"
        self.user = user
        self.got: list[dict[str, Any]] = []
        self.got_more = asyncio.Event()

    def tell(self, payload: Payload) -> None:
        frame = payload.bytes_as(Form.JSON)
        self.got.append(msgspec.json.decode(frame[frame.index(b"{") :]))
        self.got_more.set()

    def show(self, subject: str, payload: Payload) -> None:
        assert subject in (ROOM, OTHER_ROOM)
        self.tell(payload)

    def offer(self, seq: int, payload: Payload) -> bool:
        return True

    def may_take(self) -> bool:
        return True

    def revoke(self) -> None:
        raise AssertionError


class House:
    """A node with some people and one room."""

    def __init__(self, *users: str) -> None:
        self.node = Node("here")
        self.wires = Wires()
        self.rooms = Rooms(self.node, self.wires, self.wires, lambda: NOW_MS)  # type: ignore[arg-type]  # what it needs of them
        self.people = {user: Someone(user) for user in users}
        for person in self.people.values():
            self.node.join(person)  # type: ignore[arg-type]

    def change(self, since: int, version: int, *, joined: str = "", left: str = "", **more: Any) -> RoomChange:
        movers = [[Mover(user, user.title()) for user in users.split()] for users in (joined, left)]
        change = RoomChange(
            since, version, more.get("state", "active"), "ana", more.get("count", 2), movers[0], movers[1]
        )
        self.rooms.apply(ROOM, change)
        return change

    def seated(self) -> set[str]:
        room = self.rooms.rooms.get(ROOM)
        return set(room.users) if room is not None else set()

    async def pulses(self, user: str, squeezes: int) -> list[dict[str, Any]]:
        """The pulses of *user*, once they add up to *squeezes* (and there is one)."""
        someone = self.people[user]
        while not (pulses := self.got(user, "group.pulse")) or sum(pulse["count"] for pulse in pulses) < squeezes:
            someone.got_more.clear()
            await someone.got_more.wait()
        return pulses

    def got(self, user: str, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.people[user].got if event["type"] == kind]


async def test_a_room_is_heard_as_long_as_somebody_here_sits_in_it() -> None:
    house = House("ana", "bo")
    house.change(0, 1, joined="somebody-elsewhere")
    assert house.wires.heard == set()
    house.change(1, 3, joined="ana bo")
    assert (house.seated(), house.wires.heard) == ({"ana", "bo"}, {ROOM})
    house.node.leave(house.people["ana"])  # type: ignore[arg-type]
    assert (house.seated(), house.wires.heard) == ({"bo"}, {ROOM})
    house.change(3, 4, left="bo")
    assert (house.seated(), house.wires.heard, house.rooms.rooms) == (set(), set(), {})


async def test_changes_of_two_nodes_that_cross_are_asked_about() -> None:
    house = House("ana", "bo")
    house.change(0, 1, joined="ana")
    house.change(2, 3, joined="bo")
    assert house.rooms.stale == {ROOM}, "version 2 is missing"
    house.rooms.stale.clear()
    house.change(1, 2, left="bo", state="gathering")
    assert house.seated() == {"ana", "bo"}, "bo left in version 2 and came back in version 3"
    assert house.rooms.rooms[ROOM].state == "active"
    assert house.rooms.stale == {ROOM}
    house.rooms.set_read(RoomRow(ROOM, 3, "active", "ana", 1), ROOM, ["bo"])
    assert house.seated() == {"ana"}


async def test_what_was_read_before_a_change_does_not_undo_it() -> None:
    house = House("ana", "bo")
    house.change(0, 1, joined="ana")
    house.change(1, 2, joined="bo")
    house.rooms.set_read(RoomRow(ROOM, 1, "gathering", "ana", 1), ROOM, ["bo"])
    assert house.seated() == {"ana", "bo"}
    house.rooms.set_read(None, ROOM, [])
    assert house.seated() == set()


async def test_who_comes_in_while_the_room_is_read_stays() -> None:
    house = House("ana", "bo")
    house.rooms.enter("ana", [ROOM])
    house.rooms.enter("bo", [ROOM])  # after PostgreSQL was asked about Ana
    house.rooms.set_read(RoomRow(ROOM, 7, "active", "ana", 2), ROOM, [])
    assert house.seated() == {"ana", "bo"}
    assert house.rooms.stale == {ROOM}


async def test_squeezes_of_all_nodes_come_as_few_pulses_that_add_up() -> None:
    house = House("ana", "bo")
    house.change(0, 2, joined="ana bo")
    for _ in range(30):
        house.rooms.squeeze("ana", ROOM, 0.25)
        house.rooms.receive(RoomMail(ROOM, "there", squeezes=Squeezes(2, 1.5, [])))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(house.got("bo", "group.pulse")) <= 1, "a burst is one pulse"
    pulses = await house.pulses("bo", 90)
    assert pulses == house.got("ana", "group.pulse")
    assert len(pulses) <= 2
    assert sum(pulse["count"] for pulse in pulses) == 90
    assert sum(pulse["count"] * pulse["strength"] for pulse in pulses) == pytest.approx(30 * 0.25 + 30 * 1.5, abs=0.1)
    assert sum(mail.squeezes.count for mail in house.wires.told if mail.squeezes) == 30, "only our own are published"


async def test_rooms_that_are_due_in_one_tick_pulse_before_anything_is_written() -> None:
    house = House("ana")
    for room in (ROOM, OTHER_ROOM):
        house.rooms.apply(room, RoomChange(0, 1, "active", "ana", 1, [Mover("ana", "Ana")], []))
    told_before_the_write: list[str] = []
    house.rooms.squeeze("ana", ROOM, 1)
    # As the answer to the first squeeze does it.
    asyncio.get_running_loop().call_soon(
        lambda: told_before_the_write.extend(pulse["id"] for pulse in house.got("ana", "group.pulse"))
    )
    house.rooms.squeeze("ana", OTHER_ROOM, 1)
    await asyncio.sleep(0)
    assert told_before_the_write == [ROOM, OTHER_ROOM]


async def test_sessions_that_come_and_go_hear_the_rooms_of_their_user_meanwhile() -> None:
    house = House("ana", "bo")
    house.change(0, 2, joined="ana bo")
    second = Someone("bo")
    for expected in (0, 1, 1):
        house.rooms.squeeze("ana", ROOM, 1)
        before = len(house.got("bo", "group.pulse"))
        await house.pulses("bo", before + 1)
        assert len(second.got) == expected
        if not expected:
            house.node.join(second)  # type: ignore[arg-type]
        else:
            house.node.leave(second)  # type: ignore[arg-type]


async def test_what_was_squeezed_until_the_end_is_told() -> None:
    house = House("ana", "bo")
    house.change(0, 2, joined="ana bo")
    house.rooms.squeeze("ana", ROOM, 1)
    house.change(2, 3, state="completed")
    assert [pulse["count"] for pulse in house.got("bo", "group.pulse")] == [1]
    assert (house.seated(), house.wires.heard) == (set(), set())
    with pytest.raises(Conflict):
        house.rooms.squeeze("ana", ROOM, 1)


async def test_only_who_sits_in_the_room_squeezes_it() -> None:
    house = House("ana", "bo")
    house.change(0, 1, joined="ana", state="scheduled")
    with pytest.raises(Conflict, match=r"group\.join"):
        house.rooms.squeeze("bo", ROOM, 1)
    with pytest.raises(Conflict, match="not begun"):
        house.rooms.squeeze("ana", ROOM, 1)


async def test_comers_are_named_in_a_small_room_but_not_to_whom_they_are_hidden_from() -> None:
    house = House("ana", "bo", "cleo")
    house.change(0, 2, joined="ana bo")
    change = RoomChange(2, 3, "active", "ana", 3, [Mover("cleo", "Cleo", ["bo"])], [])
    house.rooms.apply(ROOM, change)
    house.rooms.tell_change(ROOM, change)
    [told] = house.got("ana", "group.joined")
    assert told["user"] == {"id": "cleo", "name": "Cleo"}
    assert (told["count"], told["state"], told["host"], told["version"]) == (3, "active", "ana", 3)
    assert house.got("bo", "group.joined") == []


@pytest.mark.parametrize(("count", "name"), [(51, "Cleo"), (3, None)])
async def test_in_a_large_room_and_of_the_invisible_only_the_number_is_told(count: int, name: str | None) -> None:
    house = House("ana", "bo")
    house.change(0, 2, joined="ana bo")
    change = RoomChange(2, 3, "active", "bo", count, [Mover("cleo", name)], [])
    house.rooms.apply(ROOM, change)
    house.rooms.tell_change(ROOM, change)
    [pulse] = await house.pulses("ana", 0)
    assert pulse == {
        "type": "group.pulse",
        "id": ROOM,
        "count": 0,
        "strength": 0.0,
        "members": count,
        "state": "active",
        "host": "bo",
        "version": 3,
    }
    assert house.got("ana", "group.joined") == []


async def test_the_big_squeeze_is_asked_for_once_and_again_if_it_could_not_be_written() -> None:
    house = House("ana", "bo")
    asked: list[str] = []
    house.rooms.on_big_squeeze = asked.append
    house.change(0, 5, joined="ana bo", count=5)
    for user in ("ana", "bo"):
        house.rooms.squeeze(user, ROOM, 1)
    slice_ = NOW_MS // 50
    house.rooms.receive(RoomMail(ROOM, "there", squeezes=Squeezes(1, 1, [(slice_ - 30, 1)])))
    assert asked == [], "three of five, and one of them too long ago"
    house.rooms.receive(RoomMail(ROOM, "there", squeezes=Squeezes(2, 2, [(slice_, 2)])))
    house.rooms.receive(RoomMail(ROOM, "there", squeezes=Squeezes(2, 2, [(slice_, 2)])))
    assert asked == [ROOM]
    house.rooms.big_squeeze_failed(ROOM)
    house.rooms.receive(RoomMail(ROOM, "there", squeezes=Squeezes(2, 2, [(slice_, 2)])))
    assert asked == [ROOM, ROOM]
