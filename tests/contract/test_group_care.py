"""What time does to group hugs, against real servers: due groups, and seats whose owners are connected nowhere."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from domain.groups import Group, GroupState, Invite, Join, Membership, make_group
from domain.ids import uuid7
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.group_commits import Create, GroupCommits
from storage.groups import load_group
from storage.inbox import load_after
from storage.postgres import Database
from storage.presence import Presence
from storage.redis import RedisLink
from storage.ringing import Ringing
from storage.room_mail import RoomMailer
from tests.support.people import NOW_MS, make_users
from workers.groups import SURE_AFTER_MS, GroupCare

pytestmark = pytest.mark.contract


async def nobody(_users: Sequence[str]) -> set[str]:
    return set()


class Stage:
    """Two workers, a hub's directory, and a clock that a test moves."""

    def __init__(self, database: Database, redis: RedisLink) -> None:
        self.now_ms = NOW_MS
        self.database = database
        self.redis = redis
        self.hub = Directory(redis, "hub")
        self.commits = GroupCommits(database, self.clock, lambda _change: None, nobody)
        self.worker, self.other_worker = self._care("worker-1"), self._care("worker-2")

    def clock(self) -> int:
        return self.now_ms

    def _care(self, name: str) -> GroupCare:
        directory, doorbell = Directory(self.redis, name), Doorbell(self.redis, name)
        presence = Presence(self.redis, self.database, directory, doorbell, lambda _sight: None)
        mailer = RoomMailer(name, self.database, presence, directory, doorbell, unsure=lambda _user: True)
        return GroupCare(self.database, presence, directory, Ringing(directory, doorbell), mailer, self.clock)

    async def room(self, host: str, *guests: str, starts_ms: int | None = None) -> str:
        made = make_group(
            Group(
                id=uuid7(NOW_MS),
                creator=host,
                host=host,
                name="Sunday",
                state=GroupState.GATHERING,
                capacity=50,
                created_ms=self.now_ms,
                starts_ms=starts_ms,
                expires_ms=(starts_ms or self.now_ms) + 600_000,
                members={},
            ),
            "Ana",
        )
        await self.commits.act(made.id, Create(made), *(Join(guest, "Ana") for guest in guests))
        return made.id

    async def group(self, group: str) -> Group:
        loaded = await load_group(self.database, group)
        assert loaded is not None
        return loaded

    async def look(self, after_ms: int) -> None:
        """Time passes, then both workers look."""
        self.now_ms += after_ms
        await self.hub.renew()
        await asyncio.gather(self.worker.watch_seats(), self.other_worker.watch_seats())

    async def away(self, group: str) -> dict[str, int | None]:
        """Since when those with a seat are away."""
        return {m.user: m.away_ms for m in (await self.group(group)).members.values() if m.is_joined}

    async def told(self, user: str) -> list[str]:
        rows = await load_after(self.database, [(user, 0)], 1_000)
        return [msgspec.json.decode(row.body)["type"] for row in rows]


@pytest.fixture
async def stage(database_url: str, redis_url: str) -> AsyncIterator[Stage]:
    async with Database(database_url) as database, RedisLink(redis_url) as redis:
        yield Stage(database, redis)


async def test_what_is_due_happens_once_and_is_told_once(stage: Stage) -> None:
    ana, bo, cleo = await make_users(stage.database, 3)
    scheduled = await stage.room(ana, bo, starts_ms=NOW_MS + 60_000)
    await stage.commits.act(scheduled, Invite(ana, {cleo: "Ana"}))
    plain = await stage.room(bo)
    await asyncio.gather(stage.worker.bring_due(), stage.other_worker.bring_due())
    assert (await stage.group(scheduled)).state is GroupState.SCHEDULED
    for after_ms, states in (
        (60_000, (GroupState.ACTIVE, GroupState.GATHERING)),
        (540_000, (GroupState.ACTIVE, GroupState.EXPIRED)),
        (60_000, (GroupState.EXPIRED, GroupState.EXPIRED)),
    ):
        stage.now_ms += after_ms
        await asyncio.gather(stage.worker.bring_due(), stage.other_worker.bring_due())
        assert ((await stage.group(scheduled)).state, (await stage.group(plain)).state) == states
    assert await stage.told(ana) == ["group.started", "group.cancelled"]
    assert await stage.told(bo) == ["group.started", "group.cancelled", "group.cancelled"]
    assert await stage.told(cleo) == ["group.invited", "group.cancelled"]


async def test_a_seat_is_kept_for_thirty_seconds(stage: Stage) -> None:
    ana, bo, cleo = await make_users(stage.database, 3)
    group = await stage.room(ana, bo, cleo)
    await stage.hub.enter({ana: 2, cleo: 4})
    await stage.look(after_ms=0)
    await stage.look(after_ms=SURE_AFTER_MS)
    gone_ms = stage.now_ms
    assert await stage.away(group) == {ana: None, bo: gone_ms, cleo: None}, "who is invisible is there all the same"
    await stage.hub.leave([ana])
    await stage.look(after_ms=5_000)
    assert await stage.away(group) == {ana: gone_ms + 5_000, bo: gone_ms, cleo: None}
    await stage.hub.enter({ana: 2})
    await stage.look(after_ms=5_000)
    assert await stage.away(group) == {ana: None, bo: gone_ms, cleo: None}
    await stage.look(after_ms=19_999)
    assert bo in await stage.away(group)
    await stage.look(after_ms=1)
    room = await stage.group(group)
    assert (room.members[bo].state, room.joined) == (Membership.LEFT, 2)


async def test_a_dead_node_holds_nobody(stage: Stage) -> None:
    ana, bo = await make_users(stage.database, 2)
    group = await stage.room(ana, bo)
    await Directory(stage.redis, "dead").enter({bo: 2})  # its lease has ended
    await stage.hub.enter({ana: 2})
    await stage.look(after_ms=0)
    await stage.look(after_ms=SURE_AFTER_MS)
    assert await stage.away(group) == {ana: None, bo: stage.now_ms}


async def test_an_emptied_redis_takes_no_seat(stage: Stage) -> None:
    ana, bo = await make_users(stage.database, 2)
    group = await stage.room(ana, bo)
    await stage.hub.enter({ana: 2})
    await stage.look(after_ms=0)
    await stage.look(after_ms=SURE_AFTER_MS)
    assert (await stage.away(group))[bo] is not None
    await stage.redis.call("FLUSHALL")
    await stage.look(after_ms=60_000)
    await stage.look(after_ms=SURE_AFTER_MS - 1)
    assert (await stage.group(group)).joined == 2
    await stage.hub.enter({ana: 2, bo: 2})  # as nodes do when they find their lease gone
    await stage.look(after_ms=1)
    assert await stage.away(group) == {ana: None, bo: None}


async def test_nobody_need_wait_in_a_scheduled_group(stage: Stage) -> None:
    ana, bo = await make_users(stage.database, 2)
    group = await stage.room(ana, bo, starts_ms=NOW_MS + 120_000)
    await stage.look(after_ms=0)
    await stage.look(after_ms=SURE_AFTER_MS)
    await stage.look(after_ms=60_000)
    assert await stage.away(group) == {ana: None, bo: None}
    stage.now_ms = NOW_MS + 120_000
    await stage.worker.bring_due()
    await stage.look(after_ms=0)
    assert await stage.away(group) == {ana: stage.now_ms, bo: stage.now_ms}
    await stage.look(after_ms=30_000)
    room = await stage.group(group)
    assert (room.joined, room.state) == (0, GroupState.GATHERING)


async def test_the_mark_ends_by_itself(stage: Stage) -> None:
    """Nobody has looked for a while: what happened to Redis meanwhile is unknown."""
    await stage.hub.watched_since(NOW_MS)
    left_ms = await stage.redis.call("PTTL", keys.WATCHED)
    assert 0 < left_ms <= 12_000
    assert await stage.hub.watched_since(NOW_MS + 9_000) == NOW_MS
