"""A person's entries as days: what patterns are looked for in. Pure.

Invariant: one value per local day for valence and for each factor, and for each tag whether the day has it.
Several entries of a day become one so:

- valence: the mean of the day's entries;
- a tag: the day has it if any entry has it;
- a factor that is yes or no: yes if any entry says yes, no if one says no and none yes;
- a factor that is a number: the mean of those entries that tell it; where somebody mixes the two on one day, a yes is
  1 and a no is 0.

A day on which nobody told a factor has no value of it: nothing is filled in.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date

from msgspec import Struct

PAIRED_DAYS_MIN = 21


class MoodEntry(Struct, frozen=True, gc=False):
    """What of an entry patterns go by."""

    day: date  # on the calendar of whoever felt it
    valence: float
    tags: Sequence[str]
    factors: Mapping[str, float | bool]


class MoodDays(Struct, frozen=True):
    """Each by local date. *tags*: on which dates each was given."""

    valence: Mapping[date, float]
    factors: Mapping[str, Mapping[date, float | bool]]
    tags: Mapping[str, Set[date]]


def merge_days(entries: Iterable[MoodEntry]) -> MoodDays:
    """One value per day. The order of *entries* does not matter."""
    valence: dict[date, list[float]] = defaultdict(list)
    factors: dict[str, dict[date, list[float | bool]]] = defaultdict(lambda: defaultdict(list))
    tags: dict[str, set[date]] = defaultdict(set)
    for entry in entries:
        valence[entry.day].append(entry.valence)
        for name, value in entry.factors.items():
            factors[name][entry.day].append(value)
        for name in entry.tags:
            tags[name].add(entry.day)
    return MoodDays(
        valence={day: math.fsum(values) / len(values) for day, values in valence.items()},
        factors={name: {day: _told(values) for day, values in days.items()} for name, days in factors.items()},
        tags=dict(tags),
    )


def _told(values: Sequence[float | bool]) -> float | bool:
    if all(isinstance(value, bool) for value in values):
        return any(values)
    return math.fsum(values) / len(values)
