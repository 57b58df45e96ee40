"""All sealed columns, sealed anew with the newest key: batch after batch, and what is told about it.

Invariant: a round that finds nothing to do ends it. Rows that somebody held or wrote are found by the next round.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

import asyncpg
from msgspec import Struct

from storage.encryption import KeyRing
from storage.encryption_keys import EncryptionKey
from storage.rotation import NO_KEY, SEALED, SealedColumn, count_keys, is_in_dead_jobs, seal_batch

ROUNDS_MAX = 5  # more are needed only while somebody goes on sealing with an older key
SAID_EVERY_S = 1.0
UNREADABLE_SHOWN = 10

Say = Callable[[str], None]


class Pace(Struct, frozen=True):
    """How fast: rows in one transaction, and the rest between two."""

    batch: int
    wait_s: float


class _Progress:
    """Rows of one column, told once in a while."""

    def __init__(self, column: SealedColumn, total: int, say: Say) -> None:
        self._column = column
        self._total = total
        self._say = say
        self._started = self._said = time.monotonic()
        self.sealed = 0

    def add(self, sealed: int) -> None:
        self.sealed += sealed
        now = time.monotonic()
        if now - self._said < SAID_EVERY_S:
            return
        self._said = now
        rate = self.sealed / (now - self._started)
        left = max(0, self._total - self.sealed)
        until = f", about {left / rate:,.0f} s" if rate else ""
        self._say(f"{self._column.name}: {self.sealed:,} sealed anew, {rate:,.0f} a second; {left:,} left{until}")


async def rotate(connection: asyncpg.Connection, keys: Sequence[EncryptionKey], pace: Pace, say: Say) -> None:
    """Seal anew what is not sealed with the first of *keys*. Raises: Unavailable; beginning again goes on."""
    ring = KeyRing(keys)
    for column in SEALED:
        counted = await count_keys(connection, column)
        progress = _Progress(column, counted.total() - counted[keys[0].id], say)
        unreadable = await _rotate_column(connection, column, ring, pace, progress)
        say(f"{column.name}: {progress.sealed:,} sealed anew with {keys[0].id}")
        for line in unreadable:
            say(line)


async def _rotate_column(
    connection: asyncpg.Connection, column: SealedColumn, ring: KeyRing, pace: Pace, progress: _Progress
) -> list[str]:
    """Why some could not be read, as the last round found it; no more than `UNREADABLE_SHOWN`."""
    unreadable: list[str] = []
    for _ in range(ROUNDS_MAX):
        unreadable = []
        after, changed = None, 0
        while True:
            batch = await seal_batch(connection, column, ring, after, pace.batch)
            if batch.last is None:
                break
            after = batch.last
            changed += batch.sealed + batch.missed
            unreadable += batch.unreadable[: UNREADABLE_SHOWN - len(unreadable)]
            progress.add(batch.sealed)
            await asyncio.sleep(pace.wait_s)
        if not changed:
            break
    return unreadable


class KeyUse(Struct, frozen=True):
    """A key by its id: how many texts it has sealed, and where else there are some."""

    id: str
    place: int | None  # in the list of keys, from 0; None: it is not there
    number: int
    is_in_dead_jobs: bool
    is_waiting: bool | None  # in Redis; None: nobody knows


async def load_uses(
    connection: asyncpg.Connection, waiting: Set[str] | None, keys: Sequence[EncryptionKey]
) -> list[KeyUse]:
    """Of all *keys*, and of those beside them that have sealed something. *waiting*: in Redis, if that is known."""
    counted: Counter[str] = Counter()
    for column in SEALED:
        counted.update(await count_keys(connection, column))
    places: Mapping[str, int] = {key.id: place for place, key in enumerate(keys)}
    names = [*places, *sorted((counted.keys() | (waiting or set())) - places.keys())]
    return [
        KeyUse(
            id=name,
            place=places.get(name),
            number=counted[name],
            is_in_dead_jobs=name in places and await is_in_dead_jobs(connection, name),
            is_waiting=None if waiting is None else name in waiting,
        )
        for name in names
    ]


def is_finished(uses: Sequence[KeyUse]) -> bool:
    """Is everything sealed with the newest key?"""
    return not any(use.number or use.is_waiting for use in uses if use.place != 0)


def explain(uses: Sequence[KeyUse]) -> Iterator[str]:
    """A line for each key, with what may be done about it."""
    for use in uses:
        yield f"{use.id}: {use.number:,} texts; {_advice(use)}"


def _advice(use: KeyUse) -> str:
    if use.id == NO_KEY:
        return "these are not encrypted as they should be, and are left as they are"
    if use.place is None:
        return "not in the list: without this key they cannot be read"
    if use.place == 0:
        return "the newest key"
    if use.number:
        return "still needed"
    if use.is_waiting:
        return "still needed by moods that wait to be saved: run this again when they are"
    if use.is_in_dead_jobs:
        return "still needed by dead jobs: requeue or drop those first (`hugmood dead-jobs list`)"
    if use.is_waiting is None:
        return "no longer in use, unless by moods that wait in Redis, which was not looked at"
    return "no longer in use: it may be removed from the list"
