"""The workers' side of the mood streams: a consumer group for each, in which what a dead worker had taken is taken again.

Invariant: an entry is acknowledged and deleted in one go, and only by whoever has settled it.
"""

from collections.abc import Sequence
from typing import Any

from arq.connections import ArqRedis
from msgspec import Struct
from redis.exceptions import RedisError, ResponseError

from domain.errors import Unavailable
from storage import keys
from storage.mood_queue import FIELD

GROUP = "workers"
READ_MAX = 500
LEFT_AFTER_MS = 10_000  # longer than a batch lasts: what was taken and not settled by then is taken over


class StreamEntry(Struct, frozen=True):
    """What stands in a stream; *data* is empty if it is not an entry of ours."""

    id: str
    data: bytes


class MoodStream:
    """One shard, as one worker sees it. All raise: Unavailable."""

    def __init__(self, redis: ArqRedis, shard: int, worker: str) -> None:
        self.shard = shard
        self._redis = redis
        self._key = keys.mood_stream(shard)
        self._worker = worker

    async def length(self) -> int:
        """How many entries wait, taken or not."""
        return int(await self._ask("XLEN", self._key))

    async def left(self) -> list[StreamEntry]:
        """Entries that were taken and not settled: by this worker before, or by one that has gone."""
        return await self._own() or await self._abandoned()

    async def new(self, wait_ms: int) -> list[StreamEntry]:
        """Entries that nobody has taken; waits up to *wait_ms* for the first."""
        return _entries(await self._read(">", "BLOCK", wait_ms))

    async def settle(self, entries: Sequence[StreamEntry]) -> None:
        """These are done with."""
        ids = [entry.id for entry in entries]
        if not ids:
            return
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xack(self._key, GROUP, *ids)
                pipe.xdel(self._key, *ids)
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def _own(self) -> list[StreamEntry]:
        return _entries(await self._read("0"))

    async def _abandoned(self) -> list[StreamEntry]:
        reply = await self._ask("XAUTOCLAIM", self._key, GROUP, self._worker, LEFT_AFTER_MS, "0-0", "COUNT", READ_MAX)
        return [_entry(each) for each in reply[1]]

    async def _read(self, start: str, *options: object) -> Any:
        return await self._ask(
            "XREADGROUP", "GROUP", GROUP, self._worker, "COUNT", READ_MAX, *options, "STREAMS", self._key, start
        )

    async def _ask(self, *command: object) -> Any:
        try:
            try:
                return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
            await self._make_group()
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]
        except (RedisError, OSError) as error:
            raise Unavailable from error

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _entries(reply: Any) -> list[StreamEntry]:
    """Of the one stream that was asked for."""
    return [_entry(each) for _, entries in reply or () for each in entries]


def _entry(pair: tuple[bytes, dict[bytes, bytes] | None]) -> StreamEntry:
    entry_id, fields = pair
    return StreamEntry(entry_id.decode(), fields.get(FIELD, b"") if fields else b"")
