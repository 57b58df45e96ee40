"""The job queue's producing side against a real Valkey."""

import pickle
from typing import Any

import msgspec
import pytest

from domain.errors import Unavailable
from storage import jobs, keys
from storage.jobs import JobQueue, decode_job, encode_job, open_pool, parse_job
from storage.queues import Queue

pytestmark = pytest.mark.contract


async def test_what_is_enqueued_is_messagepack_of_the_arguments(redis_url: str) -> None:
    async with open_pool(redis_url) as redis:
        assert await JobQueue(redis).enqueue(Queue.CARE, "care.test", "a", {"b": [1, None]}, job_id="one")
        payload = await redis.get("arq:job:care:one")
        job = parse_job(payload)
        assert job is not None
        assert (job.function, job.args, job.kwargs) == ("care.test", ["a", {"b": [1, None]}], {})
        assert await redis.zcard(keys.job_queue(Queue.CARE)) == 1


async def test_one_id_waits_once_per_queue(redis_url: str) -> None:
    async with open_pool(redis_url) as redis:
        queue = JobQueue(redis)
        assert await queue.enqueue(Queue.CARE, "care.test", job_id="one")
        assert not await queue.enqueue(Queue.CARE, "care.test", job_id="one")
        assert await queue.enqueue(Queue.MAIL, "mail.test", job_id="one")


async def test_a_deferred_job_is_due_later(redis_url: str) -> None:
    async with open_pool(redis_url) as redis:
        queue = JobQueue(redis)
        await queue.enqueue(Queue.CARE, "care.test", job_id="now")
        await queue.enqueue(Queue.CARE, "care.test", job_id="later", defer_s=60)
        now, later = [await redis.zscore(keys.job_queue(Queue.CARE), f"care:{job_id}") for job_id in ("now", "later")]
        assert 59_000 < later - now < 70_000


async def test_a_redis_that_is_away_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "RETRIES", 1)
    async with open_pool("redis://127.0.0.1:1") as redis:
        with pytest.raises(Unavailable):
            await JobQueue(redis).enqueue(Queue.CARE, "care.test")


class Exploit:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exit, (1,))


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Exploit()),
        b"",
        b"\xc1",
        msgspec.msgpack.encode(7),
        msgspec.msgpack.encode({"f": ["unhashable"], "a": [], "k": {}, "et": 1}),
        msgspec.msgpack.encode({"f": "care.test", "a": [], "k": {}}),
    ],
)
def test_what_is_no_job_is_refused(data: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_job(data)
    assert parse_job(data) is None


def test_only_plain_data_is_carried() -> None:
    with pytest.raises(NotImplementedError):
        encode_job({"f": "care.test", "a": (object(),), "k": {}, "et": 1, "t": None})
