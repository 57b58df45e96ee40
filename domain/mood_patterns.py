"""What goes with the moods of one person: their days, by valence and by arousal, on the same day and on the one after.

Invariant: what is told has passed Benjamini–Hochberg at 10 % over everything that was tested for that person, of all
four together. It is approximate, as the sample size is (`loadtest.pattern_errors` measures what is left).
"""

from collections.abc import Mapping, Sized
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from domain.mood_days import PAIRED_DAYS_MIN, MoodDays
from domain.patterns import DAYS_ON_EACH_SIDE_MIN, Days, Pattern, benjamini_hochberg, examine
from domain.streaks import DAY

LAGS = (0, 1)  # days
NAMES_MAX = 100  # factors, and as many tags: those of most days

OfDays = TypeVar("OfDays", bound=Sized)


class Course(StrEnum):
    """What of a mood."""

    VALENCE = "valence"
    AROUSAL = "arousal"


class Found(Struct, frozen=True):
    """*lag*: by how many days the moods come later than what goes with them."""

    pattern: Pattern
    goes_with: Course
    lag: int


def find_in_days(days: MoodDays) -> list[Found]:
    """What this person is to be told, the strongest first.

    Not the day after where the day itself is told already: moods last, so that would mostly be its echo.
    Raises: ValueError for a number that is not finite.
    """
    told = [found for found in examine_days(days) if found.pattern.is_told]
    at_once = {_what(found) for found in told if not found.lag}
    return [found for found in told if not found.lag or _what(found) not in at_once]


def examine_days(days: MoodDays) -> list[Found]:
    """All that there are enough days of, told or not, the strongest first.

    Raises: ValueError for a number that is not finite.
    """
    factors = _of_most_days(days.factors, PAIRED_DAYS_MIN)
    tags = _of_most_days(days.tags, DAYS_ON_EACH_SIDE_MIN)
    tested = [
        Found(pattern, course, lag)
        for course, moods in ((Course.VALENCE, days.valence), (Course.AROUSAL, days.arousal))
        for lag in LAGS
        for pattern in examine(_later(moods, lag), factors, tags)
    ]
    adjusted = benjamini_hochberg([found.pattern.p for found in tested])
    corrected = [replace(found, pattern=replace(found.pattern, q=q)) for found, q in zip(tested, adjusted, strict=True)]
    return sorted(corrected, key=lambda found: (-abs(found.pattern.rho), _what(found), found.lag))


def _later(moods: Days, lag: int) -> Days:
    """The moods of *lag* days later, by the day before them: only days with an entry, as of others nothing is known."""
    return {day: moods[day + lag * DAY] for day in moods if day + lag * DAY in moods}


def _of_most_days(named: Mapping[str, OfDays], least: int) -> dict[str, OfDays]:
    enough = [name for name, days in named.items() if len(days) >= least]
    enough.sort(key=lambda name: (-len(named[name]), name))
    return {name: named[name] for name in enough[:NAMES_MAX]}


def _what(found: Found) -> tuple[str, bool, Course]:
    return found.pattern.name, found.pattern.is_tag, found.goes_with
