"""From values to places on an axis: linear, logarithmic, by time, and by percentile. A place is a share of the length, 0 to 1."""

import math
from collections.abc import Sequence
from typing import Protocol

from loadtest.report.figures import number

_TIME_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999)


class Scale(Protocol):
    """What a chart asks of an axis."""

    def place(self, value: float) -> float:
        """Where *value* lies."""

    def ticks(self) -> list[tuple[float, str]]:
        """Values worth a line, with what is written beside it."""


class Linear:
    """From 0 to a round number at or above *high*."""

    def __init__(self, high: float, count: int = 5) -> None:
        self._step = round_step(high / count if high > 0 else 1.0)
        self.high = self._step * max(1, math.ceil(high / self._step - 1e-9))

    def place(self, value: float) -> float:
        """Where *value* lies."""
        return min(1.0, max(0.0, value / self.high))

    def ticks(self) -> list[tuple[float, str]]:
        """Every round step."""
        values = (self._step * index for index in range(round(self.high / self._step) + 1))
        return [(value, compact(value)) for value in values]


class Logarithmic:
    """From a power of ten, or two or five times one, to another, around *low* and *high*, which are above 0."""

    def __init__(self, low: float, high: float) -> None:
        rounds = [lead * 10.0**power for power in range(-6, 10) for lead in (1, 2, 5)]
        self._low = max([value for value in rounds if value <= low], default=rounds[0])
        self._high = min([value for value in rounds if value >= high and value > self._low], default=rounds[-1])
        self._rounds = [value for value in rounds if self._low <= value <= self._high]

    def place(self, value: float) -> float:
        """Where *value* lies."""
        held = min(self._high, max(self._low, value))
        return math.log(held / self._low) / math.log(self._high / self._low)

    def ticks(self) -> list[tuple[float, str]]:
        """1, 2, 5, 10, …; only the powers of ten where that would be crowded."""
        tens = [value for value in self._rounds if math.isclose(math.log10(value) % 1, 0, abs_tol=1e-9)]
        values = self._rounds if len(self._rounds) <= 8 or len(tens) < 2 else tens
        return [(value, compact(value)) for value in values]


class Time:
    """Seconds from 0 to *end*, exactly."""

    def __init__(self, end: float) -> None:
        self._end = max(end, 0.1)

    def place(self, value: float) -> float:
        """Where *value* lies."""
        return min(1.0, max(0.0, value / self._end))

    def ticks(self) -> list[tuple[float, str]]:
        """Round seconds or minutes, seven at most."""
        step = next((each for each in _TIME_STEPS_S if self._end / each <= 7), _TIME_STEPS_S[-1])
        values = [step * index for index in range(int(self._end / step + 1e-9) + 1)]
        return [(value, clock(value)) for value in values]


class Percentile:
    """As HDR histograms are drawn: each step to the right, 90, 99, 99.9, is ten times rarer. *count*: of what was measured."""

    def __init__(self, count: int) -> None:
        self._end = min(6.0, max(2.0, math.log10(max(count, 1))))

    def place(self, value: float) -> float:
        """Where percentile *value* lies; the largest of all is at the end."""
        return 1.0 if value >= 100 else min(1.0, -math.log10(1 - value / 100) / self._end)

    def ticks(self) -> list[tuple[float, str]]:
        """As far as there were enough measurements."""
        return [(each, f"{each:g} %") for each in _PERCENTILES if -math.log10(1 - each / 100) <= self._end + 1e-9]


def round_step(wanted: float) -> float:
    """The next of 1, 2, 2.5, 5, 10, … times a power of ten that is not below *wanted*."""
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(lead * power for lead in (1, 2, 2.5, 5, 10) if lead * power >= wanted * (1 - 1e-9))


def compact(value: float) -> str:
    """Short enough for an axis: 250, 10 k, 1.5 M."""
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e6 if letter == 'M' else 1e3):,g} {letter}"
    return number(value)


def clock(seconds: float) -> str:
    """A moment of a run: 45 s, 1:30 min, 2:00 h."""
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def covering(values: Sequence[float], *, may_be_logarithmic: bool) -> Linear | Logarithmic:
    """An axis for *values*: logarithmic only where the small ones would lie on the ground otherwise."""
    above = [value for value in values if value > 0]
    if may_be_logarithmic and above and max(above) > 20 * min(above):
        return Logarithmic(min(above), max(above))
    return Linear(max(values, default=1.0))
