"""Reminders: a streak that is at risk, a group hug that is about to start, a request that nobody has answered.

What is due stands in PostgreSQL and is looked for again and again; each becomes one notification for each user and cause
(storage/notices.py), whoever looks and how often. From there on it goes the way of all notifications.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from domain.ids import uuid7
from domain.preferences import Category
from domain.reminders import GROUP_TTL_AFTER_START, REMINDER_TTL, evenings
from domain.times import from_ms, rfc3339, to_ms
from protocol.events import Notification
from storage.mood_patterns import NOBODY
from storage.notices import NewNotice, add_notices
from storage.postgres import Database
from storage.reminders import GROUP_STARTING, REQUEST_EXPIRING, Ahead, load_expiring, load_starting
from storage.ringing import Ringing
from storage.streak_risk import AtRisk, load_at_risk
from workers.retry import Job

STREAK_AT_RISK = "streak.at_risk"
STREAKS_EVERY_MIN = 10  # an evening is an hour long
LOOK_AT_S = frozenset({13})
BATCH_MAX = 500
TIMEOUT_S = 50.0

log = logging.getLogger("hugmood.reminders")


class Reminders:
    """What the queue `push` does for reminders. *clock*: Unix ms."""

    def __init__(self, database: Database, ringing: Ringing, clock: Callable[[], int]) -> None:
        self._database = database
        self._ringing = ringing
        self._clock = clock

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.PUSH` is given."""
        minutes = frozenset(range(0, 60, STREAKS_EVERY_MIN))
        return [
            Job("reminders.streaks", self.remind_streaks, timeout_s=TIMEOUT_S, minutes=minutes),
            Job("reminders.groups", self.remind_groups, timeout_s=TIMEOUT_S, seconds=LOOK_AT_S),
            Job("reminders.requests", self.remind_requests, timeout_s=TIMEOUT_S, seconds=LOOK_AT_S),
        ]

    async def remind_streaks(self) -> None:
        """Tell whoever wants it, once an evening, that today still counts for nothing. Raises: Unavailable."""
        now = from_ms(self._clock())
        causes = {zone: f"{STREAK_AT_RISK}:{today}" for zone, today in evenings(now).items()}
        after: str | None = NOBODY
        while after is not None:
            found, after = await load_at_risk(self._database, causes, now, after, BATCH_MAX)
            await self._add([_streak(one, now) for one in found])

    async def remind_groups(self) -> None:
        """Tell who is part of a group hug that it is about to start. Raises: Unavailable."""
        now = from_ms(self._clock())
        is_more = True
        while is_more:
            found = await load_starting(self._database, now, BATCH_MAX)
            is_more = await self._add([_starting(one, now) for one in found]) == BATCH_MAX

    async def remind_requests(self) -> None:
        """Tell who was asked for a hug that there is an hour left. Raises: Unavailable."""
        now = from_ms(self._clock())
        is_more = True
        while is_more:
            found = await load_expiring(self._database, now, BATCH_MAX)
            is_more = await self._add([_expiring(one, now) for one in found]) == BATCH_MAX

    async def _add(self, notices: Sequence[NewNotice]) -> int:
        """How many were new, and were rung."""
        events = await add_notices(self._database, notices)
        await self._ringing.ring(events)
        if events:
            log.info("people reminded", extra={"about": notices[0].event.about, "people": len(events)})
        return len(events)


def _streak(one: AtRisk, now: datetime) -> NewNotice:
    data = {"days": str(one.days), "date": str(one.today)}
    cause = f"{STREAK_AT_RISK}:{one.today}"
    return _notice(one.user, cause, STREAK_AT_RISK, Category.STREAKS, data, now, now + REMINDER_TTL)


def _starting(one: Ahead, now: datetime) -> NewNotice:
    data = {"group": one.id, "starts_at": rfc3339(to_ms(one.at))}
    expires = one.at + GROUP_TTL_AFTER_START
    return _notice(one.user, one.cause, GROUP_STARTING, Category.GROUPS, data, now, expires)


def _expiring(one: Ahead, now: datetime) -> NewNotice:
    data = {"request": one.id, "ends_at": rfc3339(to_ms(one.at))}  # nobody's name: they may be blocked a moment later
    expires = min(one.at, now + REMINDER_TTL)
    return _notice(one.user, one.cause, REQUEST_EXPIRING, Category.REQUESTS, data, now, expires)


def _notice(
    user: str, cause: str, about: str, category: Category, data: dict[str, str], now: datetime, expires: datetime
) -> NewNotice:
    event = Notification(
        at=rfc3339(to_ms(now)), about=about, category=category, data=data, expires_at=rfc3339(to_ms(expires))
    )
    return NewNotice(user, cause, uuid7(to_ms(now)), event)
