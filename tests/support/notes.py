"""Moods with notes, written as the hub and the worker would, for tests of their keys."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import asyncpg

from domain.ids import uuid7
from domain.times import to_ms
from storage.bulk_history import save_moods
from storage.encryption import KeyRing, key_id_of
from storage.encryption_keys import EncryptionKey
from storage.mood_queue import QueuedMood
from storage.partitions import make_months

OLDEST, OLD, NEW, LOST = (EncryptionKey(name, name.encode().ljust(32)) for name in ("oldest", "old", "new", "lost"))
START = datetime(2025, 3, 1, tzinfo=UTC)
MONTHS = 4
USERS = 500

Place = tuple[str, datetime, str]  # the key of a mood: user, felt_at, id


def place(number: int) -> Place:
    """Another one for each number."""
    felt_at = START + timedelta(hours=number % (MONTHS * 28 * 24))
    return uuid7(to_ms(START), number % USERS), felt_at, uuid7(to_ms(felt_at), number)


def sealed(ring: KeyRing, at: Place, note: str) -> bytes:
    """The envelope of *note* for that place."""
    return ring.seal(note, "moods", "note", at[2])


async def make_partitions(connection: asyncpg.Connection) -> None:
    """For every `place`."""
    await make_months(connection, START.date(), (START + timedelta(weeks=4 * MONTHS)).date())


def mood_at(at: Place, note: bytes | None, word: str = "calm") -> QueuedMood:
    """The mood of that place; *note*: an envelope."""
    user, felt_at, mood = at
    return QueuedMood(
        id=mood,
        user=user,
        mood=word,
        valence=0.5,
        arousal=-0.5,
        intensity=None,
        note=note,
        tags=[],
        factors=None,
        visibility="private",
        felt_ms=to_ms(felt_at),
        timezone="UTC",
        day=felt_at.toordinal(),
        is_timely=True,
        received_ms=to_ms(felt_at),
    )


async def add_notes(connection: asyncpg.Connection, notes: Sequence[tuple[Place, bytes | None]]) -> None:
    """A mood for each place, with that envelope or without a note."""
    await save_moods(connection, [mood_at(at, envelope) for at, envelope in notes])


async def load_notes(connection: asyncpg.Connection, ring: KeyRing) -> tuple[dict[str, str], dict[str, int]]:
    """What the notes say, by the id of the mood; and how many each key has sealed."""
    rows = await connection.fetch("select id::text, note from moods where note is not null")
    keys = Counter(key_id_of(row["note"]) for row in rows)
    return {row["id"]: ring.open(row["note"], "moods", "note", row["id"]) for row in rows}, dict(keys)
