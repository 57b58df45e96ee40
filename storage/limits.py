"""How often somebody may try something: counters in Redis, so that all nodes count together.

Invariant: a limit is never off and never shut because Redis is away: each node then counts by itself.
"""

import hashlib
from collections.abc import Callable, Sequence

from msgspec import Struct

from domain.errors import RateLimited, Unavailable
from storage import keys
from storage.redis import RedisLink

COUNTED_MAX = 100_000  # counters of one process while Redis is away

# {count, ms until it starts over}
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""


class Limit(Struct, frozen=True):
    """At most *times* within *window_ms* of the first time."""

    name: str
    times: int
    window_ms: int


Use = tuple[Limit, str]  # what is limited, and whose count it is


class Limits:
    """The counters as one process sees them. *is_on* False: everything may be done always."""

    def __init__(self, redis: RedisLink, clock: Callable[[], int], *, is_on: bool = True) -> None:
        self._redis = redis
        self._clock = clock
        self._is_on = is_on
        self._local: dict[str, tuple[int, int]] = {}  # key → (count, Unix ms at which it starts over)

    async def take(self, *uses: Use) -> None:
        """Count one try against each of *uses*. Raises: RateLimited, if any of them is used up."""
        if not self._is_on:
            return
        counts = await self._count([(limit, _key(limit, subject)) for limit, subject in uses])
        waits = [wait for (limit, _), (count, wait) in zip(uses, counts, strict=True) if count > limit.times]
        if waits:
            wait_ms = max(1, *waits)
            raise RateLimited(f"Too many tries. Try again in {-(-wait_ms // 1000)} seconds.", wait_ms)

    async def forget(self, limit: Limit, subject: str) -> None:
        """What was counted for *subject* is forgiven."""
        if self._is_on:
            key = _key(limit, subject)
            self._local.pop(key, None)
            self._redis.post("DEL", key)

    async def _count(self, keyed: Sequence[tuple[Limit, str]]) -> list[tuple[int, int]]:
        try:
            replies = await self._redis.pipeline([("EVAL", _COUNT, 1, key, limit.window_ms) for limit, key in keyed])
        except Unavailable:
            return [self._count_here(limit, key) for limit, key in keyed]
        return [
            self._count_here(limit, key) if isinstance(reply, Unavailable) else _parse(reply)
            for (limit, key), reply in zip(keyed, replies, strict=True)
        ]

    def _count_here(self, limit: Limit, key: str) -> tuple[int, int]:
        now_ms = self._clock()
        count, until_ms = self._local.get(key, (0, 0))
        if until_ms <= now_ms:
            self._make_room(now_ms)
            count, until_ms = 0, now_ms + limit.window_ms
        self._local[key] = (count + 1, until_ms)
        return count + 1, until_ms - now_ms

    def _make_room(self, now_ms: int) -> None:
        if len(self._local) < COUNTED_MAX:
            return
        self._local = {key: entry for key, entry in self._local.items() if entry[1] > now_ms}
        while len(self._local) >= COUNTED_MAX:
            del self._local[next(iter(self._local))]


def _parse(reply: object) -> tuple[int, int]:
    if isinstance(reply, Exception):
        raise reply
    assert isinstance(reply, list)  # noqa: S101  what the script returns
    return int(reply[0]), max(0, int(reply[1]))


def _key(limit: Limit, subject: str) -> str:
    # Hashed: an e-mail address has no business in Redis, and a key has a bounded length.
    return keys.limit(limit.name, hashlib.sha256(subject.encode()).hexdigest()[:32])
