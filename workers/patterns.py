"""What goes with moods, found for one user when they ask, and each night for all who have logged something lately.

Invariant: what a night has done stands in `mood_patterns`, nowhere else: a worker that is killed, or two that run at
once, cost at most that something is found twice. The night is gone through in short runs with rests between, so that
moods, which are saved by the same workers, never wait for it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from domain.errors import Unavailable
from domain.mood_days import PAIRED_DAYS_MIN, MoodEntry, merge_days
from domain.pattern_words import sentence
from domain.patterns import Pattern, Strength, examine
from domain.times import from_ms, rfc3339, to_ms
from protocol import rest_moods
from protocol.rest_moods import MoodPattern, MoodPatterns
from storage.mood_patterns import FIND, NOBODY, load_entries, load_loggers, save_patterns
from storage.postgres import Database
from workers.retry import Job

NIGHT_FROM_HOUR = 2  # UTC
LATELY = timedelta(days=7)
AT_ONCE = 2  # users, in each worker
PAGE = 50
RUN_EVERY_MINUTE_AT_S = 37
RUN_S = 15.0  # then it rests until the next minute
TIMEOUT_S = 30.0  # short: a queue waits for the longest of its jobs before it takes over those of a dead worker

_STRENGTHS = {
    Strength.EARLY_HINT: rest_moods.Strength.EARLY_HINT,
    Strength.PATTERN: rest_moods.Strength.PATTERN,
}

log = logging.getLogger("hugmood.patterns")


class PatternCare:
    """What the queue `moods` does for patterns. *clock*: Unix ms."""

    def __init__(self, database: Database, clock: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._night: datetime | None = None  # the one that this worker goes through, or has been through
        self._after = NOBODY
        self._is_through = False

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.MOODS` is given."""
        seconds = frozenset({RUN_EVERY_MINUTE_AT_S})
        return [
            Job(FIND, self.find, timeout_s=TIMEOUT_S),
            Job("patterns.nightly", self.go_on, timeout_s=TIMEOUT_S, seconds=seconds),
        ]

    async def find(self, user: str) -> None:
        """Find and keep what goes with the moods of *user*. Raises: Unavailable."""
        async with self._turns:
            now = from_ms(self._clock())
            entries = await load_entries(self._database, user, now)
            found = await asyncio.to_thread(find_patterns, entries, now)
            await save_patterns(self._database, user, found, now)

    async def go_on(self) -> None:
        """Go on with this night, and rest after the first page that ends 15 s on. Raises: Unavailable.

        After a failure the next run begins with the same page; a worker that was started meanwhile, with the first
        one: in both cases whoever is done already is passed over.
        """
        night = night_of(from_ms(self._clock()))
        if night != self._night:
            self._night, self._after, self._is_through = night, NOBODY, False
        until = time.monotonic() + RUN_S
        while not self._is_through:
            await self._page(night)
            if time.monotonic() >= until:
                return

    async def _page(self, night: datetime) -> None:
        page = await load_loggers(self._database, from_ms(self._clock()) - LATELY, self._after, PAGE)
        due = [each.user for each in page if each.computed_at is None or each.computed_at < night]
        for start in range(0, len(due), AT_ONCE):
            await self._find_for(due[start : start + AT_ONCE])
        self._is_through = len(page) < PAGE
        if page:
            self._after = page[-1].user

    async def _find_for(self, users: Sequence[str]) -> None:
        """All at once. One whose entries make trouble stops nobody else's night. Raises: Unavailable."""
        outcomes = await asyncio.gather(*map(self.find, users), return_exceptions=True)
        for user, outcome in zip(users, outcomes, strict=True):
            if isinstance(outcome, Unavailable):
                raise outcome
            if outcome is not None:
                log.error("no patterns because of an error", extra={"user": user}, exc_info=outcome)


def night_of(now: datetime) -> datetime:
    """When the night began that is or was the last one at *now*."""
    begin = now.replace(hour=NIGHT_FROM_HOUR, minute=0, second=0, microsecond=0)
    return begin if begin <= now else begin - timedelta(days=1)


def find_patterns(entries: Sequence[MoodEntry], now: datetime) -> MoodPatterns:
    """What is told to the one who has logged *entries*. Computes for up to a second: not on the event loop."""
    days = merge_days(entries)
    tested = examine(days.valence, days.factors, days.tags)
    return MoodPatterns(
        computed_at=rfc3339(to_ms(now)),
        days=len(days.valence),
        needed=PAIRED_DAYS_MIN,
        patterns=[_told(pattern) for pattern in tested if pattern.is_told],
    )


def _told(pattern: Pattern) -> MoodPattern:
    contrast = pattern.contrast
    return MoodPattern(
        kind="tag" if pattern.is_tag else "factor",
        name=pattern.name,
        strength=_STRENGTHS[pattern.strength],
        rho=pattern.rho,
        days=pattern.n,
        sentence=sentence(pattern),
        difference=contrast.difference if contrast is not None else None,
        days_with=contrast.days_with if contrast is not None else None,
        days_without=contrast.days_without if contrast is not None else None,
    )
