"""Group hugs over the wire: people on two hubs, and a worker for what time brings."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.ports import free_port
from domain.ids import uuid7
from domain.times import rfc3339
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


def clock() -> int:
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def working(database_url: str, redis_url: str, *jobs_redis_url: str) -> AsyncIterator[None]:
    """A worker process for the block."""
    argv = [database_url, redis_url, str(free_port()), *jobs_redis_url]
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.care_worker", *argv, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def connected(hubs: list[HubProcess], people: list[Person]) -> AsyncIterator[list[Wire]]:
    """A session of each, on the hubs in turn."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                await Wire.log_in(hubs[number % len(hubs)].url, person.access_token, after=0)
            )
            for number, person in enumerate(people)
        ]


async def ask(wire: Wire, type_: str, **fields: Any) -> dict[str, Any]:
    """The `ok`."""
    answer = await wire.ask(type_, **fields)
    assert answer["type"] == "ok", answer
    return answer


async def test_from_the_invitation_to_the_end(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    people = await make_friends(database_url, 3)
    ana, bo, cleo = people
    hubs = [await start_hub(), await start_hub()]
    group = uuid7(clock())
    async with connected(hubs, people) as (with_ana, with_bo, with_cleo):
        created = await ask(with_ana, "group.create", id=group, name="Sunday", message="Come!", invite=[bo.id])
        assert (created["state"], created["ids"]) == ("gathering", [bo.id])
        invited = await with_bo.hear("group.invited")
        assert (invited["id"], invited["from"]["id"], invited["message"]) == (group, ana.id, "Come!")

        joined = await ask(with_bo, "group.join", id=group)
        assert joined["state"] == "active"
        assert [member["id"] for member in joined["group"]["members"]] == [ana.id, bo.id]
        assert joined["group"]["membership"] == "joined"
        for wire in (with_ana, with_bo):
            started = await wire.hear("group.started")
            assert (started["id"], started["count"]) == (group, 2)

        assert (await ask(with_bo, "group.invite", id=group, users=[cleo.id, ana.id]))["ids"] == [cleo.id, ana.id]
        assert (await with_cleo.hear("group.invited"))["from"]["id"] == bo.id
        await ask(with_cleo, "group.join", id=group.upper())

        refused = await with_bo.ask("group.complete", id=group)
        assert (refused["type"], refused["code"]) == ("error", "forbidden")
        assert (await ask(with_ana, "group.leave", id=group))["state"] == "active"
        done = await ask(with_bo, "group.complete", id=group)
        assert (done["state"], done["group"]["host"]["id"]) == ("completed", bo.id), "the earliest joiner is host now"
        for wire in (with_ana, with_bo, with_cleo):
            completed = await wire.hear("group.completed")
            assert (completed["how"], completed["count"]) == ("host", 3)
            assert [one["id"] for one in completed["participants"]] == [ana.id, bo.id, cleo.id]
            assert completed["duration_ms"] >= 0
        again = await ask(with_cleo, "group.join", id=group)
        assert again["state"] == "completed"


async def test_what_time_brings(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    people = await make_friends(database_url, 3)
    _, bo, cleo = people
    hubs = [await start_hub(), await start_hub()]
    async with working(database_url, redis_url), connected(hubs, people) as (with_ana, with_bo, with_cleo):
        now_ms = clock()
        group = uuid7(now_ms)
        created = await ask(
            with_ana, "group.create", id=group, name="Later", invite=[bo.id], starts_at=rfc3339(now_ms + 2_000)
        )
        assert created["state"] == "scheduled"
        assert (await with_bo.hear("group.invited"))["starts_at"] == rfc3339(now_ms + 2_000)
        assert (await ask(with_bo, "group.join", id=group))["state"] == "scheduled"
        for wire in (with_ana, with_bo):
            started = await wire.hear("group.started", within_s=30)
            assert (started["id"], started["count"]) == (group, 2)
        assert clock() >= now_ms + 2_000
        now_ms = clock()
        group = uuid7(now_ms)
        await ask(with_ana, "group.create", id=group, name="Soon", invite=[cleo.id], expires_at=rfc3339(now_ms + 2_000))
        for wire in (with_ana, with_cleo):
            ended = await wire.hear("group.cancelled", within_s=30)
            assert (ended["id"], ended["state"]) == (group, "expired")
        assert clock() >= now_ms + 2_000
        assert (await ask(with_cleo, "group.join", id=group))["state"] == "expired"


async def test_a_resume_replays_what_was_missed(start_hub: StartHub, database_url: str) -> None:
    ana, bo = await make_friends(database_url, 2)
    hub = await start_hub()
    group = uuid7(clock())
    async with await Wire.log_in(hub.url, ana.access_token) as with_ana:
        async with await Wire.log_in(hub.url, bo.access_token) as with_bo:
            await ask(with_ana, "group.create", id=group, name="Sunday", invite=[bo.id])
            await ask(with_bo, "group.join", id=group)
        await ask(with_ana, "group.complete", id=group)
    async with await Wire.log_in(hub.url, bo.access_token, after=0) as with_bo:
        kinds = [(await with_bo.hear("group.invited", "group.started", "group.completed"))["type"] for _ in range(3)]
    assert kinds == ["group.invited", "group.started", "group.completed"]
