"""The node's one timer: everything that is due at a certain second, in buckets by the second.

Keepalive, `hello` deadlines, token expiry, stalled writes and half-open closes are all asked from
here, so that no connection owns a timer. Invariant: an item is in the bucket of its `due`; entries
left in other buckets are stale and skipped.
"""

import asyncio
import logging
import time
from typing import Protocol

RETRY_S = 5

log = logging.getLogger("hugmood.sweep")


class Due(Protocol):
    """What can be asked at a certain second."""

    due: int

    def check(self, now: int) -> int:
        """Do what is due at second *now*; the next second to be asked at, or 0 for never again."""


class Sweep:
    """`now` is the monotonic clock in whole seconds: cheap to read, as precise as any deadline here."""

    def __init__(self) -> None:
        self.now = int(time.monotonic())
        self.lag_s = 0.0  # how late the last sweep began: the event loop's lag
        self._buckets: dict[int, list[Due]] = {}

    def add(self, item: Due, due: int) -> None:
        """Ask *item* at second *due*, and no longer at any other."""
        item.due = due = max(due, self.now + 1)
        bucket = self._buckets.get(due)
        if bucket is None:
            self._buckets[due] = [item]
        else:
            bucket.append(item)

    def coming(self) -> int:
        """The next second, also when the last sweep was late: what is counted from it never lasts too short."""
        return max(self.now, int(time.monotonic())) + 1

    async def run(self) -> None:
        """Sweep every second until cancelled."""
        while True:
            planned = time.monotonic() + 1.0
            await asyncio.sleep(1.0)
            self.lag_s = max(0.0, time.monotonic() - planned)
            self.sweep(int(time.monotonic()))

    def sweep(self, now: int) -> None:
        """Ask everything that is due up to and including second *now*."""
        for second in range(self.now + 1, now + 1):
            self.now = second
            for item in self._buckets.pop(second, ()):
                if item.due == second:
                    self._ask(item, second)

    def _ask(self, item: Due, second: int) -> None:
        try:
            due = item.check(second)
        except Exception:  # one item's trouble is not the others'
            log.exception("a check failed")
            due = second + RETRY_S
        if due:
            self.add(item, due)
