"""Seals stored fields anew with the newest key of the ring.

Invariant: what somebody has written meanwhile is never overwritten, because a row changes only from the very envelope
that was read; and nobody waits for a row that we hold while we wait for another, because we skip those that are locked.
What is left to do is what does not begin with `KeyRing.head`: after any interruption, beginning again goes on.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import asyncpg
from msgspec import Struct

from storage.encryption import NONCE_BYTES, TAG_BYTES, VERSION, KeyRing, Unreadable, head_of
from storage.encryption_keys import ID

NO_KEY = "?"
SEAL_BYTES = 2 + NONCE_BYTES + TAG_BYTES  # of an envelope, beside the id of its key and the text

# Where envelopes may also lie, as they were when a job was given up: their key is still needed.
_IN_DEAD_JOBS = "select exists (select from dead_jobs where position($1::bytea in payload) > 0)"


class SealedColumn(Struct, frozen=True):
    """A column of envelopes. *key*: the primary key, each part with its type. *row_id*: the part that seals name."""

    table: str
    column: str
    key: Sequence[tuple[str, str]]
    row_id: str

    @property
    def name(self) -> str:
        """Of the column, for people."""
        return f"{self.table}.{self.column}"


SEALED = (
    SealedColumn(
        table="moods",
        column="note",
        key=(("user_id", "uuid"), ("felt_at", "timestamptz"), ("id", "uuid")),
        row_id="id",
    ),
    SealedColumn(table="devices", column="token", key=(("id", "uuid"),), row_id="id"),
    SealedColumn(table="own_keys", column="secret", key=(("name", "text"),), row_id="name"),
)


class Batch(Struct, frozen=True):
    """What was done with the rows up to *last*, the key of the last one; None: there was none left."""

    last: Sequence[Any] | None
    sealed: int  # anew
    missed: int  # because somebody wrote or held them at that moment: the next round finds them again
    unreadable: Sequence[str]  # why, for each of those left as they are


async def count_keys(connection: asyncpg.Connection, column: SealedColumn) -> Counter[str]:
    """How many envelopes there are of each key, by its id; what is no envelope counts for `NO_KEY`."""
    rows = await connection.fetch(
        f"""
        with heads as (
            select case when length({column.column}) > {SEAL_BYTES}
                        and length({column.column}) >= {SEAL_BYTES} + get_byte({column.column}, 1)
                        and get_byte({column.column}, 0) = {VERSION}
                   then substring({column.column} from 3 for get_byte({column.column}, 1)) end as head
            from {column.table} where {column.column} is not null
        ) select head, count(*) as number from heads group by head
        """  # noqa: S608  names from constants
    )
    counted: Counter[str] = Counter()
    for row in rows:
        key_id = (row["head"] or b"").decode("ascii", "replace")
        counted[key_id if re.fullmatch(ID, key_id) else NO_KEY] += row["number"]
    return counted


async def is_in_dead_jobs(connection: asyncpg.Connection, key_id: str) -> bool:
    """Does a job that was given up carry something that was sealed with this key?"""
    found: bool = await connection.fetchval(_IN_DEAD_JOBS, head_of(key_id))
    return found


async def seal_batch(
    connection: asyncpg.Connection, column: SealedColumn, ring: KeyRing, after: Sequence[Any] | None, limit: int
) -> Batch:
    """Seal anew up to *limit* rows behind the key *after* (None: from the first one), in one transaction."""
    rows = await _load(connection, column, ring, after, limit)
    fresh, unreadable = [], []
    for row in rows:
        row_id = str(row[column.row_id])
        try:
            plain = ring.open(row["sealed"], column.table, column.column, row_id)
        except Unreadable as error:
            unreadable.append(str(error))
        else:
            fresh.append((row, ring.seal(plain, column.table, column.column, row_id)))
    sealed = await _save(connection, column, fresh) if fresh else 0
    last = [rows[-1][part] for part, _ in column.key] if rows else None
    return Batch(last, sealed, len(fresh) - sealed, unreadable)


async def _load(
    connection: asyncpg.Connection, column: SealedColumn, ring: KeyRing, after: Sequence[Any] | None, limit: int
) -> list[asyncpg.Record]:
    key = ", ".join(part for part, _ in column.key)
    places = ", ".join(f"${number}::{kind}" for number, (_, kind) in enumerate(column.key, 3))
    behind = f"and ({key}) > ({places})" if after else ""
    return await connection.fetch(
        f"""
        select {key}, {column.column} as sealed from {column.table}
        where {column.column} is not null and substring({column.column} for length($1::bytea)) <> $1 {behind}
        order by {key} limit $2
        """,  # noqa: S608  names from constants
        ring.head,
        limit,
        *(after or ()),
    )


async def _save(
    connection: asyncpg.Connection, column: SealedColumn, fresh: Sequence[tuple[asyncpg.Record, bytes]]
) -> int:
    """How many rows still held what was read, and were free."""
    parts = [part for part, _ in column.key]
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(column.key, 3))
    same = " and ".join(f"t.{part} = new.{part}" for part in parts)
    held = " and ".join(f"t.{part} = held.{part}" for part in parts)
    tag = await connection.execute(
        f"""
        with new as (
            select * from unnest($1::bytea[], $2::bytea[], {arrays}) as new(old, fresh, {", ".join(parts)})
        ), held as materialized (
            select {", ".join(f"t.{part}" for part in parts)}, new.fresh from {column.table} t join new on {same}
            where t.{column.column} = new.old for update of t skip locked
        )
        update {column.table} t set {column.column} = held.fresh from held where {held}
        """,  # noqa: S608  names from constants
        [row["sealed"] for row, _ in fresh],
        [envelope for _, envelope in fresh],
        *([row[part] for row, _ in fresh] for part in parts),
    )
    return int(tag.removeprefix("UPDATE "))
