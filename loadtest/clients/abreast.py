"""Doing the same with many, some at once, and waiting for what is still under way."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from loadtest.clients.wire import Lost

LOOK_EVERY_S = 0.05

Item = TypeVar("Item")


async def abreast(items: Iterable[Item], work: Callable[[Item], Awaitable[None]], at_once: int) -> None:
    """*work* for each of *items*, in their order, *at_once* at a time. The first that is lost ends it. Raises: Lost."""
    waiting = iter(items)

    async def work_on() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work_on())
    except* Lost as errors:
        raise Lost(str(errors.exceptions[0])) from None


async def settled(is_done: Callable[[], bool], progress: Callable[[], int], quiet_s: float) -> bool:
    """True once *is_done*; False when *progress*, a count, has stood still for *quiet_s*."""
    seen, since = progress(), time.perf_counter()
    while not is_done():
        await asyncio.sleep(LOOK_EVERY_S)
        count, now = progress(), time.perf_counter()
        if count != seen:
            seen, since = count, now
        elif now - since > quiet_s:
            return False
    return True
