"""`hugmood dead-jobs`: what workers gave up, for a person to look at, to run again or to forget.

Invariant: a job leaves the table only when it waits in its queue again, or when it is dropped by its id or queue.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import asyncpg

from deploy.children import CannotStart
from deploy.dead_jobs import as_json, as_lines, as_page, why_not_again
from deploy.reach import Servers, operate
from storage import dead_jobs
from storage.dead_jobs import KeptJob
from storage.jobs import JobQueue, open_pool, parse_job
from storage.queues import Queue

BATCH = 200
EXIT_SOME_LEFT = 1


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if something that was asked for could not be done. Raises: CannotStart."""
    if arguments.action in {"requeue", "drop"} and not _names_jobs(arguments):
        raise CannotStart("Give the ids of jobs, or --all with --queue.")
    work = {"list": _list, "show": _show, "requeue": _requeue, "drop": _drop}[arguments.action]
    return operate(arguments, environment, partial(work, arguments))


def _names_jobs(arguments: argparse.Namespace) -> bool:
    if arguments.all:
        return arguments.queue is not None and not arguments.ids
    return bool(arguments.ids) and arguments.queue is None


async def _list(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    jobs = await dead_jobs.load_newest(connection, arguments.queue, arguments.function, arguments.limit + 1)
    shown = jobs[: arguments.limit]
    for line in map(as_json, shown) if arguments.json else as_lines(shown):
        print(line)
    if not jobs:
        _say("There is none.")
    if len(jobs) > len(shown):
        _say(f"There are more than these {len(shown)}: see --limit.")
    return 0


async def _show(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    jobs = await dead_jobs.load(connection, arguments.ids)
    print("\n\n".join(as_json(job) if arguments.json else as_page(job) for job in jobs))
    return _tell_missing(arguments.ids, jobs)


async def _requeue(arguments: argparse.Namespace, servers: Servers, connection: asyncpg.Connection) -> int:
    if servers.jobs_redis_url is None:
        raise CannotStart("Redis does not run: start `hugmood up`, or name it in HUGMOOD_REDIS_URL.")
    asked = await _find(arguments, connection)
    done, found = 0, 0
    async with open_pool(servers.jobs_redis_url) as redis:
        queue = JobQueue(redis)
        for start in range(0, len(asked), BATCH):
            jobs = await dead_jobs.load(connection, asked[start : start + BATCH])
            found += len(jobs)
            for job in jobs:
                if reason := await _put_back(queue, job):
                    _say(f"{job.id} stays: {reason}")
                    continue
                await dead_jobs.delete(connection, [job])
                done += 1
    print(f"{_count(done)} put back into the queue.")
    return _tell_left(len(asked), found, done)


async def _put_back(queue: JobQueue, dead: KeptJob) -> str | None:
    """Why it cannot be; None once Redis has it. Raises: Unavailable."""
    job, reason = parse_job(dead.payload), why_not_again(dead)
    if job is None or reason:
        return reason
    if await queue.put_back(Queue(dead.queue), dead.job_id, job):
        return None
    return "a job with this id waits or runs already."


async def _drop(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    asked = await _find(arguments, connection)
    dropped = 0
    for start in range(0, len(asked), BATCH):
        jobs = await dead_jobs.load(connection, asked[start : start + BATCH])
        await dead_jobs.delete(connection, jobs)
        dropped += len(jobs)
    print(f"{_count(dropped)} dropped.")
    return _tell_left(len(asked), dropped, dropped)


async def _find(arguments: argparse.Namespace, connection: asyncpg.Connection) -> list[int]:
    if arguments.all:
        return await dead_jobs.find_ids(connection, arguments.queue)
    return sorted(set(arguments.ids))


def _tell_missing(ids: Sequence[int], jobs: Sequence[KeptJob]) -> int:
    missing = sorted(set(ids) - {job.id for job in jobs})
    for number in missing:
        _say(f"There is no dead job {number}.")
    return EXIT_SOME_LEFT if missing else 0


def _tell_left(asked: int, found: int, done: int) -> int:
    if found < asked:
        _say(f"{asked - found} of {asked} were not there (any more).")
    return 0 if done == asked else EXIT_SOME_LEFT


def _count(jobs: int) -> str:
    return "1 job" if jobs == 1 else f"{jobs} jobs"


def _say(line: str) -> None:
    print(line, file=sys.stderr)
