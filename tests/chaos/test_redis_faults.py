"""Redis may be deaf, dead or empty: hugs are accepted all the same, and late by at most a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from domain.ids import uuid7
from tests.chaos.conftest import Site
from tests.support.hubs import Person, make_friends
from tests.support.servers import flush
from tests.support.wire import Wire

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

LATE_AT_MOST_S = 75  # the slow comparison looks at everybody once a minute
_NUMBERS = count(1)


def new_hug(to: Person) -> dict[str, Any]:
    return {"id": uuid7(1_780_000_000_000 + next(_NUMBERS)), "to": to.id, "kind": "bear"}


async def send(wire: Wire, to: Person, number: int) -> list[str]:
    """Their ids, all of them accepted."""
    ids = []
    for _ in range(number):
        hug = new_hug(to)
        reply = await wire.ask("hug.send", **hug)
        assert reply.get("state") == "accepted", reply
        ids.append(hug["id"])
    return ids


async def hear(wire: Wire, ids: list[str], first: int, within_s: float) -> None:
    """Exactly these hugs, in this order, from seq *first*."""
    for seq, hug_id in enumerate(ids, first):
        event = await wire.hear("hug.received", within_s=within_s)
        assert (event["seq"], event["id"]) == (seq, hug_id)


async def test_deaf_for_some_seconds(site: Site) -> None:
    """SIGSTOP: connections stay, nothing answers, no error is seen."""
    ana, ben, chris = await make_friends(site.postgres.url, 3)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as far,
        await Wire.log_in(site.one.url, chris.access_token) as near,
    ):
        await hear(far, await send(sender, ben, 1), 1, 10)
        await hear(near, await send(sender, chris, 1), 1, 10)
        site.valkey.pause()
        try:
            to_far = await send(sender, ben, 20)
            await hear(near, await send(sender, chris, 20), 2, 10)  # the same node needs no doorbell
            await asyncio.sleep(6)  # longer than a probe may take
            assert (await far.ask("ping"))["type"] == "ok"
            async with await Wire.log_in(site.other.url, chris.access_token, device="second", after=0) as opening:
                assert opening.welcome["head"] == 21, "sessions open without Redis"
        finally:
            site.valkey.resume()
        await hear(far, to_far, 2, LATE_AT_MOST_S)
        await hear(far, await send(sender, ben, 5), 22, LATE_AT_MOST_S)


async def test_deaf_for_good_costs_a_minute_not_a_hug(site: Site) -> None:
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as far,
    ):
        await hear(far, await send(sender, ben, 1), 1, 10)
        site.valkey.pause()
        try:
            ids = await send(sender, ben, 20)
            async with staying(sender):
                await hear(far, ids, 2, LATE_AT_MOST_S)
        finally:
            site.valkey.resume()


@asynccontextmanager
async def staying(wire: Wire) -> AsyncIterator[None]:
    """Somebody reads on *wire*, so that the pings of the hub are answered."""
    reading = asyncio.create_task(wire.hear("never", within_s=LATE_AT_MOST_S * 2))
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


def fields_of(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "type"}


async def test_killed_and_back_with_nothing_in_it(site: Site) -> None:
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as far,
    ):
        await hear(far, await send(sender, ben, 1), 1, 10)
        site.valkey.kill()
        ids = await send(sender, ben, 20)
        site.valkey.start()
        flush(site.valkey.url)
        await hear(far, ids, 2, LATE_AT_MOST_S)
        await hear(far, await send(sender, ben, 20), 22, LATE_AT_MOST_S)
        async with await Wire.log_in(site.one.url, ben.access_token, device="second") as second:
            friends = second.welcome["friends"]
            while {"user": ana.id, "status": "online", "last_seen": None} not in friends:
                friends.append(fields_of(await second.hear("presence")))


async def test_emptied_again_and_again(site: Site) -> None:
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as far,
    ):
        ids: list[str] = []
        for _ in range(5):
            flush(site.valkey.url)
            ids += await send(sender, ben, 10)
        await hear(far, ids, 1, LATE_AT_MOST_S)
