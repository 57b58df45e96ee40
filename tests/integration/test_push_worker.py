"""Hubs and a worker as they really run: who is away is pushed to, who does not ack after 10 s, who acks never."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.ids import uuid7
from domain.times import to_ms
from storage.postgres import Database
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.servers import flush
from tests.support.wire import Wire
from tests.support.workers import worker_running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

WITHIN_S = 90.0  # a worker starts, and the sweep goes through all inboxes once a minute
_DELIVERIES = """
select content, created_at, state, first_seq, last_seq from deliveries
where user_id = $1 and provider = 'log' order by created_at
"""


async def hug(wire: Wire, to: Person) -> None:
    reply = await wire.ask("hug.send", id=uuid7(to_ms(datetime.now(UTC))), to=to.id, kind="bear")
    assert reply["type"] == "ok", reply


class Records:
    """What stands in the database about pushes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def pushed(self, person: Person, count: int = 1) -> list[dict[str, Any]]:
        """The first *count* pushes to *person*, accepted by the provider. Raises: TimeoutError."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                rows = await self._database.fetch(_DELIVERIES, person.id)
                if [row["state"] for row in rows].count("accepted") >= count:
                    return [dict(row) | {"content": json.loads(row["content"])} for row in rows]
                await asyncio.sleep(0.05)

    async def count(self, person: Person) -> int:
        return len(await self._database.fetch(_DELIVERIES, person.id))

    async def until(self, sql: str, *arguments: object) -> None:
        """Return once *sql* is true. Raises: TimeoutError."""
        async with asyncio.timeout(WITHIN_S):
            while not await self._database.fetchval(sql, *arguments):  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.05)

    async def came(self, person: Person) -> datetime:
        """When the first event came into the inbox of *person*."""
        at: datetime = await self._database.fetchval("select min(at) from inbox where user_id = $1", person.id)
        return at


@pytest.fixture
async def records(database_url: str) -> AsyncIterator[Records]:
    async with Database(database_url) as database:
        yield Records(database)


async def test_who_is_away_who_does_not_ack_and_who_does(
    start_hub: StartHub, records: Records, database_url: str, redis_url: str
) -> None:
    one, two = await start_hub(), await start_hub()
    ana, away, silent, acking = await make_friends(database_url, 4)
    async with (
        worker_running(database_url, redis_url),
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, silent.access_token),
        await Wire.log_in(two.url, acking.access_token) as at_acking,
    ):
        await hug(at_ana, acking)
        at_acking.say(type="ack", seq=(await at_acking.hear("hug.received"))["seq"])
        await hug(at_ana, silent)
        await hug(at_ana, away)
        (push,) = await records.pushed(away)
        content = push["content"]
        assert (content["kind"], content["collapse_key"], content["badge"]) == ("hug.received", "hug-received", 1)
        assert content["data"]["count"] == "1"
        assert ana.name not in push["content"]["body"], "nobody is named unless they want it"

        for _ in range(3):
            await hug(at_ana, away)
        waiting = (
            "select count(*) = 3 from notifications where user_id = $1 and state = 'waiting' and reason = 'merging'"
        )
        await records.until(waiting, away.id)

        (push,) = await records.pushed(silent)
        assert push["created_at"] - await records.came(silent) >= timedelta(seconds=10)
        assert await records.count(acking) == 0
        assert await records.count(away) == 1


async def test_what_came_while_no_worker_ran_and_redis_was_emptied_is_pushed(
    start_hub: StartHub, records: Records, database_url: str, redis_url: str
) -> None:
    hub = await start_hub()
    ana, away = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana:
        for _ in range(3):
            await hug(at_ana, away)
    flush(redis_url)
    async with worker_running(database_url, redis_url):
        (push,) = await records.pushed(away)
        assert (push["first_seq"], push["last_seq"], push["content"]["data"]["count"]) == (1, 3, "3")
        assert push["content"]["badge"] == 3
