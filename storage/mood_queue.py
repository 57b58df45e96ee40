"""Moods on their way to PostgreSQL: one Redis stream for each shard of users, and the jobs that drain them.

Invariant: whoever was answered `queued` has an entry in a stream, and an entry leaves its stream only after it was
stored or recorded as a dead job. A Redis that loses its last second loses entries; their clients send them again.
"""

import logging
import time
from collections.abc import Callable, Coroutine
from functools import partial
from zlib import crc32

import msgspec
from msgspec import Struct

from domain.errors import Unavailable
from storage import keys
from storage.jobs import JobQueue
from storage.mood_patterns import FIND
from storage.queues import Queue
from storage.redis import RedisLink
from storage.waking import Waking

SHARDS = 8
FIELD = b"e"  # of a stream's entries: the only one
DRAIN = "moods.drain"  # the job of one shard; one at a time, but for `drain_id`
DRAIN_MAX_S = 10.0
SAVE = "moods.save"  # the job of one entry that could not be saved with others, when an operator asks for it again

log = logging.getLogger("hugmood.moods")


class QueuedMood(Struct, frozen=True, array_like=True, gc=False):
    """A mood that has been checked. *note*: sealed. *factors*: JSON. *day*: its local date as a proleptic ordinal.

    *is_timely*: it came within 48 h of its date, from a device whose clock was within 24 h of ours.
    """

    id: str
    user: str
    mood: str
    valence: float
    arousal: float
    intensity: float | None
    note: bytes | None
    tags: list[str]
    factors: str | None
    visibility: str
    felt_ms: int
    timezone: str
    day: int
    is_timely: bool
    received_ms: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(QueuedMood)


def encode_mood(mood: QueuedMood) -> bytes:
    """*mood* as it stands in a stream."""
    return _encoder.encode(mood)


def decode_mood(data: bytes) -> QueuedMood:
    """Raises: msgspec.DecodeError for anything else."""
    return _decoder.decode(data)


def shard_of(user: str) -> int:
    """Which stream the moods of *user* go through."""
    return crc32(user.encode()) % SHARDS


def drain_id(shard: int) -> str:
    """Of the shard's drain. Another one every `DRAIN_MAX_S`, so that a worker that died with it holds nobody up."""
    return f"drain:{shard}:{int(time.time() / DRAIN_MAX_S)}"


class MoodQueue:
    """The hub's side. Few wake-ups of a worker for each shard, however much is added meanwhile."""

    def __init__(
        self, redis: RedisLink, jobs: JobQueue, start: Callable[[Coroutine[object, object, None], str], object]
    ) -> None:
        """*redis*: where the job queues are. *start* runs work in the background."""
        self._redis = redis
        self._jobs = jobs
        self._wakings = [Waking(partial(self._ask, shard), start, f"moods of shard {shard}") for shard in range(SHARDS)]

    async def add(self, mood: QueuedMood) -> None:
        """Queue *mood*. Raises: Unavailable; it may be queued nevertheless, which does no harm."""
        shard = shard_of(mood.user)
        try:
            await self._redis.call("XADD", keys.mood_stream(shard), "*", FIELD, encode_mood(mood))
        except RuntimeError as error:  # not a stream, no right to it
            log.error("moods cannot be queued", extra={"reason": str(error)})  # noqa: TRY400  nobody's code is wrong
            raise Unavailable from error
        self._wakings[shard].soon()

    async def find_patterns(self, user: str) -> None:
        """Have a worker find anew what goes with the moods of *user*, once for all who ask meanwhile. Raises: Unavailable."""
        await self._jobs.enqueue(Queue.MOODS, FIND, user, job_id=f"{FIND}:{user}")

    async def _ask(self, shard: int) -> bool:
        return await self._jobs.enqueue(Queue.MOODS, DRAIN, shard, job_id=drain_id(shard))
