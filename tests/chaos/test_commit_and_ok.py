"""A hub dies after a hug is on disk and before its sender hears `ok`: sent again, it is the same hug."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from domain.ids import uuid7
from tests.support.gate import Gate
from tests.support.hubs import HubProcess, Person, hub_starter, make_friends
from tests.support.servers import KillableServer
from tests.support.wire import Ended, Wire

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

TRIES = 8
ROUNDS = 5


def new_hug(to: Person, number: int) -> dict[str, Any]:
    return {"id": uuid7(1_780_000_000_000 + number), "to": to.id, "kind": "bear"}


@asynccontextmanager
async def witness_of(url: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    """A connection of the test's own."""
    witness = await asyncpg.connect(url)
    try:
        yield witness
    finally:
        await witness.close()


async def test_killed_between_commit_and_ok(
    own_postgres: Callable[[], KillableServer], own_redis: Callable[[], KillableServer]
) -> None:
    postgres, valkey = own_postgres(), own_redis()
    ana, ben = await make_friends(postgres.url, 2)
    async with (
        witness_of(postgres.url) as witness,
        Gate(postgres.url) as gate,
        hub_starter(postgres.url, valkey.url) as start,
    ):
        # One connection beside that of the commits: their statement is prepared, a commit is one question and one answer.
        doomed = await start(database_url=gate.url, database_connections="2")
        safe = await start()
        accepted: list[str] = []
        for number in range(ROUNDS):
            hug = await _commit_without_ok(doomed, gate, witness, ana, ben, number)
            gate.let_answers_through()
            async with await Wire.log_in(safe.url, ana.access_token) as sender:
                first = await sender.ask("hug.send", **hug)
                assert first["state"] == "accepted", first
                second = await sender.ask("hug.send", **hug)
                assert second["at"] == first["at"]
            accepted.append(hug["id"])
            await doomed.start()
        received = []
        async with await Wire.log_in(safe.url, ben.access_token, after=0) as recipient:
            for seq in range(1, recipient.welcome["head"] + 1):
                event = await recipient.hear("hug.received")
                assert event["seq"] == seq
                received.append(event["id"])
        rows = await witness.fetch("select id::text from hugs where recipient_id = $1", ben.id)
    assert len(received) == len(set(received))
    assert set(accepted) <= set(received)
    assert sorted(row["id"] for row in rows) == sorted(received), "the inbox and the history are one"


async def _commit_without_ok(
    hub: HubProcess, gate: Gate, witness: "asyncpg.Connection[Any]", ana: Person, ben: Person, number: int
) -> dict[str, Any]:
    """Send hugs until one is committed and its answer held back at the gate; that one."""
    for attempt in range(TRIES):
        hug = new_hug(ben, number * 1_000 + attempt * 10)
        async with await Wire.log_in(hub.url, ana.access_token) as sender:
            before = await witness.fetchval("select clock_timestamp()")
            warm = await sender.ask("hug.send", **new_hug(ben, number * 1_000 + attempt * 10 + 1))
            assert warm["type"] == "ok"
            await _until_free(witness, before)
            gate.hold_answers()
            sender.say(type="hug.send", ref="doomed", **hug)
            if await _is_committed(witness, hug["id"]):
                await hub.kill()
                with pytest.raises(Ended):  # and not its ok
                    await sender.reply_to("doomed")
                return hug
            gate.let_answers_through()  # something else was on the connection; once more
    raise AssertionError("the answer to a commit could not be caught")


async def _until_free(witness: "asyncpg.Connection[Any]", since: datetime) -> None:
    """Until the hub's other connection is free again: after the commit it asks whether the hug has met another."""
    asked = """
        select count(*) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and state = 'idle' and state_change > $1
          and query not like '%inbox_heads%'
    """
    async with asyncio.timeout(10):
        while not await witness.fetchval(asked, since):  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)


async def _is_committed(witness: "asyncpg.Connection[Any]", hug_id: str) -> bool:
    for _ in range(100):
        if await witness.fetchval("select count(*) from hugs where id = $1", hug_id):
            return True
        await asyncio.sleep(0.02)
    return False
