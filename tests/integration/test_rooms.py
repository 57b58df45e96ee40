"""Rooms over two real nodes: who hears what, how squeezes add up, and what is left when things break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.servers import flush
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

FAR_FUTURE_MS = 1_790_000_000_000


class House:
    """Two hubs, some friends, and a group hug that Ana hosts."""

    def __init__(self, hubs: list[HubProcess], people: list[Person], stack: AsyncExitStack) -> None:
        self.hubs = hubs
        self.people = people
        self.room = uuid7(FAR_FUTURE_MS)
        self._stack = stack

    async def log_in(self, number: int, at: int, **hello: Any) -> Wire:
        wire = await Wire.log_in(self.hubs[at].url, self.people[number].access_token, **hello)
        return await self._stack.enter_async_context(wire)

    async def create(self, host: Wire, **more: Any) -> None:
        assert (await host.ask("group.create", id=self.room, name="a room", **more))["type"] == "ok"

    async def join(self, wire: Wire) -> dict[str, Any]:
        reply = await wire.ask("group.join", id=self.room)
        assert reply["type"] == "ok", reply
        group: dict[str, Any] = reply["group"]
        return group

    async def gather(self, count: int, **more: Any) -> list[Wire]:
        """*count* members in the room, in turn on both nodes; each knows of all."""
        wires = [await self.log_in(number, number % 2) for number in range(count)]
        await self.create(wires[0], **more)
        for wire in wires[1:]:
            await self.join(wire)
        for wire in wires[:-1]:
            await heard_of(wire, self.people[count - 1])
        return wires

    async def squeeze(self, wire: Wire, strength: float = 0.5) -> None:
        assert (await wire.ask("group.squeeze", id=self.room, strength=strength))["type"] == "ok"


async def heard_of(wire: Wire, person: Person) -> dict[str, Any]:
    """The `group.joined` of *person*."""
    while (event := await wire.hear("group.joined"))["user"]["id"] != person.id:
        pass
    return event


async def hear_squeezes(wire: Wire, count: int) -> list[dict[str, Any]]:
    """Pulses until they add up to *count*."""
    pulses: list[dict[str, Any]] = []
    while sum(pulse["count"] for pulse in pulses) < count:
        pulses.append(await wire.hear("group.pulse"))
    assert sum(pulse["count"] for pulse in pulses) == count, pulses
    return pulses


@pytest.fixture
async def house(start_hub: StartHub, database_url: str) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House([await start_hub(), await start_hub()], await make_friends(database_url, 8), stack)


async def test_squeezes_of_both_nodes_add_up_for_everybody(house: House) -> None:
    wires = await house.gather(6)
    for wire in wires[:3]:  # half of them: not the big squeeze
        for _ in range(40):
            wire.say(type="group.squeeze", id=house.room, strength=0.5)
    for wire in wires:
        pulses = await hear_squeezes(wire, 120)
        assert {pulse["members"] for pulse in pulses} == {6}
        assert {pulse["strength"] for pulse in pulses} == {0.5}
        assert len(pulses) < 60, "merged"


async def test_comers_and_goers_are_told_once_to_everybody_on_both_nodes(house: House) -> None:
    ana, bo, cleo = [await house.log_in(number, number % 2) for number in range(3)]
    await house.create(ana)
    first = await house.join(bo)
    assert (first["state"], first["count"], first["host"]["id"]) == ("active", 2, house.people[0].id)
    assert [member["id"] for member in first["members"]] == [person.id for person in house.people[:2]]
    event = await heard_of(ana, house.people[1])
    assert (event["count"], event["state"], event["host"]) == (2, "active", house.people[0].id)
    await house.join(cleo)
    for wire in (ana, bo):
        assert (await heard_of(wire, house.people[2]))["count"] == 3
    assert (await ana.ask("group.leave", id=house.room))["type"] == "ok"
    for wire in (bo, cleo):
        left = await wire.hear("group.left")
        assert left["user"]["id"] == house.people[0].id
        assert (left["count"], left["host"], left["state"]) == (2, house.people[1].id, "active")
    await house.squeeze(bo)
    await hear_squeezes(cleo, 1)
    assert [event for event in ana.kept() if event["type"] == "group.left"] == []
    reply = await ana.ask("group.squeeze", id=house.room, strength=1)
    assert (reply["type"], reply["code"]) == ("error", "conflict")


async def test_all_devices_of_a_member_are_in_the_room_and_come_back_into_it(house: House) -> None:
    ana, bo, _ = await house.gather(3)
    tablet = await house.log_in(1, at=0)
    assert tablet.welcome["groups"] == [house.room]
    await house.squeeze(ana)
    for wire in (bo, tablet):
        await hear_squeezes(wire, 1)
    bo.cut()
    again = await house.log_in(1, at=0)
    assert again.welcome["groups"] == [house.room]
    await house.squeeze(again)
    await hear_squeezes(ana, 1 + 1)
    phone_of_cleo = await house.log_in(3, at=0)
    other_device = await house.log_in(3, at=1)
    assert "groups" not in phone_of_cleo.welcome
    await house.join(phone_of_cleo)
    await heard_of(other_device, house.people[3])
    await house.squeeze(ana)
    await hear_squeezes(other_device, 1)


async def test_the_big_squeeze_over_two_nodes_completes_once_for_all(house: House) -> None:
    wires = await house.gather(5)
    for wire in wires[:4]:
        wire.say(type="group.squeeze", id=house.room, strength=1)
    for wire in wires:
        completed = await wire.hear("group.completed")
        assert (completed["how"], completed["count"]) == ("squeeze", 5)
        assert [person["id"] for person in completed["participants"]] == [person.id for person in house.people[:5]]
        await hear_squeezes(wire, 4)
    for wire in wires:
        assert (await wire.ask("ping"))["type"] == "ok"
        assert [event for event in wire.kept() if event["type"] == "group.completed"] == []


async def test_a_member_without_a_socket_squeezes_over_rest(house: House) -> None:
    ana, bo, _ = await house.gather(3)
    dora = {"Authorization": f"Bearer {house.people[3].access_token}"}
    async with httpx.AsyncClient(base_url=house.hubs[1].url, headers=dora) as client:
        command = {"id": house.room, "strength": 0.5}
        assert (await client.post("/v1/groups/squeeze", json=command)).json()["code"] == "conflict"
        assert (await client.post("/v1/groups/join", json={"id": house.room})).status_code == 200
        assert (await client.post("/v1/groups/squeeze", json=command)).json() == {"type": "ok", "id": house.room}
    for wire in (ana, bo):
        await hear_squeezes(wire, 1)


async def test_an_invisible_member_and_those_of_a_block_are_not_named(house: House) -> None:
    ana = await house.log_in(0, 0)
    bo = await house.log_in(1, 1)
    assert (await bo.ask("user.block", user=house.people[2].id))["type"] == "ok"
    cleo = await house.log_in(2, 0)
    hidden = await house.log_in(3, 1, status="invisible")
    await house.create(ana)
    await house.join(bo)
    seen_by_cleo = await house.join(cleo)
    assert [member["id"] for member in seen_by_cleo["members"]] == [house.people[0].id, house.people[2].id]
    assert seen_by_cleo["count"] == 3
    await heard_of(ana, house.people[2])
    await house.join(hidden)
    while (await bo.hear("group.pulse"))["members"] != 4:
        pass
    named = {event["user"]["id"] for event in bo.kept() if event["type"] == "group.joined"}
    assert named <= {house.people[1].id}
    late = await house.log_in(4, 1)
    seen_by_late = await house.join(late)
    assert house.people[3].id not in {member["id"] for member in seen_by_late["members"]}
    assert seen_by_late["count"] == 5


async def test_a_large_room_counts_instead_of_naming(start_hub: StartHub, database_url: str) -> None:
    hubs = [await start_hub(limits="off"), await start_hub(limits="off")]
    people = await make_friends(database_url, 54, friends=2)
    async with AsyncExitStack() as stack:
        house = House(hubs, people, stack)
        ana = await house.log_in(0, 0)
        await house.create(ana, capacity=60)
        wires = [await house.log_in(number, number % 2) for number in range(1, 54)]
        await asyncio.gather(*(house.join(wire) for wire in wires[:-1]))
        assert (await house.join(wires[-1]))["count"] == 54
        while (await ana.hear("group.pulse"))["members"] != 54:
            pass
        named = [event for event in ana.kept() if event["type"] == "group.joined"]
        assert all(event["count"] <= 50 for event in named)


async def test_rooms_are_right_again_after_redis_was_emptied(house: House, redis_url: str) -> None:
    ana, bo, cleo = await house.gather(3)
    flush(redis_url)
    dora = await house.log_in(3, 1)
    await house.join(dora)
    for wire in (ana, bo, cleo):
        await heard_of(wire, house.people[3])
    await house.squeeze(dora)
    for wire in (ana, bo, cleo, dora):
        await hear_squeezes(wire, 1)
