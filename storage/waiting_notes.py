"""Which keys are needed by notes that are not in PostgreSQL yet: those of moods that wait in Redis."""

import msgspec
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from storage import keys
from storage.encryption import Altered, key_id_of
from storage.mood_queue import FIELD, SHARDS, decode_mood

READ_MAX = 500


async def load_waiting_keys(redis: ArqRedis) -> frozenset[str]:
    """Their ids. What is no mood is not looked at: it becomes a dead job. Raises: Unavailable."""
    found: set[str] = set()
    try:
        for shard in range(SHARDS):
            start = "-"
            while entries := await redis.xrange(keys.mood_stream(shard), min=start, count=READ_MAX):
                found.update(key for _, fields in entries if (key := _key_of(fields.get(FIELD))))
                start = f"({entries[-1][0].decode()}"  # from behind the last one
    except (RedisError, OSError) as error:
        raise Unavailable from error
    return frozenset(found)


def _key_of(data: bytes | None) -> str | None:
    try:
        note = decode_mood(data or b"").note
        return key_id_of(note) if note is not None else None
    except (msgspec.DecodeError, Altered):
        return None
