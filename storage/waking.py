"""Wakes a worker by a deduplicated job, as seldom as possible and not once too few.

Invariant: after the last `soon` a job begins, or the periodic look of the workers is as soon as it would be.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine

from domain.errors import Unavailable

WAKE_EVERY_S = 0.25
WAKE_TRIES = 20  # of a job that is at its end just now; after that the periodic look is as soon

log = logging.getLogger("hugmood.waking")


class Waking:
    """One job that is asked for again and again."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[bool]],
        start: Callable[[Coroutine[object, object, None], str], object],
        name: str,
    ) -> None:
        """*ask* enqueues the job; False: one waits or runs already. *start* runs work in the background."""
        self._ask = ask
        self._start = start
        self._name = name
        self._is_waking = False
        self._has_news = False

    def soon(self) -> None:
        """There is something to do that no job knows of yet."""
        self._has_news = True
        if not self._is_waking:
            self._is_waking = True
            self._start(self._wake(), f"waking a worker for {self._name}")

    async def _wake(self) -> None:
        refused = 0
        try:
            while self._has_news and refused < WAKE_TRIES:
                self._has_news = False
                if await self._ask():
                    refused = 0
                else:  # one runs, and may have looked for the last time
                    self._has_news = True
                    refused += 1
                await asyncio.sleep(WAKE_EVERY_S)
        except Unavailable:
            log.info("no worker was woken: redis is away", extra={"what": self._name})
        finally:
            self._is_waking = False
