"""How often somebody may try something: counters in Redis, so that all nodes count together.

Invariant: a limit is never off and never shut because Redis is away: each node then counts by itself.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

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

# All or nothing: the ms to wait for each, and if all are 0, one more has been counted for each.
_SPEND = """
local waits, is_used_up = {}, false
for i, key in ipairs(KEYS) do
    waits[i] = 0
    if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[2 * i - 1]) then
        waits[i] = math.max(1, redis.call('PTTL', key))
        is_used_up = true
    end
end
if is_used_up then return waits end
for i, key in ipairs(KEYS) do
    if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[2 * i]) end
end
return waits
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
    if tonumber(redis.call('GET', key) or 0) > 0 then redis.call('DECR', key) end
end
"""

log = logging.getLogger("hugmood.limits")


class Limit(Struct, frozen=True):
    """At most *times* within *window_ms* of the first time."""

    name: str
    times: int
    window_ms: int


Use = tuple[Limit, str]  # what is limited, and whose count it is
Towards = tuple[Limit, str]  # what is limited, and towards whom: empty for everybody together


class Spent(Struct, frozen=True):
    """What became of a try: counted, if there is nothing to wait for. *give_back* takes it from the counts again."""

    waits_ms: list[int]
    give_back: Callable[[], None]

    @property
    def is_counted(self) -> bool:
        """Was no limit used up?"""
        return not any(self.waits_ms)


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

    def spend(self, user: str, uses: Sequence[Towards], then: Callable[[Spent], None]) -> None:
        """Count one try of *user* against all of *uses*, if none is used up; otherwise against none.

        One round trip, and no task. *then* is called once and never before this returns; in the order of the
        calls, unless the link to Redis is overfull.
        """
        keyed = [(limit, keys.limit_towards(limit.name, user, other)) for limit, other in uses]
        names = [key for _, key in keyed]
        numbers = [number for limit, _ in keyed for number in (limit.times, limit.window_ms)]

        def spent(reply: "asyncio.Future[list[int]]") -> None:
            error = asyncio.CancelledError() if reply.cancelled() else reply.exception()
            if error is None:
                give_back = partial(self._redis.post, "EVAL", _GIVE_BACK, len(names), *names)
                then(Spent(reply.result(), give_back))
                return
            if not isinstance(error, Unavailable):
                log.error("limits are counted here alone", exc_info=error)
            then(Spent(self._spend_here(keyed), partial(self._give_back_here, names)))

        self._redis.call("EVAL", _SPEND, len(names), *names, *numbers).add_done_callback(spent)

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

    def _spend_here(self, keyed: Sequence[tuple[Limit, str]]) -> list[int]:
        now_ms = self._clock()
        waits = []
        for limit, key in keyed:
            count, until_ms = self._local.get(key, (0, 0))
            waits.append(until_ms - now_ms if until_ms > now_ms and count >= limit.times else 0)
        if not any(waits):
            for limit, key in keyed:
                self._count_here(limit, key)
        return waits

    def _give_back_here(self, names: Sequence[str]) -> None:
        for key in names:
            count, until_ms = self._local.get(key, (0, 0))
            if count:
                self._local[key] = (count - 1, until_ms)

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
