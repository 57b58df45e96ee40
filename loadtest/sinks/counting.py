"""What a sink has taken."""

import time
from collections import Counter

from msgspec import Struct


class Taken(Struct, frozen=True):
    """*devices*: to how many. *most*: that one of them got. Times of `time.perf_counter()`; 0: never."""

    pushes: int
    devices: int
    most: int
    first_at: float
    last_at: float


class Counting:
    """How often each device was pushed to."""

    def __init__(self) -> None:
        self._by_device: Counter[bytes] = Counter()
        self._first_at = self._last_at = 0.0

    def push(self, device: bytes) -> None:
        """One came, and is about to be answered."""
        self._last_at = time.perf_counter()
        self._first_at = self._first_at or self._last_at
        self._by_device[device] += 1

    def taken(self) -> Taken:
        """Since the beginning."""
        counts = self._by_device
        return Taken(counts.total(), len(counts), max(counts.values(), default=0), self._first_at, self._last_at)
