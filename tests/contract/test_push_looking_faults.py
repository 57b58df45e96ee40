"""Deciding about pushes while servers are away, workers compete and bodies are strange."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from domain.errors import Unavailable
from domain.presence import Rank
from storage import keys, postgres
from storage.inbox import NewEvent, append_within
from tests.support.push_rig import Rig, rig_on
from tests.support.pushes import add_device, bring_hug
from tests.support.servers import KillableServer

pytestmark = pytest.mark.contract


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with rig_on(database_url, redis_url) as rig:
        yield rig


async def test_nobody_is_woken_while_redis_is_away_for_a_minute(
    database_url: str, own_redis: Callable[[], KillableServer]
) -> None:
    server = own_redis()
    async with rig_on(database_url, server.url) as rig:
        ana, bo = await rig.friends(2)
        await rig.connect(Rank.DO_NOT_DISTURB, ana)
        server.kill()
        await bring_hug(rig.database, bo, ana, rig.clock.now)
        assert await rig.look() == []
        await rig.looking.sweep()
        assert await rig.look() == []
        assert await rig.decided(ana) == [(1, "waiting", "presence_unknown")]
        assert await rig.due_in_s(ana) == [2.0]
        for _ in range(11):
            assert await rig.look(5) == []
        assert await rig.look(4.999) == []
        assert len(await rig.look(0.001)) == 1


async def test_the_sweep_finds_whom_nobody_has_named(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await add_device(rig.database, bo, rig.clock.now)
    await bring_hug(rig.database, bo, ana, rig.clock.now)
    await bring_hug(rig.database, ana, bo, rig.clock.now)
    assert await rig.look() == []
    await rig.looking.sweep()
    assert sorted(each.user for each in await rig.look()) == sorted([ana, bo])
    await rig.looking.sweep()
    assert await rig.look() == []


async def test_users_come_back_when_postgres_is_in_the_way(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_MS", 300)
    async with rig_on(database_url, redis_url) as rig:
        ana, bo = await rig.friends(2)
        await rig.hug(bo, ana)
        async with rig.database.transaction() as connection:
            await connection.execute("lock table notifications in access exclusive mode")
            with pytest.raises(Unavailable):
                await rig.look()
            while not await rig.redis.call("SISMEMBER", keys.PUSH_USERS, ana):  # noqa: ASYNC110  Valkey tells nobody
                await asyncio.sleep(0.01)
        assert len(await rig.look()) == 1


async def test_a_look_that_fails_before_its_end_is_made_again(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is stored, and the burst is free again when its time is up."""
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_MS", 300)
    async with rig_on(database_url, redis_url) as rig:
        ana, bo = await rig.friends(2)
        await rig.hug(bo, ana)
        async with rig.database.transaction() as connection:
            await connection.execute("lock table deliveries in exclusive mode")
            with pytest.raises(Unavailable):
                await rig.looking.look()
        assert await rig.decided(ana) == [(1, "waiting", None)]
        assert await rig.look() == []
        assert len(await rig.look(30)) == 1


async def test_workers_at_once_push_once(rig: Rig) -> None:
    people = await rig.friends(30)
    for user in people[1:]:
        await add_device(rig.database, user, rig.clock.now)
    workers = [rig.worker() for _ in range(4)]
    for _ in range(3):
        for user in people[1:]:
            await rig.hug(people[0], user)
            await rig.hug(user, people[0])
        await asyncio.gather(*(worker.look() for worker in workers), *(worker.sweep() for worker in workers))
        while await rig.database.fetchval("select count(*) from bursts where due_at <= $1", rig.clock.now):
            await asyncio.gather(*(worker.look() for worker in workers))
        rig.clock.forward(400)
    pushed = await rig.pushed()
    by_user = {user: [each.content.data["count"] for each in pushed if each.user == user] for user in people}
    assert {tuple(counts) for user, counts in by_user.items() if user != people[0]} == {("1", "2", "3")}
    assert by_user[people[0]][-1] == str(3 * 29)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b'{"type":"notification","about":"notice"}',
        b'{"type":"notification","about":"notice","category":"of-tomorrow","id":"x"}',
        b'{"type":"notification","about":"of.tomorrow","category":"insights","id":"x"}',
        b'{"type":"notification","about":5,"category":"insights"}',
        b'{"type":"notification","about":"notice","category":"insights","expires_at":"soon"}',
        b'{"type":"notification","from":{"id":"nobody"},"about":"notice","category":"insights"}',
        b'{"style":' + b"[" * 10_000,
    ],
)
async def test_a_strange_body_holds_up_nobody_else(rig: Rig, body: bytes) -> None:
    """Newer hubs may write what this worker does not know yet."""
    ana, bo = await rig.friends(2)
    for user in (ana, bo):
        async with rig.database.transaction() as connection:
            await append_within(connection, [NewEvent(user, "notification", body)])
    await rig.hug(bo, ana)
    await rig.named(bo)
    pushed = await rig.look()
    assert [each.content.kind for each in pushed if each.content.kind == "hug.received"] == ["hug.received"]
    await rig.looking.sweep()
    assert await rig.database.fetchval("select count(*) from inbox_heads where notified_seq < seq") == 0
