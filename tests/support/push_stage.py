"""The pipeline of pushes in two workers, on real servers, by a clock that a test moves; what is sent is kept in lists."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

from domain.ids import uuid7
from domain.notifications import Timing
from domain.preferences import Preferences
from domain.presence import Rank
from domain.times import from_ms, rfc3339
from protocol.codec import encode_body
from protocol.events import AccountNotice, FriendRequested, HugFelt, HugReceived, Message
from protocol.group_events import GroupStarted
from protocol.parts import UserRef
from storage import keys
from storage.devices import Registration, hash_token, save_device
from storage.directory import Directory
from storage.encryption import KeyRing
from storage.jobs import JobQueue, open_pool
from storage.postgres import Database
from storage.push_preferences import change_preferences
from storage.push_queue import PushQueue
from storage.reach import Reach
from storage.redis import RedisLink
from tests.support.keys import KEY
from tests.support.push_model import Happened
from workers.push.asking import Asking
from workers.push.composing import Composer
from workers.push.counts import PushCounts
from workers.push.looking import Looking
from workers.push.outgoing import Answer, Outgoing, Verdict
from workers.push.sending import Line
from workers.push.texts import Templates

PROVIDERS = ("fcm", "webpush")
MERGE_MS = 60_000

_INSERT = """
insert into inbox (user_id, seq, kind, body, at)
select *, $5 from unnest($1::uuid[], $2::bigint[], $3::text[], $4::bytea[])
"""
_INSERT_HUGS = """
insert into hugs (id, sender_id, recipient_id, seq, kind, at)
select h.id, h.actor_id, h.user_id, h.seq, 'bear', $6
from unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::uuid[]) as h(user_id, seq, kind, id, actor_id)
where h.kind = 'hug.received'
"""
_RAISE_HEADS = """
update inbox_heads h set seq = e.seq
from (select user_id, max(seq) as seq from unnest($1::uuid[], $2::bigint[]) as e(user_id, seq) group by 1) e
where h.user_id = e.user_id
"""
_ACK = """
update inbox_heads h set acked_seq = greatest(h.acked_seq, e.seq)
from (select user_id, max(seq) as seq from unnest($1::uuid[], $2::bigint[]) as e(user_id, seq) group by 1) e
where h.user_id = e.user_id
"""
_READ = "insert into notification_marks (user_id, seq, read_at) select *, $3 from unnest($1::uuid[], $2::bigint[])"
_UNDO = """
update hugs g set undone_at = $3 from unnest($1::uuid[], $2::bigint[]) as e(user_id, seq)
where g.recipient_id = e.user_id and g.seq = e.seq
"""

Place = tuple[str, int]  # a user and a seq


class Recorder:
    """A provider that answers as the stage says, and keeps each try with the time at which it came."""

    in_flight_max = 32

    def __init__(self, name: str, stage: "PushStage") -> None:
        self.name = name
        self._stage = stage

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def send(self, outgoing: Outgoing) -> Answer:
        answer = self._stage.answer(outgoing)
        self._stage.tries.append((self._stage.now_ms, outgoing, answer))
        return answer


class PushStage:
    """Times are in ms since *base_ms*, which is a whole minute a little while ago."""

    def __init__(self, database: Database, redis: RedisLink, queue: PushQueue, base_ms: int) -> None:
        self.database = database
        self.base_ms = base_ms
        self.now_ms = base_ms
        self.watched_ms = base_ms - 3_600_000  # since when Redis was there
        self.tries: list[tuple[int, Outgoing, Answer]] = []
        self.answer: Callable[[Outgoing], Answer] = _accept
        self._redis = redis
        self._ring = KeyRing([KEY])
        self._hub = Directory(redis, "hub")
        directory = Directory(redis, "worker")
        timing = Timing(merge_ms=MERGE_MS)
        asking = Asking(database, Reach(redis, directory), PROVIDERS, (), timing)
        composer = Composer(Templates.load())
        self.lines = [
            Line(Recorder(name, self), database, self._ring, asking, PushCounts(), self._clock, 5.0)
            for name in PROVIDERS
            for _ in range(2)
        ]
        self.workers = [
            Looking(database, queue, asking, composer, _no_badges, self._wake, self._clock) for _ in range(2)
        ]

    def _clock(self) -> int:
        return self.now_ms

    def _wake(self) -> None:
        for line in self.lines:
            line.wake()

    async def look(self) -> None:
        """Both workers look, and everything that can be sent is."""
        await self.renew()
        await asyncio.gather(*(worker.sweep() for worker in self.workers))
        await asyncio.gather(*(worker.look() for worker in self.workers))
        await self.quiet()

    async def renew(self) -> None:
        """The hub and the workers are as alive for Redis as they would be if time passed as the test wants."""
        await self._hub.renew()
        await self._redis.call("SET", keys.WATCHED, self.watched_ms)

    async def quiet(self) -> None:
        """Return when nothing is under way or could be sent."""
        at = from_ms(self.now_ms)
        under_way = "select count(*) from deliveries where state = 'sent' or (state = 'queued' and due_at <= $1)"
        async with asyncio.timeout(30):
            while await self.database.fetchval(under_way, at):
                self._wake()
                await asyncio.sleep(0.01)

    async def look_and_die(self, steps: int) -> None:
        """Both workers begin to look, and are gone after so many steps of the event loop."""
        await self.renew()
        looks = [asyncio.create_task(work()) for each in self.workers for work in (each.sweep, each.look)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)
        await self.quiet()

    async def forget(self) -> None:
        """Redis is emptied."""
        await self._redis.call("FLUSHALL")
        self.watched_ms = self.now_ms

    async def come(self, user: str, rank: Rank) -> None:
        await self._hub.enter({user: rank})

    async def go(self, users: Sequence[str]) -> None:
        await self._hub.leave(users)

    async def register(self, user: str, provider: str) -> str:
        """A device of *user*: its id."""
        token = f"{provider}-{user}"
        new = Registration(
            user=user,
            sid=uuid7(self.base_ms),
            provider=provider,
            token=token,
            token_hash=hash_token(b"key", token),
            name=None,
            usual_name="Phone",
            language="en",
        )
        return (await save_device(self.database, self._ring, new, from_ms(self.base_ms))).id

    async def prefer(self, user: str, preferences: Preferences) -> None:
        await change_preferences(self.database, user, lambda _before: preferences, from_ms(self.base_ms))

    async def happen(self, events: Sequence[tuple[str, Happened]]) -> None:
        """Each comes into the inbox of its user now, as a commit would have put it there."""
        at, hugs = from_ms(self.now_ms), [uuid7(self.now_ms) for _ in events]
        users, seqs, kinds = (
            [user for user, _ in events],
            [one.seq for _, one in events],
            [one.kind for _, one in events],
        )
        actors = [one.actor or user for user, one in events]
        bodies = [
            encode_body(_event(kind, hug, UserRef(actor, "Ana"), rfc3339(self.now_ms)))
            for kind, hug, actor in zip(kinds, hugs, actors, strict=True)
        ]
        async with self.database.transaction() as connection:
            await connection.execute(_INSERT, users, seqs, kinds, bodies, at)
            await connection.execute(_INSERT_HUGS, users, seqs, kinds, hugs, actors, at)
            await connection.execute(_RAISE_HEADS, users, seqs)

    async def ack(self, acks: Sequence[Place]) -> None:
        await self.database.execute(_ACK, *_columns(acks))

    async def read(self, reads: Sequence[Place]) -> None:
        await self.database.execute(_READ, *_columns(reads), from_ms(self.now_ms))

    async def undo(self, undone: Sequence[Place]) -> None:
        await self.database.execute(_UNDO, *_columns(undone), from_ms(self.now_ms))

    async def fates(self) -> dict[tuple[str, int], str]:
        """By user and seq: `sent`, or why not, or `waiting`."""
        rows = await self.database.fetch("select user_id, seq, state, reason from notifications where channel = 'push'")
        return {(str(row["user_id"]), row["seq"]): _fate(row["state"], row["reason"]) for row in rows}


@asynccontextmanager
async def push_stage(database_url: str, redis_url: str, base_ms: int) -> AsyncIterator[PushStage]:
    """A stage whose lines send until the end of the block."""
    async with (
        Database(database_url, max_size=12) as database,
        RedisLink(redis_url) as redis,
        open_pool(redis_url) as pool,
        asyncio.TaskGroup() as group,
    ):

        def start(work: Coroutine[object, object, None], name: str) -> None:
            group.create_task(work, name=name)

        stage = PushStage(database, redis, PushQueue(redis, JobQueue(pool), start, "worker"), base_ms)
        sending = [group.create_task(line.run()) for line in stage.lines]
        yield stage
        for task in sending:
            task.cancel()


def _columns(places: Sequence[Place]) -> tuple[list[str], list[int]]:
    return [user for user, _ in places], [seq for _, seq in places]


def _event(kind: str, hug: str, actor: UserRef, at: str) -> Message:
    made: dict[str, Message] = {
        "hug.received": HugReceived(at=at, id=hug, from_=actor, kind="bear"),
        "hug.felt": HugFelt(at=at, id=hug, from_=actor, emoji="💛"),
        "friend.requested": FriendRequested(at=at, from_=actor),
        "group.started": GroupStarted(at=at, id=hug, name="Sunday", count=3),
        "account.notice": AccountNotice(at=at, about="password_changed"),
    }
    return made[kind]


def _fate(state: str, reason: str | None) -> str:
    return state if reason is None or state in {"sent", "waiting"} else reason


def _accept(_outgoing: Outgoing) -> Answer:
    return Answer(verdict=Verdict.ACCEPTED)


async def _no_badges(_users: Sequence[str]) -> dict[str, tuple[int, bool]]:
    return {}
