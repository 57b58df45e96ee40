"""Tasks that nobody waits for: kept alive, their failures logged, all ended when the node ends."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

RESTART_S = 1.0

log = logging.getLogger("hugmood.tasks")


class Tasks:
    """A set whose results are read. Use it as an async context manager."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.failed = 0

    async def __aenter__(self) -> "Tasks":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run *work* in the background."""
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)

    def keep(self, loop: Callable[[], Coroutine[object, object, None]], name: str) -> None:
        """Run *loop*, which is meant never to end; should it fail, run it again."""
        self.start(self._again(loop, name), name)

    async def _again(self, loop: Callable[[], Coroutine[object, object, None]], name: str) -> None:
        while True:
            try:
                await loop()
            except Exception:
                self.failed += 1
                log.exception("a loop failed and is started again", extra={"task": name})
            await asyncio.sleep(RESTART_S)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed += 1
            log.error("a background task failed", exc_info=error, extra={"task": task.get_name()})
