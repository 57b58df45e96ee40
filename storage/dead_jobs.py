"""Jobs that were given up: kept for a person to look at.

Invariant: one row per enqueued job, however often its end is recorded.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
from msgspec import Struct

from storage.postgres import Database

REASON_LENGTH_MAX = 2_000


class DeadJob(Struct, frozen=True):
    """A job and why it ended. What could not be read of it is None; *payload* is as it was in the queue."""

    queue: str
    job_id: str
    function: str | None
    enqueued_at: datetime | None
    tries: int
    reason: str
    payload: bytes | None


class KeptJob(DeadJob, frozen=True):
    """A dead job as it stands in the table."""

    id: int
    failed_at: datetime


async def save(database: Database, job: DeadJob) -> None:
    """Record *job*; a second record of the same one replaces the first. Raises: Unavailable."""
    await database.execute(
        """
        insert into dead_jobs as d (queue, job_id, function, enqueued_at, tries, reason, payload)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (queue, job_id, enqueued_at) do update
        set tries = excluded.tries, reason = excluded.reason, payload = coalesce(excluded.payload, d.payload),
            failed_at = excluded.failed_at
        """,
        job.queue,
        job.job_id,
        job.function,
        job.enqueued_at,
        job.tries,
        job.reason.replace("\x00", "")[:REASON_LENGTH_MAX],
        job.payload,
    )


async def load_newest(
    connection: asyncpg.Connection, queue: str | None, function: str | None, limit: int
) -> list[KeptJob]:
    """Those of *queue* and *function*, as far as one is named; the newest first."""
    rows = await connection.fetch(
        """
        select * from dead_jobs where ($1::text is null or queue = $1) and ($2::text is null or function = $2)
        order by failed_at desc, id desc limit $3
        """,
        queue,
        function,
        limit,
    )
    return [KeptJob(**row) for row in rows]


async def load(connection: asyncpg.Connection, ids: Sequence[int]) -> list[KeptJob]:
    """Those of *ids* that there are, the oldest first."""
    rows = await connection.fetch("select * from dead_jobs where id = any($1::bigint[]) order by id", ids)
    return [KeptJob(**row) for row in rows]


async def find_ids(connection: asyncpg.Connection, queue: str) -> list[int]:
    """All of *queue*, the oldest first."""
    rows = await connection.fetch("select id from dead_jobs where queue = $1 order by id", queue)
    return [row["id"] for row in rows]


async def delete(connection: asyncpg.Connection, jobs: Sequence[KeptJob]) -> None:
    """Not those that have failed again since they were loaded."""
    await connection.execute(
        """
        delete from dead_jobs d using unnest($1::bigint[], $2::timestamptz[]) as t(id, failed_at)
        where d.id = t.id and d.failed_at = t.failed_at
        """,
        [job.id for job in jobs],
        [job.failed_at for job in jobs],
    )
