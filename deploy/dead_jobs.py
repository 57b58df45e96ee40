"""Dead jobs as a person reads them, and as a program does."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from storage.dead_jobs import KeptJob
from storage.jobs import parse_job
from storage.queues import Queue

REASON_SHOWN = 100  # characters, in a list
_HEADER = ("id", "failed (UTC)", "queue", "function", "tries", "job", "reason")


def as_lines(jobs: Sequence[KeptJob]) -> Iterator[str]:
    """A table; nothing if there is no job."""
    if not jobs:
        return
    rows = [_HEADER, *map(_row, jobs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER) - 1)]
    for row in rows:
        yield "  ".join([*(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]])


def _row(job: KeptJob) -> tuple[str, ...]:
    reason = " ".join(job.reason.split())
    if len(reason) > REASON_SHOWN:
        reason = f"{reason[: REASON_SHOWN - 1]}…"
    return (str(job.id), _moment(job.failed_at), job.queue, job.function or "?", str(job.tries), job.job_id, reason)


def as_json(job: KeptJob) -> str:
    """One object on one line. What people may have written, the arguments, is not in it."""
    shown = {
        "id": job.id,
        "queue": job.queue,
        "function": job.function,
        "job_id": job.job_id,
        "reason": job.reason,
        "tries": job.tries,
        "enqueued_at": job.enqueued_at,
        "failed_at": job.failed_at,
    }
    return msgspec.json.encode(shown).decode()


def as_page(job: KeptJob) -> str:
    """All there is, arguments included; of bytes, which may be encrypted or long, only how many."""
    queued = parse_job(job.payload)
    lines = [
        f"id         {job.id}",
        f"queue      {job.queue}",
        f"function   {job.function or 'unknown'}",
        f"job        {job.job_id}",
        f"enqueued   {_moment(job.enqueued_at) if job.enqueued_at else 'unknown'}",
        f"failed     {_moment(job.failed_at)}",
        f"tries      {job.tries}",
        *([f"argument   {_argument(value)}" for value in queued.args] if queued else []),
        *([f"argument   {name}={_argument(value)}" for name, value in queued.kwargs.items()] if queued else []),
        f"reason     {job.reason}",
    ]
    if why := why_not_again(job):
        lines.append(f"requeue    not possible: {why}")
    return "\n".join(lines)


def why_not_again(job: KeptJob) -> str | None:
    """What keeps the job from ever being put back as it is; None if nothing does."""
    if job.payload is None:
        return "it had expired in Redis; nothing is left of it but this row."
    if parse_job(job.payload) is None:
        return "what stood in the queue cannot be read."
    if job.queue not in list(Queue):
        return f"there is no queue {job.queue} any more."
    return None


def _argument(value: Any) -> str:
    return f"{len(value):,} bytes" if isinstance(value, bytes) else repr(value)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
