"""Two people hug each other at the same moment, on two hubs: both are told, once, and of the same."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from itertools import count
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

COUPLES, ROUNDS = 50, 20  # a thousand crossings

_NUMBERS = count(1)


async def send(wire: Wire, to: Person) -> str:
    hug = uuid7(1_780_000_000_000 + next(_NUMBERS))
    reply = await wire.ask("hug.send", id=hug, to=to.id, kind="bear")
    assert reply.get("state") == "accepted", reply
    return hug


def moment(event: dict[str, Any]) -> dict[str, Any]:
    """What both must be told alike."""
    return {name: event[name] for name in ("at", "id", "hugs", "starts_at")}


async def cross(one: tuple[Wire, Person], other: tuple[Wire, Person]) -> None:
    """Both send at once; both hear of it."""
    hugs = await asyncio.gather(send(one[0], other[1]), send(other[0], one[1]))
    told = await asyncio.gather(one[0].hear("hug.mutual"), other[0].hear("hug.mutual"))
    assert moment(told[0]) == moment(told[1])
    assert told[0]["hugs"] == sorted(hugs)
    assert [event["user"] for event in told] == [{"id": p.id, "name": p.name} for _, p in (other, one)]
    for wire, event in ((one[0], told[0]), (other[0], told[1])):
        wire.say(type="ack", seq=event["seq"])


async def history(hub: HubProcess, person: Person) -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {person.access_token}"}
        return list((await client.get(f"{hub.url}/v1/hugs?limit=100", headers=headers)).json()["items"])


async def test_a_thousand_crossings(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    people = await make_friends(database_url, 2 * COUPLES, friends=2)  # a ring: each with the next
    async with AsyncExitStack() as stack:
        wires = [
            await stack.enter_async_context(await Wire.log_in((one, other)[number % 2].url, person.access_token))
            for number, person in enumerate(people)
        ]
        sides = list(zip(wires, people, strict=True))
        for _ in range(ROUNDS):
            await asyncio.gather(*(cross(sides[i], sides[i + 1]) for i in range(0, len(sides), 2)))
        for wire, person in sides:
            assert (await wire.ask("ping"))["type"] == "ok"
            assert not [event for event in wire.kept() if event["type"] == "hug.mutual"], "nobody is told twice"
            assert len([event for event in wire.kept() if event["type"] == "hug.received"]) == ROUNDS, person
    for hub, person in ((one, people[0]), (other, people[1])):
        hugs = await history(hub, person)
        assert len(hugs) == 2 * ROUNDS
        assert len({hug["mutual_at"] for hug in hugs}) == ROUNDS
        assert {hug["state"] for hug in hugs} == {"felt"}


async def test_both_can_start_together(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as hers,
        await Wire.log_in(hub.url, ben.access_token) as his,
    ):
        await send(hers, ben)
        await send(his, ana)
        told = await hers.hear("hug.mutual")
        assert moment(await his.hear("hug.mutual")) == moment(told)
        ahead = datetime.fromisoformat(told["starts_at"]) - datetime.fromisoformat(told["at"])
        assert ahead.total_seconds() == 0.3


async def test_a_hub_that_is_told_to_stop_finishes_what_meets(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as hers,
        await Wire.log_in(other.url, ben.access_token) as his,
    ):
        await send(his, ana)
        await send(hers, ben)
        stopping = asyncio.create_task(one.stop())
        assert (await hers.ended()).code == 4200
        hers.cut()
        assert await stopping == 0
        told = await his.hear("hug.mutual")
    async with await Wire.log_in(other.url, ana.access_token, after=0) as again:
        assert moment(await again.hear("hug.mutual")) == moment(told)


async def test_who_comes_back_hears_of_it_in_order(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as hers:
        his = await Wire.log_in(hub.url, ben.access_token)
        his.cut()
        first = await send(hers, ben)
        taken_back = await send(hers, ben)
        assert (await hers.ask("hug.undo", id=taken_back))["state"] == "undone"
        async with await Wire.log_in(hub.url, ben.access_token, device="tablet", after=2) as tablet:
            met = await send(tablet, ana)
            await tablet.hear("hug.mutual")
            reply = await tablet.ask("hug.react", hug=first, emoji="🤗")
            assert reply["state"] == "felt"
        await hers.hear("hug.felt")
        hers.cut()
    async with await Wire.log_in(hub.url, ben.access_token, after=0) as his:
        events = [await his.hear("hug.received", "hug.undone", "hug.mutual") for _ in range(4)]
        assert [(event["seq"], event["type"], event.get("id")) for event in events[:3]] == [
            (1, "hug.received", first),
            (2, "hug.received", taken_back),
            (3, "hug.undone", taken_back),
        ]
        assert (events[3]["seq"], events[3]["hugs"]) == (4, sorted([first, met]))
        assert (await his.hear("caught_up"))["seq"] == 4
    async with await Wire.log_in(hub.url, ana.access_token, after=0) as hers:
        events = [await hers.hear("hug.received", "hug.felt", "hug.mutual") for _ in range(3)]
        assert [(event["seq"], event["type"]) for event in events] == [
            (1, "hug.received"),
            (2, "hug.mutual"),
            (3, "hug.felt"),
        ]
        assert events[2] | {"at": ""} == {
            "type": "hug.felt",
            "seq": 3,
            "at": "",
            "id": first,
            "from": {"id": ben.id, "name": ben.name},
            "emoji": "🤗",
        }
