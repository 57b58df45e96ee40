"""The notification centre, against real PostgreSQL: what is a line, what is unread, and changes at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from domain.preferences import Preferences
from domain.times import from_ms, rfc3339
from protocol.codec import encode_body
from protocol.group_events import GroupStarted
from storage.inbox import NewEvent, append_within, load_after
from storage.locked_centre import MARKS_KEPT_FOR, LockedCentre, locked_centre
from storage.notification_centre import COUNTED_MAX, count_settled, count_unread, load_lines
from storage.postgres import Database
from storage.push_preferences import change_preferences
from tests.support.centre import (
    AT,
    FRIEND,
    MILESTONE,
    NO_LINE,
    SECURITY,
    add,
    add_delivery,
    add_hugs,
    mark_hugs,
    notice,
)
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


async def unread(database: Database, user: str) -> int:
    number, is_more = (await count_unread(database, [user]))[user]
    lines = await load_lines(database, user, None, COUNTED_MAX + 1, only_unread=True)
    assert number == min(len(lines), COUNTED_MAX)
    assert is_more == (len(lines) > COUNTED_MAX)
    return number


async def listed(database: Database, user: str, *, only_unread: bool = False) -> list[int]:
    return [line.seq for line in await load_lines(database, user, None, 100, only_unread=only_unread)]


async def read(database: Database, user: str, *seqs: int) -> list[dict[str, Any]]:
    async with locked_centre(database, user, LATER) as centre:
        await centre.read(seqs)
    return told(centre)


def told(centre: LockedCentre) -> list[dict[str, Any]]:
    return [msgspec.json.decode(event.body) for event in centre.events]


async def choose(database: Database, user: str, **switches: bool) -> None:
    chosen = Preferences(switches={name.replace("_in_app", ".in_app"): is_on for name, is_on in switches.items()})
    await change_preferences(database, user, lambda _: chosen, NOW)


async def test_lines_are_what_is_news_newest_first(database: Database) -> None:
    ana, ben, eve = await make_users(database, 3)
    ((hug, seq),) = await add_hugs(database, eve, ana)
    seqs = await add(database, ana, FRIEND, NO_LINE, MILESTONE, notice(change="x"), SECURITY)
    await add(database, ben, FRIEND)
    lines = await load_lines(database, ana, None, 100, only_unread=False)
    expected = [seqs[4], seqs[3], seqs[2], seqs[0], seq]
    assert [line.seq for line in lines] == expected
    assert [line.category for line in lines] == ["account", "insights", "streaks", "friends", "hugs"]
    assert lines[-1].event["id"] == hug
    assert all(line.read_ms is None for line in lines)
    assert [line.seq for line in await load_lines(database, ana, seqs[2], 1, only_unread=False)] == [seqs[0]]
    assert await count_unread(database, [ana, ben, eve]) == {ana: (5, False), ben: (1, False), eve: (0, False)}
    assert await count_settled(database, [eve, ana]) == {eve: (0, False), ana: (5, False)}
    assert await count_unread(database, []) == {}


async def test_a_hug_is_read_when_it_is_seen_and_gone_when_taken_back(database: Database) -> None:
    ana, eve = await make_users(database, 2)
    (seen, first), (undone, _), (_, third) = await add_hugs(database, eve, ana, 3)
    await mark_hugs(database, "seen_at", [seen])
    await mark_hugs(database, "undone_at", [undone])
    assert await unread(database, ana) == 1
    lines = await load_lines(database, ana, None, 100, only_unread=False)
    assert [(line.seq, line.read_ms) for line in lines] == [(third, None), (first, NOW_MS)]


async def test_what_is_not_wanted_in_the_app_is_not_there(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    friend, news, hugs, security = await add(database, ana, FRIEND, notice("insights"), notice("hugs"), SECURITY)
    for switches, there in [
        ({"friends_in_app": False}, [security, hugs, news]),
        ({"insights_in_app": False, "hugs_in_app": False}, [security, friend]),
        ({"in_app": False}, [security]),
        ({"in_app": False, "friends_in_app": True}, [security]),
        ({}, [security, hugs, news, friend]),
    ]:
        await choose(database, ana, **switches)
        assert await listed(database, ana) == there
        assert await unread(database, ana) == len(there)


async def test_each_change_is_told_once_with_what_is_unread_then(database: Database) -> None:
    ana, ben, eve = await make_users(database, 3)
    ((_, hug),) = await add_hugs(database, eve, ana)
    friend, silent, milestone = await add(database, ana, FRIEND, NO_LINE, MILESTONE)
    (other,) = await add(database, ben, FRIEND)
    expected = {
        "type": "notification",
        "at": rfc3339(NOW_MS + 3_600_000),
        "change": "read",
        "ids": [hug, friend],
        "unread": 1,
    }
    assert await read(database, ana, friend, hug, silent, other + 90) == [expected]
    assert await read(database, ana, friend, hug, silent) == []
    lines = await load_lines(database, ana, None, 100, only_unread=False)
    assert {line.seq: line.read_ms for line in lines} == {
        milestone: None,
        friend: NOW_MS + 3_600_000,
        hug: NOW_MS + 3_600_000,
    }

    async with locked_centre(database, ana, LATER) as centre:
        await centre.delete(friend)
    assert told(centre) == [expected | {"change": "deleted", "ids": [friend]}]
    async with locked_centre(database, ana, LATER) as centre:
        await centre.delete(friend)
    assert told(centre) == []
    assert await listed(database, ana) == [milestone, hug]

    async with locked_centre(database, ana, LATER) as centre:
        await centre.read_all()
    (told_all,) = told(centre)
    assert (told_all["change"], told_all["unread"], "ids" in told_all) == ("read", 0, False)
    assert told_all["through"] == centre.events[0].seq - 1
    async with locked_centre(database, ana, LATER) as centre:
        await centre.read_all()
    assert told(centre) == []
    assert await unread(database, ana) == 0
    await add(database, ana, MILESTONE)
    assert await unread(database, ana) == 1
    stored = await load_after(database, [(ana, milestone)], 100)
    assert [event.seq for event in stored] == list(range(milestone + 1, milestone + 5)), "three changes and a milestone"
    assert await unread(database, ben) == 1


async def test_a_badge_counts_to_999(database: Database) -> None:
    ana, eve = await make_users(database, 2)
    hugs = await add_hugs(database, eve, ana, COUNTED_MAX - 1)
    await add(database, ana, FRIEND)
    assert await count_unread(database, [ana]) == {ana: (COUNTED_MAX, False)}
    await add(database, ana, FRIEND, FRIEND)
    assert await count_unread(database, [ana]) == {ana: (COUNTED_MAX, True)}
    (event,) = await read(database, ana, hugs[0][1])
    assert event["unread"] == COUNTED_MAX
    (event,) = await read(database, ana, *(seq for _, seq in hugs[1:11]))
    assert event["unread"] == COUNTED_MAX + 2 - 11


async def test_an_opened_push_reads_what_it_spoke_of(database: Database) -> None:
    ana, ben, eve = await make_users(database, 3)
    (_, first), (_, last) = await add_hugs(database, eve, ana, 2)
    (friend,) = await add(database, ana, FRIEND)
    ((_, after),) = await add_hugs(database, eve, ana)
    delivery = await add_delivery(database, ana, "hug.received", first, friend, due_at=LATER)
    async with locked_centre(database, ben, LATER) as centre:
        assert not await centre.open(delivery)
    for expected in ([[first, last]], []):
        async with locked_centre(database, ana, LATER + timedelta(hours=len(expected))) as centre:
            assert await centre.open(delivery)
        assert [event["ids"] for event in told(centre)] == expected
    assert await listed(database, ana, only_unread=True) == [after, friend]
    row = await database.fetchrow("select state, opened_at, due_at from deliveries")
    assert row is not None
    assert tuple(row) == ("opened", LATER + timedelta(hours=1), None), "the first time it was opened"


async def test_changes_at_once_each_count_what_those_before_did(database: Database) -> None:
    ana, eve = await make_users(database, 2)
    hugs = [seq for _, seq in await add_hugs(database, eve, ana, 12)]
    friends = await add(database, ana, *[FRIEND] * 8)

    async def arrive() -> None:
        await add_hugs(database, eve, ana)

    await asyncio.gather(*(read(database, ana, seq) for seq in hugs + friends), *(arrive() for _ in range(10)))
    model = 0
    for event in await load_after(database, [(ana, 0)], 100):
        body = msgspec.json.decode(event.body)
        if body["type"] == "notification":
            model -= 1
            assert body["unread"] == model
        else:
            model += 1
    assert await unread(database, ana) == model == 10


async def test_old_marks_go_when_all_is_read(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    old, new = await add(database, ana, FRIEND, FRIEND)
    await read(database, ana, old)
    async with locked_centre(database, ana, LATER + MARKS_KEPT_FOR) as centre:
        await centre.delete(new)
    await add(database, ana, GroupStarted(at=AT, id=ana, name="Us", count=2))
    async with locked_centre(database, ana, LATER + MARKS_KEPT_FOR + timedelta(seconds=1)) as centre:
        await centre.read_all()
    assert [row["seq"] for row in await database.fetch("select seq from notification_marks")] == [new]


async def until_one_waits(database: Database) -> None:
    async with asyncio.timeout(15):
        while not await database.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110  PostgreSQL says nothing
            await asyncio.sleep(0.01)


async def test_what_arrives_while_it_is_counted_is_counted(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    first, _ = await add(database, ana, FRIEND, FRIEND)
    async with database.transaction() as connection:
        arriving = NewEvent(ana, "friend.requested", encode_body(FRIEND))
        (arrived,) = await append_within(connection, [arriving])
        reading = asyncio.create_task(read(database, ana, first))
        await until_one_waits(database)
    (event,) = await reading
    assert event["unread"] == 2
    (stored,) = await load_after(database, [(ana, arrived.seq)], 100)
    assert msgspec.json.decode(stored.body) == event


async def test_a_settled_count_waits_for_the_change_that_is_under_way(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    seq, before = await add(database, ana, FRIEND, FRIEND)
    await read(database, ana, before)
    async with locked_centre(database, ana, LATER) as centre:
        await centre.read([seq])
        counting = asyncio.create_task(count_settled(database, [ana]))
        await until_one_waits(database)
        assert await count_unread(database, [ana]) == {ana: (1, False)}
    assert await counting == {ana: (0, False)}


async def test_what_has_left_the_inbox_is_gone(database: Database) -> None:
    ana, eve = await make_users(database, 2)
    (_, old), (_, kept) = await add_hugs(database, eve, ana, 2)
    await database.execute("delete from inbox where user_id = $1 and seq <= $2", ana, old)
    assert await listed(database, ana) == [kept]
    assert await unread(database, ana) == 1
    await database.execute("delete from inbox")
    assert await unread(database, ana) == 0
