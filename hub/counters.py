"""Small figures that hot paths keep by hand: plain integers and buckets, read by the metrics at scrape time."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Counts per bucket; a kept child of a metrics library costs eight times as much."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        """*bounds*: upper bounds, inclusive, ascending; one more bucket takes the rest."""
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), as Prometheus wants them, `+Inf` last."""
        running = 0
        rows: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            rows.append((bound, float(running)))
        return rows
