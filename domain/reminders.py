"""When somebody is reminded, and how long that is worth something."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

EVENING_HOUR = 20  # by the clock on the wall
REMINDER_TTL = timedelta(hours=2)

GROUP_AHEAD = timedelta(minutes=10)
GROUP_MADE_BEFORE = timedelta(minutes=20)  # who is invited just before the start knows it
GROUP_TTL_AFTER_START = timedelta(minutes=10)

REQUEST_AHEAD = timedelta(hours=1)
REQUEST_LASTS_OVER = timedelta(hours=2)


def evenings(now: datetime) -> Mapping[str, date]:
    """The time zones in which it is between 20:00 and 21:00 at *now* (aware), each with the date there."""
    local = ((zone.key, now.astimezone(zone)) for zone in _zones())
    return {name: there.date() for name, there in local if there.hour == EVENING_HOUR}


@cache
def _zones() -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in available_timezones() - {"localtime"})
