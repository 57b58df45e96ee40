"""How often patterns are found where there are none: `python -m loadtest.pattern_errors`.

People with moods, and 20 factors that have nothing to do with them; all are AR(1), each day like the day before.
Before the correction for many tests, at most 7 % of the pairs may pass at nominal 5 %. What counts after it is who is
told anything at all: nominally one in ten, or fewer where |rho| must be larger than chance makes it.
"""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
from msgspec import Struct
from numpy.random import Generator
from numpy.typing import NDArray

from domain.mood_days import PAIRED_DAYS_MIN
from domain.patterns import FALSE_DISCOVERIES_MAX, Pattern, examine
from loadtest.arguments import count

NOMINAL = 0.05
MUST = 0.07
FACTORS = 20  # of one person
FIRST = date(2026, 1, 1)
YES_ABOVE = 0.3  # standard deviations

GAPS: dict[str, Callable[[int, Generator], NDArray[np.int64]]] = {
    "none": lambda n, _: np.arange(n),
    "random": lambda n, random: np.cumsum(random.geometric(0.5, n)),  # half of the days
    "alternate": lambda n, _: 2 * np.arange(n),
    "blocks": lambda n, _: np.arange(n) + 10 * (np.arange(n) // 10),  # ten days, then ten without
}


class Share(Struct, frozen=True):
    """*within*: half of the 95 % confidence interval."""

    value: float
    within: float

    def __str__(self) -> str:
        return f"{self.value:6.2%} ± {self.within:.2%}"


class Errors(Struct, frozen=True):
    """*pairs*: that passed at nominal 5 %. *people*: that are told anything, after all corrections."""

    pairs: Share
    people: Share

    @property
    def is_kept(self) -> bool:
        """Do no more pairs pass than may?"""
        return self.pairs.value <= MUST


def series(number: int, on: NDArray[np.int64], phi: float, random: Generator) -> NDArray[np.float64]:
    """*number* stationary AR(1) series with variance 1, of which only the days *on* are seen. Shape (number, days)."""
    values = random.standard_normal((number, int(on[-1]) + 1))
    for day in range(1, values.shape[1]):
        values[:, day] = phi * values[:, day - 1] + math.sqrt(1 - phi * phi) * values[:, day]
    return values[:, on]


def person(days: int, phi: float, gaps: str, random: Generator, *, is_yes_no: bool = False) -> list[Pattern]:
    """All tests of one person whose moods have nothing to do with anything."""
    on = GAPS[gaps](days, random)
    dates = [FIRST + timedelta(days=int(day)) for day in on]
    lived = series(1 + FACTORS, on, phi, random)
    factors = (lived[1:] > YES_ABOVE) if is_yes_no else lived[1:]
    moods, *named = (dict(zip(dates, values.tolist(), strict=True)) for values in (lived[0], *factors))
    return examine(moods, {str(number): factor for number, factor in enumerate(named)}, {})


def measure(pairs: int, days: int, phi: float, seed: int, *, gaps: str = "none", is_yes_no: bool = False) -> Errors:
    """At least *pairs* of them. Pairs of one person share its moods, so the interval is that of people."""
    random = np.random.default_rng(seed)
    people = max(2, math.ceil(pairs / FACTORS))
    passed, tested, told = np.zeros(people), np.zeros(people), np.zeros(people)
    for at in range(people):
        patterns = person(days, phi, gaps, random, is_yes_no=is_yes_no)
        passed[at] = sum(pattern.p <= NOMINAL for pattern in patterns)
        tested[at] = len(patterns)
        told[at] = any(pattern.is_told for pattern in patterns)
    return Errors(_share(passed, tested), _share(told, np.ones(people)))


def _share(some: NDArray[np.float64], of: NDArray[np.float64]) -> Share:
    value = some.sum() / of.sum()
    spread = (some - value * of).std(ddof=1) / of.mean()
    return Share(float(value), float(1.96 * spread / math.sqrt(len(some))))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.pattern_errors", description="How often patterns are found where there are none."
    )
    parser.add_argument("--pairs", type=count, default=20_000, metavar="N", help="of series (%(default)s)")
    usual = (PAIRED_DAYS_MIN, 30, 60, 120, 365)
    parser.add_argument("--days", type=count, nargs="+", default=usual, metavar="N", help="that are paired %(default)s")
    parser.add_argument("--phi", type=float, default=0.7, metavar="R", help="from one day to the next (%(default)s)")
    parser.add_argument("--gaps", choices=GAPS, default="none", help="between the days (%(default)s)")
    parser.add_argument("--yes-no", action="store_true", help="factors that either are or are not")
    parser.add_argument(
        "--seed", type=count, default=1, metavar="N", help="the same one, the same figures (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if not -1 < options.phi < 1:
        parser.error(f"--phi {options.phi} is not between -1 and 1")
    if min(options.days) < PAIRED_DAYS_MIN:
        parser.error(f"nothing is tested below {PAIRED_DAYS_MIN} days")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each number of days. 1 if more pairs pass than may."""
    options = parse(arguments)
    told = f"told any (q ≤ {FALSE_DISCOVERIES_MAX:.0%})"
    print(f"unrelated series, phi {options.phi}, gaps: {options.gaps}; {FACTORS} factors to a person")
    print(f"{'days':>5}  {'pairs with p ≤ 5 %':^22}  {told:^22}")
    is_kept = True
    for days in options.days:
        errors = measure(options.pairs, days, options.phi, options.seed, gaps=options.gaps, is_yes_no=options.yes_no)
        is_kept &= errors.is_kept
        print(f"{days:>5}  {errors.pairs!s:^22}  {errors.people!s:^22}", flush=True)
    print(f"pairs at or under {MUST:.0%}: {'yes' if is_kept else 'NO'}")
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())
