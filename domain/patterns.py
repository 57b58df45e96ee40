"""What goes with better or worse moods, told only where chance is an unlikely reason. Pure functions of local days.

Invariant: nothing is tested on too few days, and q is corrected for everything that was tested together. A pattern
never says what causes what.
"""

import math
from collections.abc import Iterator, Mapping, Sequence, Set, Sized
from datetime import date
from enum import StrEnum
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from domain.mood_days import PAIRED_DAYS_MIN
from domain.ranks import correlate

PATTERN_FROM_DAYS = 60
DAYS_ON_EACH_SIDE_MIN = 8
FALSE_DISCOVERIES_MAX = 0.10
RHO_MIN = 0.3
NAMES_MAX = 100  # factors, and as many tags: those of most days

Days = Mapping[date, float]  # the mean valence of each local day that has an entry
Factor = Mapping[date, float | bool]
OfDays = TypeVar("OfDays", bound=Sized)


class Strength(StrEnum):
    """By the number of paired days."""

    EARLY_HINT = "early hint"
    PATTERN = "pattern"


class Contrast(Struct, frozen=True):
    """*difference*: mean valence on the days with, less that on the days without."""

    difference: float
    days_with: int
    days_without: int


class Pattern(Struct, frozen=True):
    """A factor or tag beside the moods of the same days. *p* is before the correction for many tests, *q* after it."""

    name: str
    is_tag: bool
    strength: Strength
    rho: float
    p: float
    q: float
    n: int  # paired days
    n_eff: float  # how many independent days they are worth
    contrast: Contrast | None  # for what there either is or is not: tags, true and false, 1 and 0

    @property
    def is_told(self) -> bool:
        """Is it likely enough, strong enough, and the same by ranks and by means?"""
        is_clear = self.contrast is None or self.contrast.difference * self.rho > 0
        return self.q <= FALSE_DISCOVERIES_MAX and abs(self.rho) >= RHO_MIN and is_clear


def examine(days: Days, factors: Mapping[str, Factor], tags: Mapping[str, Set[date]]) -> list[Pattern]:
    """All that there are enough days of, told or not, the strongest first.

    Raises: ValueError for a number that is not finite.
    """
    _refuse_what_is_not_finite(days, "valence")
    for name, factor in factors.items():
        _refuse_what_is_not_finite(factor, name)
    tested = list(_test_each(days, _of_most_days(factors), _of_most_days(tags)))
    adjusted = benjamini_hochberg([pattern.p for pattern in tested])
    patterns = [replace(pattern, q=q) for pattern, q in zip(tested, adjusted, strict=True)]
    return sorted(patterns, key=lambda pattern: (-abs(pattern.rho), pattern.name, pattern.is_tag))


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """The smallest rate of false discoveries at which each of them would still be one (Benjamini, Hochberg 1995)."""
    adjusted = [1.0] * len(ps)
    least = 1.0
    falling = sorted(range(len(ps)), key=lambda at: ps[at], reverse=True)
    for better, at in enumerate(falling):
        least = min(least, ps[at] * (len(ps) / (len(ps) - better)))
        adjusted[at] = least
    return adjusted


def _of_most_days(named: Mapping[str, OfDays]) -> dict[str, OfDays]:
    most = sorted(named, key=lambda name: (-len(named[name]), name))
    return {name: named[name] for name in most[:NAMES_MAX]}


# One factor or tag


def _test_each(days: Days, factors: Mapping[str, Factor], tags: Mapping[str, Set[date]]) -> Iterator[Pattern]:
    for name, factor in factors.items():
        paired = sorted(days.keys() & factor.keys())
        yield from _test(name, [days[day] for day in paired], [float(factor[day]) for day in paired])
    everyday = sorted(days)
    for name, given in tags.items():
        yield from _test(name, [days[day] for day in everyday], [float(day in given) for day in everyday], is_tag=True)


def _test(name: str, moods: list[float], values: list[float], *, is_tag: bool = False) -> Iterator[Pattern]:
    """Nothing where there is too little to say anything about."""
    different = set(values)
    if len(values) < PAIRED_DAYS_MIN or len(different) == 1 or len(set(moods)) == 1:
        return
    if len(different) == 2 and min(map(values.count, different)) < DAYS_ON_EACH_SIDE_MIN:
        return
    found = correlate(moods, values)
    yield Pattern(
        name=name,
        is_tag=is_tag,
        strength=Strength.PATTERN if found.n >= PATTERN_FROM_DAYS else Strength.EARLY_HINT,
        rho=found.rho,
        p=found.p,
        q=found.p,  # as long as it is the only one
        n=found.n,
        n_eff=found.n_eff,
        contrast=_contrast(moods, values) if different == {0, 1} else None,
    )


def _contrast(moods: list[float], values: list[float]) -> Contrast:
    with_ = [mood for mood, value in zip(moods, values, strict=True) if value]
    without = [mood for mood, value in zip(moods, values, strict=True) if not value]
    return Contrast(_mean(with_) - _mean(without), len(with_), len(without))


def _mean(moods: list[float]) -> float:
    return math.fsum(moods) / len(moods)


def _refuse_what_is_not_finite(series: Mapping[date, float | bool], name: str) -> None:
    for day, value in series.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} on {day} is {value}, which is not a finite number")
