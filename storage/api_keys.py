"""Keys with which the servers of app owners call us.

Invariant: a key is shown once, when it is made; what is stored is its SHA-256, which is as good as the 256 random bits
are: whoever reads the table cannot call with what they read.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from domain.ids import uuid7
from domain.times import to_ms
from storage.postgres import Database

PREFIX = "hm_"

# Several at once write `used_at` once: whoever waits for the row looks at it again.
_FIND = """
with found as (
    select id, scopes from api_keys where key_hash = $1 and revoked_at is null
), used as (
    update api_keys k set used_at = $2::timestamptz from found f
    where k.id = f.id and (k.used_at is null or k.used_at < $2::timestamptz - interval '1 minute')
)
select id, scopes from found
"""


class ApiKey(Struct, frozen=True):
    """All that is kept of a key but its hash."""

    id: str
    name: str
    scopes: Sequence[str]
    created_at: datetime
    used_at: datetime | None  # to the minute
    revoked_at: datetime | None


class Holder(Struct, frozen=True):
    """Who calls, and what they may."""

    key: str
    scopes: Sequence[str]


async def find_holder(database: Database, key: str, now: datetime) -> Holder | None:
    """Whoever holds *key*; None if it never was one, or is revoked: found out in the same time. Raises: Unavailable."""
    row = await database.fetchrow(_FIND, _hash(key), now)
    return Holder(str(row["id"]), row["scopes"]) if row is not None else None


async def add_key(connection: asyncpg.Connection, name: str, scopes: Sequence[str], now: datetime) -> tuple[str, str]:
    """A new key: its id, and the key itself, which is nowhere from now on."""
    number, key = uuid7(to_ms(now)), PREFIX + secrets.token_urlsafe(32)
    await connection.execute(
        "insert into api_keys (id, name, key_hash, scopes, created_at) values ($1, $2, $3, $4, $5)",
        number,
        name,
        _hash(key),
        sorted(set(scopes)),
        now,
    )
    return number, key


async def load_keys(connection: asyncpg.Connection) -> list[ApiKey]:
    """All of them, the latest first."""
    rows = await connection.fetch(
        "select id::text, name, scopes, created_at, used_at, revoked_at from api_keys order by created_at desc, id desc"
    )
    return [ApiKey(**row) for row in rows]


async def revoke_key(connection: asyncpg.Connection, number: str, now: datetime) -> ApiKey | None:
    """The one that opens nothing from now on, or did not before; None if there is none."""
    row = await connection.fetchrow(
        """
        update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1
        returning id::text, name, scopes, created_at, used_at, revoked_at
        """,
        number,
        now,
    )
    return ApiKey(**row) if row is not None else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
