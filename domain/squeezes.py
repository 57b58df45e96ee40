"""When a room squeezes as one: at least 80 % of its members within one second of each other.

Each node knows only its own members. So each counts in which slice of time its members squeezed last, and these
counts can be added up anywhere, whatever the number of members and of squeezes.
"""

from collections.abc import Iterable

SLICE_MS = 50
WINDOW_SLICES = 20  # one second
BIG_SHARE_PERCENT = 80

Warm = list[tuple[int, int]]  # (slice of time, how many members squeezed last in it)


class Warmth:
    """The last squeeze of each member on one node. Clocks of nodes must agree to within a slice or two."""

    __slots__ = ("_counts", "_last")

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._counts: dict[int, int] = {}

    def squeezed(self, user: str, now_ms: int) -> None:
        """*user* squeezes at *now_ms* (Unix)."""
        now = now_ms // SLICE_MS
        before = self._last.get(user)
        if before == now:
            return
        self._last[user] = now
        self._counts[now] = self._counts.get(now, 0) + 1
        if before is not None:
            self._take(before)

    def forget(self, user: str) -> None:
        """*user* is in the room no more."""
        before = self._last.pop(user, None)
        if before is not None:
            self._take(before)

    def _take(self, before: int) -> None:
        left = self._counts.get(before, 0) - 1
        if left > 0:
            self._counts[before] = left
        else:
            self._counts.pop(before, None)

    def warm(self, now_ms: int) -> Warm:
        """The counts of the last second; older ones are forgotten."""
        oldest = now_ms // SLICE_MS - WINDOW_SLICES
        for old in [slice_ for slice_ in self._counts if slice_ < oldest]:
            del self._counts[old]
        return sorted(self._counts.items())


def is_big(members: int, warms: Iterable[Warm]) -> bool:
    """Have enough of the *members* (two at least) squeezed within the second that ends with the newest squeeze?"""
    merged: dict[int, int] = {}
    for warm in warms:
        for slice_, count in warm:
            merged[slice_] = merged.get(slice_, 0) + count
    if members < 2 or not merged:
        return False
    oldest = max(merged) - WINDOW_SLICES + 1
    squeezing = sum(count for slice_, count in merged.items() if slice_ >= oldest)
    return squeezing * 100 >= members * BIG_SHARE_PERCENT
