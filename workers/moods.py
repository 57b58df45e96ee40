"""Moods from their streams to PostgreSQL, and what time does to streaks.

Each entry ends in one of three ways: stored, refused (its owner is told why), or given up as a dead job. Invariant: it
leaves its stream after that, never before; whatever is done twice changes nothing the second time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from asyncpg import PostgresError

from domain.errors import Unavailable
from domain.times import from_ms, rfc3339
from protocol.codes import ErrorCode
from protocol.events import Message, MoodDeleted, MoodRejected, MoodSaved, MoodShared
from protocol.moods import Visibility
from protocol.parts import UserRef
from storage.dead_jobs import DeadJob
from storage.jobs import JobQueue, encode_job
from storage.mood_commits import MoodCommits, Saved
from storage.mood_queue import DRAIN, DRAIN_MAX_S, SAVE, SHARDS, QueuedMood, decode_mood, drain_id
from storage.mood_sharing import Sharing
from storage.mood_streams import MoodStream, StreamEntry
from storage.queues import Queue
from storage.ringing import Ringing
from storage.streak_book import streak_updated
from workers.counts import JobCounts
from workers.retry import Bury, Job, Permanent

LINGER_MS = 200  # a drain waits so long for more
LOOK_EVERY_S = 5
NOT_SAVED = "This mood could not be saved. It has been kept for the operators."
NEWS_WITHIN_MS = 6 * 3_600_000  # after it was felt, a mood is told to others; later it is history

log = logging.getLogger("hugmood.moods")


class MoodWork:
    """The jobs of the queue `moods` that save what was logged."""

    def __init__(
        self,
        commits: MoodCommits,
        streams: Callable[[int], MoodStream],
        jobs: JobQueue,
        ringing: Ringing,
        bury: Bury,
        viewers: Callable[[Sequence[QueuedMood]], Awaitable[list[Sharing]]],
        counts: JobCounts,
    ) -> None:
        """*streams*: of this worker, by shard. *viewers*: who is to hear of moods that are shared."""
        self._commits = commits
        self._streams = [streams(shard) for shard in range(SHARDS)]
        self._turns = [asyncio.Lock() for _ in range(SHARDS)]
        self._jobs = jobs
        self._ringing = ringing
        self._bury = bury
        self._viewers = viewers
        self._counts = counts

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.MOODS` is given."""
        return [
            Job(DRAIN, self.drain, timeout_s=DRAIN_MAX_S + 5),
            Job(SAVE, self.save_alone, timeout_s=10),
            Job("moods.look", self.look, timeout_s=4, seconds=frozenset(range(0, 60, LOOK_EVERY_S))),
        ]

    async def drain(self, shard: int) -> None:
        """Save what stands in the stream of *shard*, until there is nothing more."""
        until = time.monotonic() + DRAIN_MAX_S
        async with self._turns[shard]:  # the one before may be at its end here
            await self._drain(self._streams[shard], until)

    async def _drain(self, stream: MoodStream, until: float) -> None:
        try:
            while time.monotonic() < until and (entries := await stream.left()):
                await self._settle(stream, entries)
            while time.monotonic() < until and (entries := await stream.new(LINGER_MS)):
                await self._settle(stream, entries)
        except Unavailable:  # they stay where they are, and are looked for again
            log.warning("moods wait: a server is away", extra={"shard": stream.shard})

    async def look(self) -> None:
        """Have every shard drained in which something waits: a hub may have died before it woke anybody. Raises: Unavailable."""
        for shard, stream in enumerate(self._streams):
            if await stream.length():
                await self._jobs.enqueue(Queue.MOODS, DRAIN, shard, job_id=drain_id(shard))

    async def save_alone(self, data: bytes) -> None:
        """Try one entry again that was given up. Raises: Unavailable, Permanent."""
        try:
            await self._save([decode_mood(data)])
        except msgspec.DecodeError as error:
            raise Permanent(f"not a mood: {error}") from error

    async def _settle(self, stream: MoodStream, entries: Sequence[StreamEntry]) -> None:
        readable: list[tuple[StreamEntry, QueuedMood]] = []
        for entry in entries:
            try:
                readable.append((entry, decode_mood(entry.data)))
            except msgspec.DecodeError as error:
                await self._give_up(stream, entry, f"not a mood: {error}")
        try:
            await self._save([mood for _, mood in readable])
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  told without what PostgreSQL quotes of the row
            log.warning("moods are saved one by one", extra={"size": len(readable), "reason": _reason(error)})
            for entry, mood in readable:  # one bad row must not take the others with it
                await self._save_or_give_up(stream, entry, mood)
        await stream.settle(entries)

    async def _save_or_give_up(self, stream: MoodStream, entry: StreamEntry, mood: QueuedMood) -> None:
        try:
            await self._save([mood])
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001  it is recorded
            await self._give_up(stream, entry, _reason(error))
            await self._ringing.tell_each([(mood.user, _rejected(mood, ErrorCode.INTERNAL, NOT_SAVED))])

    async def _give_up(self, stream: MoodStream, entry: StreamEntry, reason: str) -> None:
        received_ms = int(entry.id.partition("-")[0])
        job_id = f"{SAVE}:{stream.shard}:{entry.id}"  # two streams may have an entry of the same id
        payload = encode_job({"f": SAVE, "a": [entry.data], "k": {}, "et": received_ms, "t": None})
        await self._bury(
            DeadJob(
                queue=Queue.MOODS,
                job_id=job_id,
                function=SAVE,
                enqueued_at=from_ms(received_ms),
                tries=1,
                reason=reason,
                payload=payload,
            )
        )
        self._counts.moods["dead"] += 1
        log.error("a mood was given up", extra={"job_id": job_id})

    async def _save(self, moods: Sequence[QueuedMood]) -> None:
        if not moods:
            return
        saved = await self._commits.save(moods)
        self._counts.moods["saved"] += len(saved.fresh)
        self._counts.moods["again"] += len(saved.saved) - len(saved.fresh) + len(saved.deleted)
        self._counts.moods["rejected"] += len(saved.taken) + len(saved.orphaned)
        await self._ringing.ring(saved.events)
        await self._ringing.tell_each(_news(saved))
        await self._share([mood for mood in saved.fresh if _is_news(mood)])

    async def _share(self, moods: Sequence[QueuedMood]) -> None:
        if not moods:
            return
        try:
            for sharing in await self._viewers(moods):
                await self._ringing.tell(sharing.viewers, _shared(sharing))
        except Unavailable:  # saved they are: who is not told now finds them in the history
            log.info("moods were not shared", extra={"moods": len(moods)})


def _reason(error: Exception) -> str:
    """Why, in a line that quotes nobody: the details of PostgreSQL's errors do."""
    return f"{type(error).__name__}: {error.message if isinstance(error, PostgresError) else error}"


def _news(saved: Saved) -> list[tuple[str, Message]]:
    """Who is told what. Moods first: an app shows its streak with what it knows to be saved."""
    news: list[tuple[str, Message]] = [(mood.user, MoodSaved(id=mood.id)) for mood in saved.saved]
    news += [(mood.user, MoodDeleted(id=mood.id)) for mood in saved.deleted]
    news += [
        (
            mood.user,
            _rejected(mood, ErrorCode.CONFLICT, "This id belongs to another mood. Make a new UUIDv7 for each mood."),
        )
        for mood in saved.taken
    ]
    news += [(mood.user, _rejected(mood, ErrorCode.NOT_FOUND, "No such user.")) for mood in saved.orphaned]
    news += [(user, streak_updated(reckoning)) for user, reckoning in saved.streaks.items()]
    return news


def _is_news(mood: QueuedMood) -> bool:
    return mood.visibility != Visibility.PRIVATE and mood.received_ms - mood.felt_ms <= NEWS_WITHIN_MS


def _shared(sharing: Sharing) -> MoodShared:
    mood = sharing.mood
    return MoodShared(
        id=mood.id,
        user=UserRef(mood.user, sharing.name),
        mood=mood.mood,
        valence=mood.valence,
        arousal=mood.arousal,
        intensity=mood.intensity,
        felt_at=rfc3339(mood.felt_ms),
    )


def _rejected(mood: QueuedMood, code: ErrorCode, message: str) -> MoodRejected:
    return MoodRejected(id=mood.id, code=code, message=message)
