"""`hugmood send-test-push`: notify somebody by way of everything that a notification goes through, and watch it."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial

import asyncpg

from deploy.reach import Servers, operate
from domain.ids import uuid7
from domain.notifications import Reason
from domain.preferences import Category
from domain.reasons import in_words
from domain.times import rfc3339, to_ms
from hub.tasks import Tasks
from protocol.events import Notification
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.inbox import InboxEvent
from storage.jobs import JobQueue, open_pool
from storage.notices import NewNotice, add_notices
from storage.postgres import Database
from storage.push_course import FINAL, Course, Stretch, find_user, load_course
from storage.push_queue import PushQueue
from storage.redis import RedisLink
from storage.ringing import Ringing

TITLE, BODY = "Test from HugMood", "If you can read this, notifications reach you."
TTL_MS = 3_600_000
POLL_S = 0.2
NAME = "send-test-push"  # among nodes and workers
EXIT_NOT_THERE = 1
_SHORT_WAITS = (None, Reason.CONNECTED, Reason.PRESENCE_UNKNOWN)  # None: it has just been taken in


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if it has not come to anybody. Raises: CannotStart."""
    return operate(arguments, environment, partial(_send, arguments))


async def _send(arguments: argparse.Namespace, servers: Servers, _connection: asyncpg.Connection) -> int:
    if servers.is_started:
        print(f"Nothing runs on {arguments.data}, so no worker would send it: run `hugmood up`.", file=sys.stderr)
        return EXIT_NOT_THERE
    async with Database(servers.database_url) as database:
        user = await find_user(database, arguments.user)
        if user is None:
            print(f"There is no user {arguments.user}.", file=sys.stderr)
            return EXIT_NOT_THERE
        now_ms = time.time_ns() // 1_000_000
        async with AsyncExitStack() as stack:
            (event,) = await add_notices(database, [_notice(user, now_ms)])
            await _ring(stack, servers, event)
            print(
                f"Notification {event.seq} of {user} is made, and watched for {arguments.within:g} s.", file=sys.stderr
            )
            course = await _watch(database, user, event.seq, arguments.within)
    for line in explain(course):
        print(line)
    return 0 if has_come(course) else EXIT_NOT_THERE


def _notice(user: str, now_ms: int) -> NewNotice:
    number = uuid7(now_ms)
    event = Notification(
        at=rfc3339(now_ms),
        about="notice",
        category=Category.HUGS,
        title=TITLE,
        body=BODY,
        expires_at=rfc3339(now_ms + TTL_MS),
    )
    return NewNotice(user, f"test:{number}", number, event)


async def _ring(stack: AsyncExitStack, servers: Servers, event: InboxEvent) -> None:
    """Tell sessions and workers of *event*, as long as *stack* is open; without Redis they find it by themselves."""
    if servers.redis_url is None or servers.jobs_redis_url is None:
        print("HUGMOOD_REDIS_URL is not set: workers find it within a minute, not at once.", file=sys.stderr)
        return
    link = await stack.enter_async_context(RedisLink(servers.redis_url))
    jobs = JobQueue(await stack.enter_async_context(open_pool(servers.jobs_redis_url)))
    tasks = await stack.enter_async_context(Tasks())
    queue = PushQueue(link, jobs, tasks.start, NAME)
    await Ringing(Directory(link, NAME), Doorbell(link, NAME), queue.add).ring([event])


async def _watch(database: Database, user: str, seq: int, within_s: float) -> Course:
    """As far as it has come when nothing more is to be expected, or time is over."""
    course = await load_course(database, user, seq)
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not is_settled(course):
                await asyncio.sleep(POLL_S)
                course = await load_course(database, user, seq)
    return course


def is_settled(course: Course) -> bool:
    """Will nothing more happen soon?"""
    if course.stretches:
        return all(stretch.state in FINAL for stretch in course.stretches)
    if course.state == "waiting":
        return course.reason not in _SHORT_WAITS
    return course.is_acked or course.state in ("suppressed", "expired")


def has_come(course: Course) -> bool:
    """Is it with a device, or with a provider that has taken it?"""
    return course.is_acked or any(stretch.state in ("accepted", "opened") for stretch in course.stretches)


def explain(course: Course) -> Iterator[str]:
    """A line for each device or, where there is none, why."""
    for stretch in course.stretches:
        yield _line(stretch)
    if course.stretches:
        return
    if course.is_acked:
        yield "Not pushed: a connected device has it already."
    elif course.state == "waiting":
        until = f" until {rfc3339(to_ms(course.due_at))}" if course.due_at is not None else ""
        yield f"Not pushed yet: {in_words(course.reason) or 'nothing is decided'}. It waits{until}."
    elif course.state in ("suppressed", "expired"):
        yield f"Not pushed: {in_words(course.reason or Reason.EXPIRED)}."
    elif course.state == "sent":
        yield "It was handed on, but no delivery was made of it."
    else:
        yield "Not pushed: no worker has looked at it. Does one run, on this database and with the queue of pushes?"
    if not course.devices:
        yield "No device of this user can be pushed to: none is registered."


def _line(stretch: Stretch) -> str:
    where = f"{stretch.device} ({stretch.provider})" if stretch.device is not None else stretch.provider
    is_open = stretch.state not in FINAL
    said = [
        stretch.state + (", and not done yet" if is_open else ""),
        in_words(stretch.reason),
        stretch.answer,
    ]
    return f"{where}: {'; '.join(filter(None, said))}"
