"""Group commit against real PostgreSQL: one hug per id, seq without gap, answers that tell the truth."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from domain.errors import Conflict, NotFound, Refusal, Unavailable
from domain.ids import uuid7
from storage.hug_commits import Answer, HugCommits, NewHug
from storage.inbox import InboxEvent, load_after, load_heads
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


def hug(sender: str, recipient: str, hug_id: str | None = None, at_ms: int = NOW_MS) -> NewHug:
    return NewHug(hug_id or uuid7(NOW_MS), sender, recipient, "bear", "hello", None, b'{"type":"hug.received"}', at_ms)


async def commit(commits: HugCommits, *hugs: NewHug) -> list[Answer]:
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[Answer]] = []
    for one in hugs:
        future: asyncio.Future[Answer] = loop.create_future()
        commits.append(one, lambda _hug, answer, future=future: future.set_result(answer))
        answers.append(future)
    return list(await asyncio.gather(*answers))


async def test_one_id_is_one_hug_with_one_answer(database: Database) -> None:
    ana, bo, _ = await make_users(database, 3)
    events: list[InboxEvent] = []
    async with HugCommits(database, events.extend) as commits:
        first = hug(ana, bo)
        again = hug(ana, bo, first.id, at_ms=NOW_MS + 5_000)
        assert await commit(commits, first, again) == [NOW_MS, NOW_MS]
        assert await commit(commits, again) == [NOW_MS]
    assert [(event.user, event.seq) for event in events] == [(bo, 1)]
    assert await load_heads(database, [bo]) == {bo: 1}


async def test_an_id_belongs_to_its_first_sender_and_recipient(database: Database) -> None:
    ana, bo, cleo = await make_users(database, 3)
    async with HugCommits(database, lambda _events: None) as commits:
        first = hug(ana, bo)
        answers = await commit(commits, first, hug(cleo, bo, first.id), hug(ana, cleo, first.id))
        assert answers[0] == NOW_MS
        assert isinstance(answers[1], Conflict)
        assert isinstance(answers[2], Conflict)
        assert isinstance((await commit(commits, hug(cleo, bo, first.id)))[0], Conflict)


async def test_nobody_there_is_not_found_and_harms_no_one_else(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    async with HugCommits(database, lambda _events: None) as commits:
        answers = await commit(commits, hug(ana, uuid7(NOW_MS)), hug(ana, bo))
    assert isinstance(answers[0], NotFound)
    assert answers[1] == NOW_MS


async def test_a_row_that_cannot_be_stored_does_not_take_the_batch_with_it(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    bad = NewHug(uuid7(NOW_MS), ana, bo, "bear", "a\x00b", None, b"{}", NOW_MS)
    async with HugCommits(database, lambda _events: None) as commits:
        answers = await commit(commits, hug(ana, bo), bad, hug(ana, bo))
    assert answers[0] == answers[2] == NOW_MS
    assert isinstance(answers[1], Refusal)
    assert not isinstance(answers[1], Unavailable)
    assert await load_heads(database, [bo]) == {bo: 2}


async def test_what_was_appended_before_can_be_waited_for(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    answered: list[str] = []
    async with HugCommits(database, lambda _events: None) as commits:
        await commits.passed()
        for _ in range(3):  # before, while and after a batch commits
            hugs = [hug(ana, bo) for _ in range(5)]
            for one in hugs:
                commits.append(one, lambda one, _answer: answered.append(one.id))
            passed = asyncio.create_task(commits.passed())
            late = asyncio.create_task(commit(commits, hug(ana, bo)))
            await passed
            assert answered[-5:] == [one.id for one in hugs]
            await late
        await asyncio.gather(*(commits.passed() for _ in range(3)))


async def test_two_nodes_at_once_number_without_gap(database: Database, database_url: str) -> None:
    """Random recipients from two processes' worth of committers: no deadlock, no gap, no double."""
    users = await make_users(database, 20)
    plan = random.Random(7)
    rung: list[InboxEvent] = []
    async with (
        Database(database_url) as other,
        HugCommits(database, rung.extend) as here,
        HugCommits(other, rung.extend) as there,
    ):
        hugs = [hug(*plan.sample(users, 2)) for _ in range(3_000)]
        # Every tenth is sent over both nodes at the same moment.
        both = hugs[::10]
        answers = await asyncio.gather(commit(here, *hugs[:1_500], *both), commit(there, *hugs[1_500:], *both))
    assert all(answer == NOW_MS for half in answers for answer in half)
    assert len(rung) == len(hugs)
    for user in users:
        count = sum(1 for one in hugs if one.recipient == user)
        rows = await load_after(database, [(user, 0)], limit=10_000)
        assert [row.seq for row in rows] == list(range(1, count + 1))
        assert sorted(event.seq for event in rung if event.user == user) == list(range(1, count + 1))


async def test_no_answer_without_a_commit(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    events: list[InboxEvent] = []
    async with HugCommits(database, events.extend) as commits:
        await database.execute("alter table inbox rename to inbox_away")
        refused = (await commit(commits, hug(ana, bo)))[0]
        await database.execute("alter table inbox_away rename to inbox")
    assert isinstance(refused, Refusal)
    assert events == []
    assert await load_heads(database, [bo]) == {bo: 0}
