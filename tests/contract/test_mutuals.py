"""Hugs that meet, against real PostgreSQL: each pair once, however many nodes look at the same moment."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import pytest

from domain.errors import Unavailable
from domain.hug_moments import MUTUAL_STARTS_AFTER_MS, MUTUAL_WITHIN_MS
from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from storage.hug_commits import Answer, Committed, HugCommits, NewHug
from storage.inbox import InboxEvent, load_after
from storage.mutuals import _CANDIDATES as CANDIDATES_SQL
from storage.mutuals import Mutuals
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users
from tests.support.servers import KillableServer

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@asynccontextmanager
async def node(
    database: Database, on_stored: Callable[[Sequence[InboxEvent]], None] = lambda _events: None
) -> AsyncIterator[HugCommits]:
    """What a hub has of it. At its end all hugs have been looked at."""
    async with AsyncExitStack() as stack:
        mutuals = await stack.enter_async_context(Mutuals(database, lambda: NOW_MS, on_stored))
        commits = await stack.enter_async_context(HugCommits(database, lambda _events: None))
        commits.on_committed.append(mutuals.look)
        yield commits
        await mutuals.drained()


def hug(sender: str, recipient: str, at_ms: int = NOW_MS, hug_id: str | None = None) -> NewHug:
    return NewHug(hug_id or uuid7(at_ms), sender, recipient, "bear", None, None, b'{"type":"hug.received"}', at_ms)


async def commit(commits: HugCommits, *hugs: NewHug) -> None:
    answers: list[asyncio.Future[Answer]] = []
    for one in hugs:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        commits.append(one, lambda _hug, answer, future=future: future.set_result(answer))
        answers.append(future)
    assert all(isinstance(answer, int) for answer in await asyncio.gather(*answers))


async def mutuals_of(database: Database, user: str) -> list[dict[str, Any]]:
    """The `hug.mutual` in an inbox, in order."""
    events = [msgspec.json.decode(row.body) for row in await load_after(database, [(user, 0)], limit=10_000)]
    return [event for event in events if event["type"] == "hug.mutual"]


async def test_two_who_hug_each_other_are_both_told_the_same(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    await database.execute("update profiles set display_name = 'Bo' where user_id = $1", bo)
    one, other = hug(ana, bo, NOW_MS - 1_000), hug(bo, ana)
    rung: list[InboxEvent] = []
    async with node(database, rung.extend) as commits:
        await commit(commits, one)
        await commit(commits, other)
    (told_ana,), (told_bo,) = await mutuals_of(database, ana), await mutuals_of(database, bo)
    starts_at = rfc3339(NOW_MS + MUTUAL_STARTS_AFTER_MS)
    expected = {"type": "hug.mutual", "at": rfc3339(NOW_MS), "hugs": sorted([one.id, other.id]), "starts_at": starts_at}
    assert told_ana == {**expected, "id": told_ana["id"], "user": {"id": bo, "name": "Bo"}}
    assert told_bo == {**expected, "id": told_ana["id"], "user": {"id": ana, "name": "Ana"}}
    assert sorted((event.user, event.seq) for event in rung) == [(ana, 2), (bo, 2)]
    rows = await database.fetch("select mutual_at, felt_at from hugs")
    assert [tuple(row) for row in rows] == [(from_ms(NOW_MS + MUTUAL_STARTS_AFTER_MS), from_ms(NOW_MS))] * 2


async def test_at_the_same_moment_on_two_nodes_each_pair_meets_once(database: Database, database_url: str) -> None:
    users = await make_users(database, 400)
    couples = list(zip(users[::2], users[1::2], strict=True))
    async with Database(database_url) as other, node(database) as here, node(other) as there:
        await asyncio.gather(
            *(commit(here, hug(ana, bo)) for ana, bo in couples), *(commit(there, hug(bo, ana)) for ana, bo in couples)
        )
    for ana, bo in couples:
        (told_ana,), (told_bo,) = await mutuals_of(database, ana), await mutuals_of(database, bo)
        assert [told_ana[key] for key in ("id", "hugs", "starts_at")] == [
            told_bo[key] for key in ("id", "hugs", "starts_at")
        ]


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_hugs_of_two_people_over_two_nodes_pair_off(
    database: Database, database_url: str, seed: int
) -> None:
    dice = random.Random(seed)
    ana, bo = await make_users(database, 2)
    hugs = [hug(ana, bo, NOW_MS + dice.randrange(2_000)) for _ in range(120)]
    hugs += [hug(bo, ana, NOW_MS + dice.randrange(2_000)) for _ in range(80)]
    dice.shuffle(hugs)
    async with Database(database_url) as other, node(database) as here, node(other) as there:
        await asyncio.gather(*(commit(dice.choice((here, there)), one) for one in hugs))
    told_ana, told_bo = await mutuals_of(database, ana), await mutuals_of(database, bo)
    assert len(told_ana) == len(told_bo) == 80, "all of the one have met one of the other"
    assert {event["id"]: event["hugs"] for event in told_ana} == {event["id"]: event["hugs"] for event in told_bo}
    assert max(Counter(each for event in told_ana for each in event["hugs"]).values()) == 1
    assert await database.fetchval("select count(*) from hugs where mutual_at is not null") == 160


async def test_a_hug_meets_the_nearest(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    far, near, between = hug(bo, ana, NOW_MS - 3_000), hug(bo, ana, NOW_MS + 1_000), hug(bo, ana, NOW_MS - 1_500)
    mine = hug(ana, bo)
    async with node(database) as commits:
        await commit(commits, far, near, between)
        await commit(commits, mine)
    (told,) = await mutuals_of(database, ana)
    assert told["hugs"] == sorted([near.id, mine.id])


@pytest.mark.parametrize(("apart_ms", "count"), [(MUTUAL_WITHIN_MS, 1), (MUTUAL_WITHIN_MS + 1, 0)])
@pytest.mark.parametrize("sign", [1, -1])
async def test_within_five_seconds(database: Database, apart_ms: int, count: int, sign: int) -> None:
    ana, bo = await make_users(database, 2)
    async with node(database) as commits:
        await commit(commits, hug(ana, bo))
        await commit(commits, hug(bo, ana, NOW_MS + sign * apart_ms))
    assert len(await mutuals_of(database, ana)) == len(await mutuals_of(database, bo)) == count


@pytest.mark.parametrize(
    "apart",
    [
        "update hugs set undone_at = now() where sender_id = $1 and $2::uuid is not null",
        "insert into blocks (user_id, blocked_id, created_at) values ($1, $2, now())",
        "insert into blocks (user_id, blocked_id, created_at) values ($2, $1, now())",
        "update users set deleted_at = now() where id = $1 and $2::uuid is not null",
    ],
)
async def test_who_took_it_back_blocked_or_left_meets_nobody(database: Database, apart: str) -> None:
    ana, bo = await make_users(database, 2)
    hugs = hug(ana, bo), hug(bo, ana)
    async with HugCommits(database, lambda _events: None) as unseen:
        await commit(unseen, *hugs)
    await database.execute(apart, ana, bo)
    async with node(database) as commits:
        await commit(commits, *hugs)
    assert await mutuals_of(database, ana) == await mutuals_of(database, bo) == []
    assert await database.fetchval("select count(*) from hugs where mutual_at is not null or felt_at is not null") == 0


async def test_who_sends_again_after_their_node_died_closes_the_gap(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    mine = hug(ana, bo, NOW_MS - 3_000)
    async with HugCommits(database, lambda _events: None) as dying:
        await commit(dying, mine, hug(bo, ana, NOW_MS - 2_000))
    async with node(database) as commits:
        for late_ms in (0, 1, 2):
            await commit(commits, hug(ana, bo, NOW_MS + late_ms, mine.id))
    assert len(await mutuals_of(database, ana)) == len(await mutuals_of(database, bo)) == 1


async def test_what_is_locked_by_others_waits_for_them(database: Database) -> None:
    ana, bo, cleo, dan = await make_users(database, 4)
    told: asyncio.Queue[Sequence[InboxEvent]] = asyncio.Queue()
    async with node(database, told.put_nowait) as commits:
        await commit(commits, hug(ana, bo))
        async with database.transaction() as connection:
            await connection.execute("select from hugs where sender_id = $1 for update", ana)
            await commit(commits, hug(bo, ana))
            await commit(commits, hug(cleo, dan), hug(dan, cleo))
            assert {event.user for event in await told.get()} == {cleo, dan}, "others are not held up"
    assert len(await mutuals_of(database, ana)) == len(await mutuals_of(database, bo)) == 1


async def test_what_cannot_be_looked_at_does_not_take_the_others_with_it(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    events: list[InboxEvent] = []
    bad: Committed = ("no id at all", "nobody", bo, NOW_MS)
    async with HugCommits(database, lambda _events: None) as commits:
        one, other = hug(ana, bo), hug(bo, ana)
        await commit(commits, one, other)
    async with Mutuals(database, lambda: NOW_MS, events.extend) as mutuals:
        mutuals.look([bad, (one.id, ana, bo, NOW_MS), bad])
    assert sorted(event.user for event in events) == [ana, bo]


async def test_postgresql_may_be_away_for_a_while(own_postgres: Callable[[], KillableServer]) -> None:
    server = own_postgres()
    told: asyncio.Queue[Sequence[InboxEvent]] = asyncio.Queue()
    async with Database(server.url) as database, Mutuals(database, lambda: NOW_MS, told.put_nowait) as mutuals:
        ana, bo = await make_users(database, 2)
        one, other = hug(ana, bo), hug(bo, ana)
        async with HugCommits(database, lambda _events: None) as commits:
            await commit(commits, one, other)
        server.kill()
        with pytest.raises(Unavailable):  # noqa: PT012  its backends outlive it for a moment, and answer
            while True:
                await database.fetchval("select 1")
        mutuals.look([(one.id, ana, bo, NOW_MS)])
        await asyncio.to_thread(server.start)
        await mutuals.drained()
        assert sorted(event.user for event in await told.get()) == [ana, bo]
        assert told.empty()


async def test_candidates_are_looked_up_in_their_index(database: Database) -> None:
    """However many hugs there are, and also if the plan was made when there were few."""
    users = await make_users(database, 2)
    insert = (
        "insert into hugs (id, sender_id, recipient_id, seq, kind, at)"
        " select gen_random_uuid(), $1, $2, n, 'warm', now() from generate_series($3::int, $4::int) n"
    )
    statement = (
        CANDIDATES_SQL.replace("$1", f"array['{users[0]}']")
        .replace("$2", f"array['{users[1]}']")
        .replace("$3", "array[1780000000000]")
        .replace("$4", "interval '5 s'")
        .replace("$5", "4")
    )
    for first, last in ((1, 60), (61, 5_000)):
        await database.execute(insert, *users, first, last)
        await database.execute("analyze hugs")
        plan = "\n".join(row[0] for row in await database.fetch(f"explain {statement}"))
        assert "using hugs_between" in plan, plan
        assert "Seq Scan" not in plan
