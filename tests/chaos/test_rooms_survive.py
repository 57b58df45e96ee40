"""A hub dies with half a room: who comes back has never been away, who does not loses the seat after a while."""

from contextlib import AsyncExitStack
from typing import Any

import pytest

from domain.ids import uuid7
from tests.chaos.conftest import Site
from tests.support.hubs import make_friends
from tests.support.wire import Wire
from tests.support.workers import worker_running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

FAR_FUTURE_MS = 1_790_000_000_000
GONE_WITHIN_S = 75.0  # a lease of 15 s, a seat of 30 s, and the looks of the worker between


async def hear_squeeze(wire: Wire, room: str) -> None:
    while (pulse := await wire.hear("group.pulse"))["id"] != room or not pulse["count"]:
        pass


async def test_a_hub_dies_with_half_a_room(site: Site) -> None:
    people = await make_friends(site.postgres.url, 6)
    large, pair = uuid7(FAR_FUTURE_MS), uuid7(FAR_FUTURE_MS + 1)
    async with AsyncExitStack() as stack, worker_running(site.postgres.url, site.valkey.url):

        async def log_in(number: int, url: str) -> Wire:
            return await stack.enter_async_context(await Wire.log_in(url, people[number].access_token))

        async def join(wire: Wire, room: str) -> dict[str, Any]:
            reply = await wire.ask("group.join", id=room)
            assert reply["type"] == "ok", reply
            group: dict[str, Any] = reply["group"]
            return group

        wires = [await log_in(number, (site.one if number % 2 == 0 else site.other).url) for number in range(6)]
        ana = wires[0]
        for room in (large, pair):
            assert (await ana.ask("group.create", id=room, name="survives"))["type"] == "ok"
        for wire in wires[1:]:
            await join(wire, large)
        await join(wires[1], pair)

        await site.other.kill()
        back = {number: await log_in(number, site.one.url) for number in (3, 5)}  # but not number 1
        for wire in back.values():
            assert wire.welcome["groups"] == [large]
            assert (await join(wire, large))["count"] == 6
        back[3].say(type="group.squeeze", id=large, strength=1)
        for wire in (ana, wires[2], wires[4], *back.values()):
            await hear_squeeze(wire, large)

        left = [await ana.hear("group.left", within_s=GONE_WITHIN_S) for _ in range(2)]
        by_room = {event["id"]: event for event in left}
        assert {event["user"]["id"] for event in left} == {people[1].id}
        assert (by_room[pair]["state"], by_room[pair]["count"]) == ("gathering", 1)
        assert (by_room[large]["state"], by_room[large]["count"]) == ("active", 5)
        seen = await join(ana, large)
        assert {member["id"] for member in seen["members"]} == {people[n].id for n in (0, 2, 3, 4, 5)}
        assert [event for event in ana.kept() if event["type"] == "group.left"] == []

        late = await log_in(1, site.one.url)
        assert "groups" not in late.welcome
        assert (await join(late, pair))["state"] == "active"
