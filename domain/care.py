"""When somebody is gently shown where to find help: after days that were heavy, rarely, and only to themselves.

Invariant: nothing is measured here that could be told: what comes out is yes or no, and no is what others are not told either.
"""

from collections.abc import Mapping
from datetime import date, timedelta

LOOKED_AT_DAYS = 7  # today is one of them
HEAVY_DAYS = 5  # of those
HEAVY_VALENCE = -0.6  # mean of a day, or below
QUIET_DAYS = 14  # from one time to the next
VERIFIED_FOR_DAYS = 180  # how long a resource is believed


def is_prompt_due(days: Mapping[date, float], today: date, last_shown: date | None) -> bool:
    """Would a gentle word be in place? *days*: the mean valence of each local date with an entry.

    *last_shown*: the local date on which it was shown the last time.
    """
    if last_shown is not None and today - last_shown < timedelta(days=QUIET_DAYS):
        return False
    looked_at = (today - timedelta(days=ago) for ago in range(LOOKED_AT_DAYS))
    return sum(day in days and days[day] <= HEAVY_VALENCE for day in looked_at) >= HEAVY_DAYS


def is_stale(last_verified: date, today: date) -> bool:
    """Has nobody looked for too long whether a resource is still there?"""
    return today - last_verified > timedelta(days=VERIFIED_FOR_DAYS)
