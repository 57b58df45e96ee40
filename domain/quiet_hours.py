"""Quiet hours: a part of each day, by the clock on the wall, in which nobody is disturbed."""

from datetime import datetime, time

from msgspec import Struct


class QuietHours(Struct, frozen=True):
    """From *start* up to *end*, without it, over midnight too; the same time: none. *timezone*: IANA."""

    start: time
    end: time
    timezone: str


def quiet_until(quiet: QuietHours, now: datetime) -> datetime | None:
    """When the quiet hours that hold *now* (aware) end, in UTC and later than *now*; None if it is not quiet."""
    raise NotImplementedError
