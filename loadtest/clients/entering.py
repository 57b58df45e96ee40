"""Many sessions opened, some at a time."""

import asyncio
import time
from collections.abc import Callable, Sequence

from loadtest.clients.hugs import Member
from loadtest.clients.people import Person
from loadtest.clients.wire import Lost
from loadtest.scenario import Orders

AT_ONCE = 100  # per child: the server is to be busy, not drowned


async def enter_all(
    orders: Orders,
    members: Sequence[Member],
    people: Sequence[Person] | None = None,
    *,
    at_once: int = AT_ONCE,
    on_entered: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """A session for each of *members*, as *people* (of *orders* if not given) in their order; some *at_once*.

    *on_entered* gets the seconds from the first packet to `welcome`. Raises: Lost at the first that fails.
    """
    waiting = list(enumerate(zip(members, orders.people if people is None else people, strict=False)))
    waiting.reverse()

    async def work() -> None:
        while waiting:
            number, (member, person) = waiting.pop()
            began = time.perf_counter()
            await member.enter(orders.url, person, orders.sources[number % len(orders.sources)] or None)
            on_entered(time.perf_counter() - began)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(waiting))):
                group.create_task(work())
    except* Lost as errors:
        raise Lost(f"after {len(members) - len(waiting)} of {len(members)} sessions: {errors.exceptions[0]}") from None
