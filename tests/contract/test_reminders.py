"""Reminders, against real PostgreSQL: who gets which, once each, whoever looks and how often."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from domain.groups import Group, GroupState, Invite, Join, Leave, make_group
from domain.ids import uuid7
from domain.times import rfc3339, to_ms
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.group_commits import Create, GroupCommits
from storage.postgres import Database
from storage.redis import RedisLink
from storage.ringing import Ringing
from tests.support.moods import make_months
from tests.support.people import NOW_MS, befriend, make_users
from tests.support.reminders import feel, want_reminders
from tests.support.requests import Stage
from workers import reminders
from workers.reminders import Reminders

pytestmark = pytest.mark.contract

MINUTE, HOUR = 60_000, 3_600_000


class Evening(Stage):
    """Two workers that look at the same time, by a clock that a test moves; *rung*: who was told."""

    def __init__(self, database: Database, redis: RedisLink) -> None:
        super().__init__(database)
        self.rung: set[str] = set()
        self._commits = GroupCommits(database, self.clock, lambda _change: None, nobody)
        ringing = Ringing(Directory(redis, "worker"), Doorbell(redis, "worker"), self.rung.update)
        self.workers = [Reminders(database, ringing, self.clock) for _ in range(2)]

    def clock(self) -> int:
        return self.now_ms

    async def look(self, after_ms: int = 0) -> None:
        """Time passes, and both workers look twice."""
        self.now_ms += after_ms
        for _ in range(2):
            looks = [(one.remind_streaks, one.remind_groups, one.remind_requests) for one in self.workers]
            await asyncio.gather(*(remind() for each in looks for remind in each))

    async def told(self) -> dict[str, list[dict[str, Any]]]:
        """The notifications of each user who has some."""
        rows = await self.database.fetch(
            "select user_id, body from inbox where kind = 'notification' order by user_id, seq"
        )
        found: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            found.setdefault(str(row["user_id"]), []).append(msgspec.json.decode(row["body"]))
        assert self.rung == found.keys()
        return found

    async def room(self, host: str, *guests: str, starts_ms: int) -> str:
        group = Group(
            id=uuid7(self.now_ms),
            creator=host,
            host=host,
            name="Sunday",
            state=GroupState.SCHEDULED,
            capacity=50,
            created_ms=self.now_ms,
            starts_ms=starts_ms,
            expires_ms=starts_ms + HOUR,
            members={},
        )
        made = make_group(group, "Ana")
        await self._commits.act(made.id, Create(made), *(Join(guest, "Ben") for guest in guests))
        return made.id

    async def act(self, group: str, *acts: Invite | Leave) -> None:
        await self._commits.act(group, *acts)

    async def mute(self, user: str, other: str, until_ms: int | None = None) -> None:
        until = datetime.fromtimestamp(until_ms / 1000, UTC) if until_ms is not None else None
        await self.database.execute("insert into mutes values ($1, $2, $3, now())", user, other, until)


async def nobody(_users: Sequence[str]) -> set[str]:
    return set()


@pytest.fixture
async def stage(database_url: str, redis_url: str) -> AsyncIterator[Evening]:
    async with Database(database_url, max_size=10) as database, RedisLink(redis_url) as redis:
        yield Evening(database, redis)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "BATCH_MAX", 2)


@pytest.mark.usefixtures("small_batches")
async def test_a_group_hug_that_starts_is_told_to_all_who_are_part_of_it(stage: Evening) -> None:
    ana, ben, cleo, dan, eve, gone = await make_users(stage.database, 6)
    starts_ms = NOW_MS + HOUR
    group = await stage.room(ana, ben, eve, gone, starts_ms=starts_ms)
    await stage.act(group, Invite(ana, {cleo: "Cleo", dan: "Dan"}))
    await stage.act(group, Leave(eve), Leave(dan))
    await stage.database.execute("update users set deleted_at = now() where id = $1", gone)
    await stage.look(50 * MINUTE - 1)
    assert await stage.told() == {}
    await stage.look(1)
    await stage.look(9 * MINUTE)
    told = await stage.told()
    assert told.keys() == {ana, ben, cleo}
    (event,) = told[cleo]
    assert event == {
        "type": "notification",
        "id": event["id"],
        "at": rfc3339(starts_ms - 10 * MINUTE),
        "about": "group.starting",
        "category": "groups",
        "data": {"group": group, "starts_at": rfc3339(starts_ms)},
        "expires_at": rfc3339(starts_ms + 10 * MINUTE),
    }
    assert all(len(events) == 1 for events in told.values())


async def test_a_group_hug_of_just_now_or_that_is_off_is_not_announced(stage: Evening) -> None:
    (ana,) = await make_users(stage.database, 1)
    await stage.room(ana, starts_ms=NOW_MS + 20 * MINUTE)
    off = await stage.room(ana, starts_ms=NOW_MS + 30 * MINUTE)
    await stage.database.execute("update groups set state = 'cancelled', ended_at = now() where id = $1", off)
    await stage.room(ana, starts_ms=NOW_MS + 20 * MINUTE + 1)
    await stage.look(10 * MINUTE)
    assert await stage.told() == {}
    await stage.look(1)
    assert len((await stage.told())[ana]) == 1
    await stage.look(20 * MINUTE)
    assert len((await stage.told())[ana]) == 1


async def test_who_is_late_is_told_until_it_starts(stage: Evening) -> None:
    (ana,) = await make_users(stage.database, 1)
    for minutes in (40, 40):
        await stage.room(ana, starts_ms=NOW_MS + minutes * MINUTE)
    await stage.look(40 * MINUTE - 1)
    assert len((await stage.told())[ana]) == 2
    await stage.room(ana, starts_ms=stage.now_ms + 30 * MINUTE)
    await stage.look(30 * MINUTE)
    assert len((await stage.told())[ana]) == 2


async def test_an_invitation_by_somebody_muted_or_blocked_is_not_brought_up_again(stage: Evening) -> None:
    ana, ben, muting, muted_once, blocking, blocked, seated = await make_users(stage.database, 7)
    group = await stage.room(ana, ben, seated, starts_ms=NOW_MS + HOUR)
    await stage.act(group, Invite(ben, dict.fromkeys((muting, muted_once, blocking, blocked), "X")))
    await stage.mute(muting, ben)
    await stage.mute(muted_once, ben, NOW_MS + 50 * MINUTE)
    await stage.mute(seated, ana)
    await stage.block(blocking, ana)
    await stage.block(ben, blocked)
    await stage.look(50 * MINUTE)
    assert (await stage.told()).keys() == {ana, ben, seated, muted_once}


async def test_a_request_that_nobody_has_answered_is_brought_up_an_hour_before_its_end(stage: Evening) -> None:
    ana, ben = await make_users(stage.database, 2)
    await befriend(stage.database, [ana, ben])
    request = await stage.ask(ana, ben)
    ends_ms = NOW_MS + 24 * HOUR
    await stage.look(23 * HOUR - 1)
    assert await stage.told() == {}
    await stage.look(1)
    await stage.look(HOUR - 1)
    told = await stage.told()
    assert told.keys() == {ben}
    (event,) = told[ben]
    assert event["about"] == "request.expiring"
    assert event["category"] == "requests"
    assert event["data"] == {"request": request, "ends_at": rfc3339(ends_ms)}
    assert event["expires_at"] == rfc3339(ends_ms)


async def test_who_has_answered_or_does_not_want_to_hear_of_the_asker_is_left_alone(stage: Evening) -> None:
    asker, *others = await make_users(stage.database, 9)
    hugs, declines, mutes, blocks, blocked, asked, gone, withdrawn = others
    requests = {}
    for other in others:
        await befriend(stage.database, [asker, other])
        requests[other] = await stage.ask(asker, other)
    await stage.ask(asker)
    await stage.send(hugs, requests[hugs], asker)
    await stage.answer(declines, requests[declines], accept=False)
    await stage.cancel(asker, requests[withdrawn])
    await stage.mute(mutes, asker)
    await stage.block(blocks, asker)
    await stage.block(asker, blocked)
    await stage.database.execute("update users set deleted_at = now() where id = $1", gone)
    await stage.look(23 * HOUR + 1)
    assert (await stage.told()).keys() == {asked}


async def test_a_block_that_has_left_the_request_open_is_looked_for_too(stage: Evening) -> None:
    ana, ben, cleo = await make_users(stage.database, 3)
    await befriend(stage.database, [ana, ben, cleo])
    await stage.ask(ana, ben)
    await stage.ask(cleo, ben)
    await stage.database.execute("insert into blocks values ($1, $2, now()), ($2, $3, now())", ana, ben, cleo)
    await stage.look(23 * HOUR)
    assert await stage.told() == {}


async def test_short_requests_and_such_as_are_over_are_not_brought_up(stage: Evening) -> None:
    ana, ben = await make_users(stage.database, 2)
    await befriend(stage.database, [ana, ben])
    long, short = await stage.ask(ana, ben), await stage.ask(ana, ben)
    for request, lasts_ms in ((long, 2 * HOUR + 1), (short, 2 * HOUR)):
        ends = datetime.fromtimestamp((NOW_MS + lasts_ms) / 1000, UTC)
        await stage.database.execute("update hug_requests set expires_at = $2 where id = $1", request, ends)
    await stage.look(HOUR + 1)
    assert [event["data"]["request"] for event in (await stage.told())[ben]] == [long]
    await stage.ask(ana, ben)
    await stage.look(24 * HOUR)
    assert len((await stage.told())[ben]) == 1


@pytest.mark.usefixtures("small_batches")
async def test_a_streak_is_brought_up_once_an_evening_to_whoever_wants_it(stage: Evening) -> None:
    today = datetime(2026, 5, 20, tzinfo=UTC)
    await make_months(stage.database, today - timedelta(days=60), today + timedelta(days=60))
    at_risk = await make_users(stage.database, 5)
    others = await make_users(stage.database, 3)
    _unwilling, done, elsewhere = others
    await want_reminders(stage.database, [*at_risk, done, elsewhere])
    for user in (*at_risk, *others):
        zone = "Asia/Tokyo" if user == elsewhere else "Europe/Berlin"
        for days in (2, 1):
            await feel(stage.database, user, today - timedelta(days=days, hours=-12), zone)
    await feel(stage.database, done, today + timedelta(hours=12), "Europe/Berlin")
    stage.now_ms = to_ms(today + timedelta(hours=18)) - 1  # 20:00 in Berlin
    await stage.look()
    assert await stage.told() == {}
    await stage.look(1)
    await stage.look(59 * MINUTE)
    told = await stage.told()
    assert told.keys() == set(at_risk)
    (event,) = told[at_risk[0]]
    assert event["about"] == "streak.at_risk"
    assert event["category"] == "streaks"
    assert event["data"] == {"days": "2", "date": "2026-05-20"}
    assert event["expires_at"] == rfc3339(to_ms(today + timedelta(hours=20)))
    await feel(stage.database, at_risk[0], today + timedelta(hours=19, minutes=30), "Europe/Berlin")
    await stage.look(23 * HOUR + MINUTE)
    told = await stage.told()
    assert told[at_risk[0]][1]["data"] == {"days": "3", "date": "2026-05-21"}
    assert {user: len(events) for user, events in told.items()} == dict.fromkeys(at_risk, 1) | {at_risk[0]: 2, done: 1}
