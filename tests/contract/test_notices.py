"""Notifications that are made once for each cause, against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import msgspec
import pytest

from domain.ids import uuid7
from domain.times import rfc3339
from protocol.events import Notification
from storage.inbox import InboxEvent, load_after
from storage.notices import Added, NewNotice, add_notices, try_notices
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


def notice(user: str, cause: str, body_hash: bytes | None = None) -> NewNotice:
    event = Notification(at=rfc3339(NOW_MS), about="streak.at_risk", category="streaks", data={"cause": cause})
    return NewNotice(user, cause, uuid7(NOW_MS), event, body_hash)


def said(event: InboxEvent) -> tuple[str, int, str, str]:
    body = msgspec.json.decode(event.body)
    return event.user, event.seq, body["id"], body["data"]["cause"]


async def test_each_cause_is_told_once_ever(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    first = [notice(ana, "a"), notice(ben, "a"), notice(ana, "b")]
    events = await add_notices(database, first)
    assert [said(event) for event in events] == [
        (ana, 1, first[0].id, "a"),
        (ben, 1, first[1].id, "a"),
        (ana, 2, first[2].id, "b"),
    ]
    assert await load_after(database, [(ana, 0)], 10) == [events[0], events[2]]
    assert await database.fetchval("select distinct kind from inbox") == "notification"

    again = [notice(ben, "a"), notice(ana, "c"), notice(ana, "a")]
    added, events = await try_notices(database, again)
    assert added == [Added(first[1].id), Added(again[1].id, is_new=True), Added(first[0].id)]
    assert [said(event) for event in events] == [(ana, 3, again[1].id, "c")]
    assert await try_notices(database, again[:1]) == ([Added(first[1].id)], [])
    assert await add_notices(database, []) == []


async def test_twice_in_one_call_is_once(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    one, two, other = notice(ana, "a", b"x"), notice(ana, "a", b"x"), notice(ana, "a", b"y")
    added, events = await try_notices(database, [one, two, other])
    assert added == [Added(one.id, is_new=True), Added(one.id), Added(one.id, is_other=True)]
    assert len(events) == 1


async def test_the_same_cause_with_something_else_is_found_out(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    one = notice(ana, "a", b"x")
    await add_notices(database, [one])
    for body_hash, is_other in ((b"x", False), (b"y", True), (None, True)):
        assert await try_notices(database, [notice(ana, "a", body_hash)]) == ([Added(one.id, is_other=is_other)], [])


async def test_who_is_gone_is_left_out(database: Database) -> None:
    ana, gone = await make_users(database, 2)
    await add_notices(database, [notice(gone, "before")])
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    known = notice(ana, "a")
    given = [notice(gone, "a"), known, notice(uuid7(NOW_MS), "a"), notice(gone, "before")]
    added, events = await try_notices(database, given)
    assert added == [Added(None), Added(known.id, is_new=True), Added(None), Added(None)]
    assert [event.user for event in events] == [ana]


async def test_what_cannot_be_stored_leaves_nothing(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    await database.execute("alter table inbox add check (kind <> 'notification') not valid")
    with pytest.raises(Exception, match="inbox"):
        await add_notices(database, [notice(ana, "a")])
    assert await database.fetchval("select count(*) from notices") == 0


async def test_many_at_once_with_the_same_causes_in_other_orders(database: Database) -> None:
    users = await make_users(database, 30)
    causes = [(user, cause) for user in users for cause in "abc"]
    random = Random(1)
    callers = []
    for _ in range(8):
        random.shuffle(causes)
        callers.append(try_notices(database, [notice(user, cause) for user, cause in causes]))
    answers = await asyncio.gather(*callers)
    rung = [said(event) for _, events in answers for event in events]
    assert sorted((user, cause) for user, _, _, cause in rung) == sorted(causes)
    assert {(user, seq) for user, seq, _, _ in rung} == {(user, seq) for user in users for seq in (1, 2, 3)}
    ids = {found for _, _, found, _ in rung}
    for added, _ in answers:
        assert {each.id for each in added} == ids
    assert sum(each.is_new for added, _ in answers for each in added) == len(causes)


async def test_two_who_meet_in_opposite_directions_do_not_lock_each_other_out(database: Database) -> None:
    users = await make_users(database, 5)
    ahead = [notice(user, "a") for user in users]
    back = [notice(user, "a") for user in reversed(users)]
    async with database.transaction() as connection:
        await connection.execute(
            "insert into notices (user_id, cause, id, at) values ($1, 'a', $2, now())", users[2], uuid7(NOW_MS)
        )
        tries = [asyncio.ensure_future(try_notices(database, some)) for some in (ahead, back)]
        while await database.fetchval("select count(*) from pg_locks where not granted") < 2:  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    answers = await asyncio.gather(*tries)
    assert sorted(len(events) for _, events in answers) == [0, 4]
