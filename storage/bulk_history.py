"""Writes what many new people have done, at once, for tests and charts: COPY into all tables that it touches.

Invariant: each call is one transaction. What stands there afterwards is what the hub and the workers would have left,
except for events: those are as if they had been read long ago.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import asyncpg
import msgspec
from msgspec import Struct

from domain.privacy import Privacy
from domain.times import from_ms
from storage.mood_queue import QueuedMood
from storage.privacy import COLUMNS


class PastHug(Struct, frozen=True, gc=False):
    """A hug that was delivered. *seq*: its place in the recipient's inbox, from 1 without a gap."""

    id: str
    sender: str
    recipient: str
    seq: int
    kind: str
    message: str | None
    at_ms: int
    delivered_ms: int
    seen_ms: int | None


async def save_choices(connection: asyncpg.Connection, chosen: Mapping[str, Privacy]) -> None:
    """What people who have never chosen before want of privacy."""
    await connection.copy_records_to_table(
        "privacy",
        records=[(user, *msgspec.structs.astuple(privacy)) for user, privacy in chosen.items()],
        columns=["user_id", *COLUMNS],
    )


async def save_hugs(connection: asyncpg.Connection, hugs: Sequence[PastHug]) -> None:
    """The first ones of everybody who receives some."""
    heads: dict[str, int] = {}
    for hug in hugs:
        heads[hug.recipient] = max(heads.get(hug.recipient, 0), hug.seq)
    async with connection.transaction():
        await connection.copy_records_to_table(
            "hugs",
            records=[
                (
                    *(hug.id, hug.sender, hug.recipient, hug.seq, hug.kind, hug.message),
                    *(from_ms(hug.at_ms), from_ms(hug.delivered_ms)),
                    *(from_ms(hug.seen_ms) if hug.seen_ms is not None else None,) * 2,
                )
                for hug in hugs
            ],
            columns=[
                *("id", "sender_id", "recipient_id", "seq", "kind", "message"),
                *("at", "delivered_at", "seen_at", "told_seen_at"),
            ],
        )
        await connection.execute(
            """
            update inbox_heads h set seq = t.seq, acked_seq = t.seq
            from unnest($1::uuid[], $2::bigint[]) as t(user_id, seq) where h.user_id = t.user_id
            """,
            list(heads),
            list(heads.values()),
        )


async def save_moods(connection: asyncpg.Connection, moods: Sequence[QueuedMood]) -> None:
    """Moods that are not stored yet, into months that exist. Streaks are another matter: storage/streak_book.py."""
    async with connection.transaction():
        await connection.copy_records_to_table(
            "mood_ids",
            records=[(mood.id, mood.user, from_ms(mood.felt_ms)) for mood in moods],
            columns=["id", "user_id", "felt_at"],
        )
        await connection.copy_records_to_table(
            "moods",
            records=[
                (
                    *(mood.user, from_ms(mood.felt_ms), mood.id, mood.mood, mood.valence, mood.arousal, mood.intensity),
                    *(mood.note, mood.tags, mood.factors, mood.visibility, mood.timezone),
                    *(date.fromordinal(mood.day), mood.is_timely, from_ms(mood.received_ms)),
                )
                for mood in moods
            ],
            columns=[
                *("user_id", "felt_at", "id", "mood", "valence", "arousal", "intensity"),
                *("note", "tags", "factors", "visibility", "timezone"),
                *("local_date", "in_streak", "received_at"),
            ],
        )
