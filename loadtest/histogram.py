"""Latencies, kept as counts in buckets whose width is at most a thousandth of their value.

The buckets are those of HdrHistogram (http://hdrhistogram.org): 1 µs wide up to 2,048 µs, then twice as wide with
every doubling. Invariant: a percentile is never told lower than it was, and at most a thousandth higher.
"""

from collections.abc import Sequence

from msgspec import Struct

from loadtest.results import Latency

HIGHEST_US = 3_600_000_000  # an hour; what took longer is counted there
_HALF_BITS = 10  # 1,024 buckets for every doubling

CURVE = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0)


class Histogram(Struct):
    """*counts* by bucket; only those that were hit are there. Small enough to be sent every second."""

    counts: dict[int, int] = {}
    total: int = 0
    max_us: int = 0

    def record(self, seconds: float) -> None:
        """One latency. Less than nothing counts as nothing."""
        us = min(int(seconds * 1e6), HIGHEST_US) if seconds > 0 else 0
        shift = us.bit_length() - _HALF_BITS - 1
        bucket = (shift << _HALF_BITS) + (us >> shift) if shift > 0 else us
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.total += 1
        self.max_us = max(self.max_us, us)

    def add(self, other: "Histogram") -> None:
        """Everything that *other* holds."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.total += other.total
        self.max_us = max(self.max_us, other.max_us)

    def since(self, before: "Histogram") -> "Histogram":
        """What has come after *before*, which was a copy of this one; its largest is known as exactly as a bucket."""
        counts = {bucket: count - before.counts.get(bucket, 0) for bucket, count in self.counts.items()}
        counts = {bucket: count for bucket, count in counts.items() if count}
        largest = min(self.max_us, _highest_us(max(counts, default=0)))
        return Histogram(counts, self.total - before.total, largest)

    def copy(self) -> "Histogram":
        """One that does not change with this one."""
        return Histogram(self.counts.copy(), self.total, self.max_us)

    def percentiles_ms(self, wanted: Sequence[float]) -> list[float]:
        """The *wanted* percentiles (0–100, rising) by nearest rank, in milliseconds; zeros if there is nothing."""
        found: list[float] = []
        buckets = iter(sorted(self.counts.items()))
        reached, upper = 0, 0
        for percent in wanted:
            rank = max(1, -(-self.total * percent // 100))
            while reached < rank and (entry := next(buckets, None)) is not None:
                reached += entry[1]
                upper = _highest_us(entry[0])
            found.append(min(upper, self.max_us) / 1000)
        return found

    def latency(self) -> Latency:
        """All that is told of it."""
        # Beyond the resolution of so few values the curve would only repeat the largest.
        curve = [each for each in CURVE if each == 100.0 or self.total * (100 - each) >= 100]
        p50, p90, p99, p999 = self.percentiles_ms((50.0, 90.0, 99.0, 99.9))
        return Latency(
            count=self.total,
            p50=p50,
            p90=p90,
            p99=p99,
            p999=p999,
            max=self.max_us / 1000,
            curve=list(zip(curve, self.percentiles_ms(curve), strict=True)),
        )


def _highest_us(bucket: int) -> int:
    """The largest value that falls into *bucket*."""
    shift = (bucket >> _HALF_BITS) - 1
    if shift <= 0:
        return bucket
    return ((bucket - (shift << _HALF_BITS) + 1) << shift) - 1
