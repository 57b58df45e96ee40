"""Patterns by REST: asked for at a hub, found by a worker, read at the hub."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import httpx
import pytest
from arq.connections import ArqRedis
from starlette.applications import Starlette
from starlette.routing import Route

from domain.errors import Unavailable
from domain.ids import uuid7
from domain.times import rfc3339
from hub.api.endpoints import Endpoint, Gate, Responder
from hub.api.mood_patterns import Ask, mood_pattern_endpoints
from hub.api.openapi import describe
from hub.tokens import TokenVerifier, issue_access_token
from protocol.rest_moods import MoodPatterns
from storage import dead_jobs
from storage.jobs import JobQueue, open_pool
from storage.limits import Limits
from storage.mood_patterns import FIND
from storage.postgres import Database
from storage.queues import Queue
from storage.redis import RedisLink
from tests.support.moods import felt_ago, save_moods
from tests.support.people import NOW_MS, make_users
from workers.counts import JobCounts
from workers.patterns import PatternCare
from workers.runner import Runner

pytestmark = pytest.mark.integration

SECRET = b"a secret of thirty-two bytes, or more"
PATH = "/v1/moods/patterns"


class Stage:
    """The endpoints behind their gate, and the queue they ask."""

    def __init__(self, database: Database, redis: RedisLink, jobs: ArqRedis) -> None:
        self.database = database
        self.now_ms = NOW_MS
        self.limits = Limits(redis, lambda: self.now_ms)
        self.jobs = jobs
        self._queue = JobQueue(jobs)

    async def ask(self, user: str) -> object:
        return await self._queue.enqueue(Queue.MOODS, FIND, user, job_id=f"{FIND}:{user}")

    @asynccontextmanager
    async def http(self, user: str, ask: Ask | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """As *user*."""
        gate = Gate(self.database, TokenVerifier(SECRET), self.limits, lambda: self.now_ms)
        endpoints = mood_pattern_endpoints(self.database, self.limits, ask or self.ask)
        routes = [Route(each.path, Responder(each, gate).answer, methods=[each.method]) for each in endpoints]
        token = issue_access_token(SECRET, user, uuid7(NOW_MS), [], self.now_ms)
        transport = httpx.ASGITransport(Starlette(routes=routes))
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://hub", headers=headers) as http:
            yield http

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Runs what was asked for."""
        care = PatternCare(self.database, lambda: NOW_MS)
        asked = [job for job in care.jobs() if not job.is_periodic]
        runner = Runner(Queue.MOODS, asked, self.jobs, partial(dead_jobs.save, self.database), JobCounts())
        task = asyncio.create_task(runner.run(stop_wait_s=5))
        try:
            yield
        finally:
            runner.stop()
            await task


@pytest.fixture
async def stage(database_url: str, redis_url: str) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        link = RedisLink(redis_url)
        await stack.enter_async_context(link)
        yield Stage(database, link, await stack.enter_async_context(open_pool(redis_url)))


async def test_they_are_asked_for_found_and_read(stage: Stage) -> None:
    ana, ben = await make_users(stage.database, 2)
    drawn = random.Random(1)
    values = [drawn.uniform(-1, 1) for _ in range(45)]
    for user, sign in ((ana, 1), (ben, -1)):
        moods = [felt_ago(user, ago, value, factors={"sleep": sign * value}) for ago, value in enumerate(values)]
        await save_moods(stage.database, moods)
    none_yet = {"computed_at": None, "days": 0, "needed": 21, "patterns": []}
    async with stage.http(ana) as http, stage.http(ben) as other:
        assert (await http.get(PATH)).json() == none_yet
        asked = await http.post(PATH)
        assert (asked.status_code, asked.json()) == (202, none_yet)
        async with stage.worker(), asyncio.timeout(20):
            while (found := (await http.get(PATH)).json()) == none_yet:  # noqa: ASYNC110  a worker finds them
                await asyncio.sleep(0.02)
        assert found["computed_at"] == rfc3339(NOW_MS)
        assert (found["days"], found["needed"]) == (45, 21)
        (pattern,) = found["patterns"]
        assert pattern.pop("rho") == pytest.approx(1)
        assert pattern == {
            "kind": "factor",
            "name": "sleep",
            "strength": "early_hint",
            "days": 45,
            "sentence": "Early hint: more “sleep” goes with brighter moods, over 45 days.",
        }
        assert (await other.get(PATH)).json() == none_yet, "those are Ana's"


async def test_once_a_minute_each(stage: Stage) -> None:
    ana, ben = await make_users(stage.database, 2)
    asked: list[str] = []

    async def ask(user: str) -> None:
        asked.append(user)

    async with stage.http(ana, ask) as http, stage.http(ben, ask) as other:
        answers = [await each.post(PATH) for each in (http, http, other)]
        assert [each.status_code for each in answers] == [202, 429, 202]
        assert answers[1].json()["code"] == "rate_limited"
        assert 0 < answers[1].json()["retry_after_ms"] <= 60_000
        assert (await http.get(PATH)).status_code == 200, "reading is not limited by it"
    assert asked == [ana, ben]


async def test_nobody_is_told_it_is_done_when_it_cannot_be_asked_for(stage: Stage) -> None:
    (ana,) = await make_users(stage.database, 1)

    async def ask(_user: str) -> None:
        raise Unavailable

    async with stage.http(ana, ask) as http:
        answer = await http.post(PATH)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_they_are_described(stage: Stage) -> None:
    endpoints = mood_pattern_endpoints(stage.database, stage.limits, stage.ask)
    document = describe(endpoints)
    assert document["paths"][PATH].keys() == {"get", "post"}
    assert document["paths"][PATH]["post"]["responses"].keys() >= {"202", "401", "429", "503"}
    assert all(isinstance(each, Endpoint) and each.reply is MoodPatterns for each in endpoints)


def test_a_hub_does_not_load_numpy() -> None:
    code = "import sys, hub.api.mood_patterns; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
