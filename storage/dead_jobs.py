"""Jobs that were given up: kept for a person to look at.

Invariant: one row per enqueued job, however often its end is recorded.
"""

from datetime import datetime

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
