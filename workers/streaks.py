"""What the night does to streaks: a date that has closed without an entry costs a freeze, in everybody's own time zone.

When that is stands with each book (`due_at`), so nothing is looked at that is not due, and a night that nobody worked
through is made up for.
"""

import logging
from collections.abc import Callable

from domain.times import from_ms
from storage.postgres import Database
from storage.ringing import Ringing
from storage.streak_book import reckon_due, streak_updated
from workers.retry import Job

BOOKS_AT_ONCE = 500
LOOK_SECONDS = frozenset({7, 37})

log = logging.getLogger("hugmood.streaks")


class StreakNights:
    """The job of streaks in the queue `moods`."""

    def __init__(self, database: Database, ringing: Ringing, clock: Callable[[], int]) -> None:
        self._database = database
        self._ringing = ringing
        self._clock = clock

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.MOODS` is given."""
        return [Job("streaks.reckon", self.reckon, timeout_s=25, seconds=LOOK_SECONDS)]

    async def reckon(self) -> None:
        """Reckon every streak that is due, and tell whose it is. Raises: Unavailable."""
        total = 0
        while True:
            reckonings, events = await reckon_due(self._database, from_ms(self._clock()), BOOKS_AT_ONCE)
            if not reckonings:
                break
            await self._ringing.ring(events)
            await self._ringing.tell_each([(user, streak_updated(found)) for user, found in reckonings.items()])
            total += len(reckonings)
        if total:
            log.info("streaks reckoned", extra={"books": total})
