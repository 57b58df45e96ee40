"""Deletes what has outlived its use, in batches that hold no lock for long.

Invariant: a refresh token is kept until a day after it has expired, also when it was rotated or
revoked: until then its use must be recognised as reuse, not taken for a token that never was.
"""

from datetime import datetime, timedelta

from storage.postgres import Database

BATCH_ROWS = 1_000
TOKENS_KEPT_FOR = timedelta(days=1)
DEAD_JOBS_KEPT_FOR = timedelta(days=90)
DEVICES_KEPT_FOR = timedelta(days=270)  # without being used; FCM forgets them then too
PUSHES_KEPT_FOR = timedelta(days=30)  # as the inbox
REMOVED_TOKENS_KEPT_FOR = timedelta(days=1)

_TOKENS = """
delete from refresh_tokens where token_hash in (
    select token_hash from refresh_tokens where expires_at < $1 order by expires_at limit $2 for update skip locked
)
"""

# A family is made together with its first token; the age keeps clear of one whose token is about to come.
_FAMILIES = """
delete from token_families where id in (
    select f.id from token_families f
    where f.created_at < $1 and not exists (select 1 from refresh_tokens t where t.family_id = f.id)
    limit $2 for update skip locked
)
"""

_MUTES = """
delete from mutes where (user_id, muted_id) in (
    select user_id, muted_id from mutes where until <= $1 order by until limit $2 for update skip locked
)
"""

_DEAD_JOBS = """
delete from dead_jobs where id in (
    select id from dead_jobs where failed_at < $1 order by failed_at limit $2 for update skip locked
)
"""


_DEVICES = """
delete from devices where id in (
    select id from devices where used_at < $1 order by used_at limit $2 for update skip locked
)
"""

_REMOVED_TOKENS = """
delete from removed_tokens where ctid = any (array(
    select ctid from removed_tokens where at < $1 order by at limit $2 for update skip locked
))
"""

# What is told of pushes, each by the time that its index is of. A BRIN index gives rows in no order.
_PUSHES = {
    "notices": """
        delete from notices where (user_id, cause) in (
            select user_id, cause from notices where at < $1 order by at limit $2 for update skip locked
        )
    """,
    "routes": """
        delete from routes where ctid = any (array(
            select ctid from routes where until < $1 limit $2 for update skip locked
        ))
    """,
    "notifications": """
        delete from notifications where (user_id, seq, channel) in (
            select user_id, seq, channel from notifications where at < $1 limit $2 for update skip locked
        )
    """,
    "deliveries": """
        delete from deliveries where id in (
            select id from deliveries where created_at < $1 limit $2 for update skip locked
        )
    """,
    "bursts": """
        delete from bursts where ctid = any (array(
            select ctid from bursts where due_at is null and coalesce(sent_at, '-infinity') < $1
            limit $2 for update skip locked
        ))
    """,  # each notification of its own has one
}


async def delete_expired_tokens(database: Database, now: datetime) -> tuple[int, int]:
    """How many tokens, and families left without any, were deleted. Raises: Unavailable, with part of it done."""
    limit = now - TOKENS_KEPT_FOR
    return await _delete(database, _TOKENS, limit), await _delete(database, _FAMILIES, limit)


async def delete_old_dead_jobs(database: Database, now: datetime) -> int:
    """How many dead jobs nobody wanted for `DEAD_JOBS_KEPT_FOR` were deleted. Raises: Unavailable."""
    return await _delete(database, _DEAD_JOBS, now - DEAD_JOBS_KEPT_FOR)


async def delete_ended_mutes(database: Database, now: datetime) -> int:
    """How many mutes that have ended were deleted. Raises: Unavailable."""
    return await _delete(database, _MUTES, now)


async def delete_unused_devices(database: Database, now: datetime) -> int:
    """How many devices were deleted that nobody has used for `DEVICES_KEPT_FOR`. Raises: Unavailable."""
    return await _delete(database, _DEVICES, now - DEVICES_KEPT_FOR)


async def delete_old_pushes(database: Database, now: datetime) -> dict[str, int]:
    """How many rows that tell of pushes were deleted, by table. Raises: Unavailable, with part of it done."""
    deleted = {table: await _delete(database, sql, now - PUSHES_KEPT_FOR) for table, sql in _PUSHES.items()}
    return deleted | {"removed_tokens": await _delete(database, _REMOVED_TOKENS, now - REMOVED_TOKENS_KEPT_FOR)}


async def _delete(database: Database, sql: str, limit: datetime) -> int:
    total, deleted = 0, BATCH_ROWS
    while deleted == BATCH_ROWS:
        tag = await database.execute(sql, limit, BATCH_ROWS)
        deleted = int(tag.removeprefix("DELETE "))
        total += deleted
    return total
