"""Quiet hours: a part of each day, by the clock on the wall, in which nobody is disturbed.

It is quiet while the clock shows a time from the start up to the end, and between two such moments of one night: where a
change of the clocks shows an hour twice, quiet that has begun goes on until the clock has shown its last quiet minute,
instead of ending and beginning anew. Where a change leaves times out, a start or an end among them is the moment of the
change; quiet hours that lie wholly among them are none that day.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.moods import zone

_DAY = timedelta(days=1)
_MOMENT = timedelta(microseconds=1)


class QuietHours(Struct, frozen=True):
    """From *start* up to *end*, without it, over midnight too; the same time: none. *timezone*: IANA."""

    start: time
    end: time
    timezone: str


def quiet_until(quiet: QuietHours, now: datetime) -> datetime | None:
    """When the quiet hours that hold *now* (aware) end, in UTC and later than *now*; None if it is not quiet.

    Raises: Invalid, if there is no such time zone.
    """
    if quiet.start == quiet.end:
        return None
    today = now.astimezone(zone(quiet.timezone)).date()
    until = now
    for days in (-1, 0, 1):  # where clocks are set back, one night may end when the next has begun
        begins, ends = _night(quiet, today + days * _DAY)
        if begins <= until < ends:
            until = ends
    return until if until > now else None


@lru_cache(maxsize=4096)
def _night(quiet: QuietHours, day: date) -> tuple[datetime, datetime]:
    """From when to when, in UTC, the quiet hours last that begin on *day*. Not later than the beginning: there are none."""
    there = zone(quiet.timezone)
    end_day = day if quiet.start < quiet.end else day + _DAY
    return _first(datetime.combine(day, quiet.start), there), _last(datetime.combine(end_day, quiet.end), there)


def _first(wall: datetime, there: ZoneInfo) -> datetime:
    """When a clock *there* shows *wall* or later for the first time."""
    once, again = (_moment(wall, there, fold) for fold in (0, 1))  # PEP 495: the other way round if it is left out
    return once if once <= again else _change(again, once, there)


def _last(wall: datetime, there: ZoneInfo) -> datetime:
    """When a clock *there* has shown a time before *wall* for the last time."""
    once, again = (_moment(wall, there, fold) for fold in (0, 1))
    if once > again:
        return _change(again, once, there)
    before = (again - _MOMENT).astimezone(there).replace(tzinfo=None)
    return again if before < wall else once  # set back to *wall* itself, it shows nothing earlier again


def _moment(wall: datetime, there: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=there, fold=fold).astimezone(UTC)


def _change(before: datetime, after: datetime, there: ZoneInfo) -> datetime:
    """When the clocks *there* are set forward between the two."""
    seconds = range(int(before.timestamp()), int(after.timestamp()))
    changed = after.astimezone(there).utcoffset()
    found = bisect_left(seconds, True, key=lambda second: datetime.fromtimestamp(second, there).utcoffset() == changed)
    return datetime.fromtimestamp(seconds.start + found, UTC)
