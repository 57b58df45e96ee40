"""A worker process with jobs for tests: `python -m tests.support.job_worker DATABASE_URL REDIS_URL`.

Its jobs leave rows in a table `effects(key primary key, starts)`. It prints `ready` when it takes jobs.
"""

import asyncio
import signal
import sys
from functools import partial

from storage import dead_jobs
from storage.jobs import open_pool
from storage.postgres import Database
from storage.queues import Queue
from workers.counts import JobCounts
from workers.retry import Job
from workers.runner import Runner

GRACE_S = 1.0
TIMEOUT_S = 2.0


class Jobs:
    """Idempotent by their key, as all jobs must be."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def _start(self, key: str) -> int:
        starts: int = await self._database.fetchval(
            "insert into effects as e (key, starts) values ($1, 1)"
            " on conflict (key) do update set starts = e.starts + 1 returning starts",
            key,
        )
        return starts

    async def hang_first(self, key: str) -> None:
        """The first start never ends; the second one does at once."""
        if await self._start(key) == 1:
            await asyncio.Event().wait()

    async def take_a_moment(self, key: str) -> None:
        """Half a second of work."""
        await self._start(key)
        await asyncio.sleep(0.5)  # it stands for work: nothing waits on this clock
        await self._database.execute("update effects set is_done = true where key = $1", key)

    def all(self) -> list[Job]:
        """What the runner is given."""
        return [
            Job("test.hang_first", self.hang_first, timeout_s=TIMEOUT_S),
            Job("test.take_a_moment", self.take_a_moment, timeout_s=TIMEOUT_S),
        ]


async def main(database_url: str, redis_url: str) -> None:
    """Run until SIGTERM."""
    async with Database(database_url) as database, open_pool(redis_url) as redis:
        await database.execute(
            "create table if not exists effects (key text primary key, starts int, is_done boolean default false)"
        )
        bury = partial(dead_jobs.save, database)
        runner = Runner(Queue.CARE, Jobs(database).all(), redis, bury, JobCounts(), grace_s=GRACE_S)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, runner.stop)
        print("ready", flush=True)  # noqa: T201  the test waits for it
        await runner.run(stop_wait_s=10)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
