"""Asking for hugs, against real PostgreSQL: ids and limits under concurrency, and whom the community is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import Conflict
from domain.hug_requests import (
    NO_REQUEST_LIMITS,
    RequestLimits,
)
from domain.ids import uuid7
from hub.handlers.ports import Actor
from protocol.commands import RequestCreate
from storage.postgres import Database
from tests.support.people import NOW_MS, befriend, make_users
from tests.support.requests import Stage, outcome

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=20) as database:
        yield database


@pytest.fixture
async def stage(database: Database) -> Stage:
    return Stage(database)


async def test_asking_twice_at_once_is_asking_once(stage: Stage) -> None:
    ana, ben = await make_users(stage.database, 2)
    await befriend(stage.database, [ana, ben])
    await stage.willing(3)
    for to in (ben, None):
        command = RequestCreate(id=uuid7(NOW_MS), to=to)
        replies = await asyncio.gather(*(stage.requests.create(Actor(ana, "Ana"), command) for _ in range(10)))
        assert replies[1:] == replies[:-1]
        with pytest.raises(Conflict, match="another request"):
            await stage.requests.create(Actor(ana, "Ana"), RequestCreate(id=command.id, to=None if to else ben))
    assert await stage.kinds(ben) == ["request.received"]
    assert await stage.database.fetchval("select count(*) from inbox where kind = 'request.received'") == 4


async def test_requests_of_one_asker_at_once_do_not_pass_the_limits(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    for limits, to, most in [
        (RequestLimits(an_hour=4, community_open=0), ben, 4),
        (RequestLimits(an_hour=0, community_open=2), None, 2),
        (NO_REQUEST_LIMITS, ben, 50),
    ]:
        stage = Stage(database, limits)
        found = await asyncio.gather(*(insist(stage, ana, RequestCreate(id=uuid7(NOW_MS), to=to)) for _ in range(60)))
        assert (found.count("open"), found.count("RateLimited")) == (most, 60 - most)
        await database.execute("delete from hug_requests")


async def insist(stage: Stage, asker: str, command: RequestCreate) -> str:
    """What *command* came to, sent again as long as this machine has no time for it."""
    while (came_to := await outcome(stage.requests.create(Actor(asker, "A"), command))) == "Unavailable":
        pass
    return came_to


async def test_the_community_is_asked_online_first_and_never_across_a_block(stage: Stage) -> None:
    people = await stage.willing(206)
    ana, blocked, blocker, gone, *others = people
    await stage.block(ana, blocked)
    await stage.block(blocker, ana)
    await stage.database.execute("update users set deleted_at = now() where id = $1", gone)
    (unwilling,) = await make_users(stage.database, 1)
    online, away = others[50:90], others[90:120]
    stage.online = dict.fromkeys(online, "online") | dict.fromkeys(away, "away") | {blocked: "online", ana: "online"}
    request = await stage.ask(ana)
    rows = await stage.database.fetch("select user_id from hug_request_receivers where request_id = $1", request)
    told = {str(row["user_id"]) for row in rows}
    assert len(told) == 200
    assert told >= {*online, *away}
    assert not told & {ana, blocked, blocker, gone, unwilling}
    inboxes = await stage.database.fetch("select user_id, seq from inbox where kind = 'request.received'")
    assert {str(row["user_id"]) for row in inboxes} == told == {event.user for event in stage.delivery.rung}


async def test_a_sample_of_many_is_spread_over_all(stage: Stage) -> None:
    people = await stage.willing(3_000)
    (ana,) = await make_users(stage.database, 1)
    rows: set[str] = set()
    for _ in range(5):
        request = await stage.ask(ana)
        found = await stage.database.fetch("select user_id from hug_request_receivers where request_id = $1", request)
        assert 100 <= len(found) <= 200
        rows |= {str(row["user_id"]) for row in found}
    assert len(rows) > 400, "not always the same people"
    thirds = [people[:1_000], people[1_000:2_000], people[2_000:]]
    assert all(rows & set(third) for third in thirds)
