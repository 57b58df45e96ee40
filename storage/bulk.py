"""Writes many accounts at once, for tests and load: COPY into all tables that a registration touches.

Invariant: one batch is one transaction; its accounts are as registering would have made them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from msgspec import Struct


class NewPerson(Struct, frozen=True):
    """*sid*: the log-in that access tokens name."""

    id: str
    sid: str
    username: str
    name: str
    email: str


async def save_people(
    connection: asyncpg.Connection, people: Sequence[NewPerson], now_ms: int, password_hash: str | None
) -> None:
    """Without *password_hash* they can be spoken for with tokens, but cannot log in."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    copy = connection.copy_records_to_table
    async with connection.transaction():
        await copy(
            "users",
            records=[(person.id, person.username, now) for person in people],
            columns=["id", "username", "created_at"],
        )
        await copy(
            "profiles", records=[(person.id, person.name) for person in people], columns=["user_id", "display_name"]
        )
        await copy("inbox_heads", records=[(person.id,) for person in people], columns=["user_id"])
        await copy(
            "token_families",
            records=[(person.sid, person.id, now) for person in people],
            columns=["id", "user_id", "created_at"],
        )
        if password_hash is not None:
            await copy(
                "credentials",
                records=[(person.id, person.email, password_hash, now) for person in people],
                columns=["user_id", "email", "password_hash", "changed_at"],
            )


async def save_friendships(connection: asyncpg.Connection, pairs: Sequence[tuple[str, str]], now_ms: int) -> None:
    """*pairs* of ids, each pair once, in either order."""
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    async with connection.transaction():
        await connection.copy_records_to_table(
            "friendships",
            records=[(min(pair), max(pair), "accepted", pair[0], now) for pair in pairs],
            columns=["low_id", "high_id", "state", "requested_by", "changed_at"],
        )
