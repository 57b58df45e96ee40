"""What becomes of a job that fails, by its kind of failure and its number of tries."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from arq import Retry

from domain.errors import Invalid, Unavailable
from storage.dead_jobs import DeadJob
from storage.jobs import parse_job
from storage.queues import Queue
from workers.counts import JobCounts
from workers.retry import ATTEMPTS, BACKOFF_MAX_S, UNRECORDED_RETRY_S, Job, Permanent, Transient, backoff_s, guarded

pytestmark = pytest.mark.unit

ENQUEUED_AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def context(job_try: int = 1) -> dict[str, Any]:
    return {"job_id": "care:1", "job_try": job_try, "enqueue_time": ENQUEUED_AT}


class Graveyard:
    """Where given-up jobs are recorded, or cannot be."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.dead: list[DeadJob] = []
        self._is_away = is_away

    async def bury(self, job: DeadJob) -> None:
        if self._is_away:
            raise Unavailable
        self.dead.append(job)


async def run(failure: BaseException | None, graveyard: Graveyard, *, job_try: int = 1, **options: Any) -> JobCounts:
    async def work(*_args: object) -> None:
        if failure is not None:
            raise failure

    counts = JobCounts()
    call = guarded(Job("care.test", work, **options), Queue.CARE, graveyard.bury, counts)
    await call(context(job_try), "a", 2)
    return counts


def test_the_wait_is_jittered_grows_and_keeps_to_retry_after() -> None:
    waits = [[backoff_s(attempt) for _ in range(300)] for attempt in (1, 2, 5, 50)]
    assert max(waits[0]) <= 2 < max(waits[1]) <= 4
    assert len(set(waits[0])) > 250
    assert max(waits[2]) > 16
    assert all(0 < wait <= BACKOFF_MAX_S for several in waits for wait in several)
    assert min(backoff_s(1, retry_after_s=60) for _ in range(100)) > 60


async def test_done() -> None:
    graveyard = Graveyard()
    counts = await run(None, graveyard)
    assert counts.jobs == {("care", "care.test", "done"): 1}
    assert not graveyard.dead


@pytest.mark.parametrize(
    "failure", [Transient("busy", 7), Unavailable(retry_after_ms=7_000), ZeroDivisionError(), TimeoutError(), OSError()]
)
async def test_what_may_pass_is_tried_again(failure: Exception) -> None:
    graveyard = Graveyard()
    with pytest.raises(Retry) as caught:
        await run(failure, graveyard)
    assert not graveyard.dead
    assert caught.value.defer_score is not None
    asked_ms = 7_000 if isinstance(failure, Transient | Unavailable) else 0
    assert asked_ms < caught.value.defer_score <= asked_ms + 2_000


@pytest.mark.parametrize("failure", [Permanent("no such user"), Invalid("no such user")])
async def test_what_cannot_pass_is_recorded_at_once(failure: Exception) -> None:
    graveyard = Graveyard()
    counts = await run(failure, graveyard)
    assert counts.jobs == {("care", "care.test", "dead"): 1}
    [dead] = graveyard.dead
    assert (dead.queue, dead.job_id, dead.function, dead.tries) == ("care", "care:1", "care.test", 1)
    assert (dead.reason, dead.enqueued_at) == ("no such user", ENQUEUED_AT)
    payload = parse_job(dead.payload)
    assert payload is not None
    assert (payload.function, payload.args) == ("care.test", ["a", 2])


async def test_the_last_failed_try_is_recorded() -> None:
    graveyard = Graveyard()
    with pytest.raises(Retry):
        await run(Transient("busy"), graveyard, job_try=ATTEMPTS - 1)
    await run(Transient("busy"), graveyard, job_try=ATTEMPTS)
    assert [dead.tries for dead in graveyard.dead] == [ATTEMPTS]


async def test_while_its_end_cannot_be_recorded_a_job_stays_in_the_queue() -> None:
    with pytest.raises(Retry) as caught:
        await run(Permanent("no such user"), Graveyard(is_away=True))
    assert caught.value.defer_score is not None
    assert caught.value.defer_score >= UNRECORDED_RETRY_S * 1000


async def test_a_job_over_its_time_is_tried_again() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    call = guarded(Job("care.test", hang, timeout_s=0.01), Queue.CARE, Graveyard().bury, JobCounts())
    with pytest.raises(Retry):
        await call(context())


async def test_cancellation_goes_on() -> None:
    graveyard = Graveyard()
    with pytest.raises(asyncio.CancelledError):
        await run(asyncio.CancelledError(), graveyard)
    assert not graveyard.dead


async def test_a_periodic_job_waits_for_its_next_tick() -> None:
    graveyard = Graveyard()
    counts = await run(Unavailable(), graveyard, seconds=frozenset({0}))
    assert counts.jobs == {("care", "care.test", "retried"): 1}
    assert not graveyard.dead


async def test_a_broken_periodic_job_is_one_row_however_often_it_fails() -> None:
    graveyard = Graveyard()
    for _ in range(2):
        await run(ZeroDivisionError("by zero"), graveyard, seconds=frozenset({0}))
    assert {(dead.job_id, dead.enqueued_at, dead.reason) for dead in graveyard.dead} == {
        ("care.test", None, "ZeroDivisionError: by zero")
    }
    await run(ZeroDivisionError(), Graveyard(is_away=True), seconds=frozenset({0}))
