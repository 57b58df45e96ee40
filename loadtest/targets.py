"""What the design asks for: a bound that must be kept, and one to aim at. The same figures wherever they are shown."""

from typing import NamedTuple


class Target(NamedTuple):
    """Upper bounds, unless more is better."""

    must: float
    aim: float
    more_is_better: bool = False


OK_P99_MS = Target(10.0, 5.0)  # at 5,000 hugs/s
DELIVERY_P99_MS = Target(20.0, 8.0)  # at 5,000 hugs/s, over two nodes
HUG_HUB_CPU_US = Target(35.0, 20.0)
HUGS_PER_S = Target(15_000.0, 35_000.0, more_is_better=True)  # as fast as it goes, on two cores
SESSION_KIB = Target(2.5, 1.6)
OPENINGS_PER_CORE_S = Target(3_000.0, 7_500.0, more_is_better=True)
