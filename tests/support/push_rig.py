"""The deciding half of the push pipeline on real servers, with a clock that tests set."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from domain.notifications import Timing
from domain.presence import Rank
from domain.times import to_ms
from hub.tasks import Tasks
from protocol.events import Message
from storage import keys
from storage.directory import Directory
from storage.jobs import JobQueue, open_pool
from storage.postgres import Database
from storage.push_queue import PushQueue
from storage.reach import SURE_AFTER_MS, Reach
from storage.redis import RedisLink
from tests.support.people import befriend, make_users
from tests.support.pushes import Clock, add_device, bring, bring_hug
from workers.push.asking import Asking
from workers.push.composing import Composer
from workers.push.looking import Looking
from workers.push.outgoing import Content
from workers.push.texts import Templates

TEMPLATES = Templates.load()
PROVIDERS = ("fcm", "apns", "email")
TIMING = Timing()


class Pushed(msgspec.Struct, frozen=True):
    """A delivery, as far as tests ask."""

    id: str
    user: str
    device: str | None
    provider: str
    content: Content
    state: str
    reason: str | None
    attempts: int


class Rig:
    """One worker that looks; `people` and what they do."""

    def __init__(self, database: Database, redis: RedisLink, queue: PushQueue, tasks: Tasks, clock: Clock) -> None:
        self.database = database
        self.redis = redis
        self.queue = queue
        self.tasks = tasks
        self.clock = clock
        self.wakes = 0
        self.badges: dict[str, tuple[int, bool]] = {}
        self.reach = Reach(redis, Directory(redis, "worker"))
        self.asking = Asking(database, self.reach, PROVIDERS, (), TIMING)
        self.looking = self.worker()

    def worker(self) -> Looking:
        """Another one that looks."""
        composer = Composer(TEMPLATES)
        return Looking(self.database, self.queue, self.asking, composer, self._badges, self._woken, self.clock)

    async def _badges(self, _users: Sequence[str]) -> dict[str, tuple[int, bool]]:
        return self.badges

    def _woken(self) -> None:
        self.wakes += 1

    async def be_sure(self) -> None:
        """Redis has been watched for long enough, just now."""
        await self.reach.presence([], self.clock())
        self.clock.forward(SURE_AFTER_MS / 1000)

    async def friends(self, count: int, provider: str = "fcm") -> list[str]:
        """New people, all friends of the first, who has a phone."""
        users = await make_users(self.database, count)
        for other in users[1:]:
            await befriend(self.database, [users[0], other])
        await add_device(self.database, users[0], self.clock.now, provider)
        return users

    async def connect(self, rank: Rank, *users: str) -> None:
        """To one node, all with that status."""
        directory = Directory(self.redis, "one")
        await directory.renew()
        await directory.enter(dict.fromkeys(users, rank))

    async def disconnect(self, *users: str) -> None:
        await Directory(self.redis, "one").leave(users)

    async def hug(self, sender: str, recipient: str, name: str = "Ana", request: str | None = None) -> int:
        """A hug that a hub has told the workers of; its `seq`."""
        seq = await bring_hug(self.database, sender, recipient, self.clock.now, name, request)
        await self.named(recipient)
        return seq

    async def bring(self, user: str, event: Message) -> int:
        """The same for any event."""
        seq = await bring(self.database, user, event, self.clock.now)
        await self.named(user)
        return seq

    async def named(self, *users: str) -> None:
        await self.redis.call("SADD", keys.PUSH_USERS, *users)

    async def look(self, after_s: float = 0) -> list[Pushed]:
        """Look when so much time has gone by; the deliveries that this has made."""
        self.clock.forward(after_s)
        before = {each.id for each in await self.pushed()}
        await self.looking.look()
        return [each for each in await self.pushed() if each.id not in before]

    async def pushed(self) -> list[Pushed]:
        """All deliveries, in order."""
        rows = await self.database.fetch("select * from deliveries order by created_at, provider, id")
        return [
            Pushed(
                str(row["id"]),
                str(row["user_id"]),
                str(row["device_id"]) if row["device_id"] is not None else None,
                row["provider"],
                msgspec.json.decode(row["content"], type=Content),
                row["state"],
                row["reason"],
                row["attempts"],
            )
            for row in rows
        ]

    async def decided(self, user: str, channel: str = "push") -> list[tuple[int, str, str | None]]:
        """What has become of each notification: seq, state, reason."""
        rows = await self.database.fetch(
            "select seq, state, reason from notifications where user_id = $1 and channel = $2 order by seq",
            user,
            channel,
        )
        return [(row["seq"], row["state"], row["reason"]) for row in rows]

    async def due_in_s(self, user: str) -> list[float | None]:
        """When the bursts of *user* are looked at again."""
        rows = await self.database.fetch("select due_at from bursts where user_id = $1 order by kind, channel", user)
        return [(to_ms(row["due_at"]) - self.clock()) / 1000 if row["due_at"] is not None else None for row in rows]


def said(pushed: Iterable[Pushed]) -> list[tuple[str, Any]]:
    """Body and count of each."""
    return [
        (each.content.body.replace("\u2068", "").replace("\u2069", ""), each.content.data["count"]) for each in pushed
    ]


@asynccontextmanager
async def rig_on(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    """A rig that is sure of who is there."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url, max_size=10))
        redis = await stack.enter_async_context(RedisLink(redis_url))
        pool = await stack.enter_async_context(open_pool(redis_url))
        tasks = await stack.enter_async_context(Tasks())
        rig = Rig(database, redis, PushQueue(redis, JobQueue(pool), tasks.start, "tests"), tasks, Clock())
        await rig.be_sure()
        yield rig
