"""When a client comes back: full jitter between nothing and a ceiling that doubles from 0.5 s to 20 s.

Invariant: nobody comes back before the server's `retry_after_ms`, and a connection that did not last
`STABLE_S` makes the next wait longer. Full jitter spreads a crowd over the whole interval (Brooker,
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from collections.abc import Callable

FIRST_S = 0.5
MOST_S = 20.0
STABLE_S = 10.0


def ceiling_s(failures: int) -> float:
    """The longest jitter after that many failures in a row."""
    # The exponent is bounded so that a client that was offline for years still computes a float.
    return float(min(MOST_S, FIRST_S * 2 ** min(max(failures, 0), 10)))


class Backoff:
    """The waits of one client. *chance* gives numbers in [0, 1)."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.failures = 0

    def ended(self, lasted_s: float) -> None:
        """A connection has ended that was open for *lasted_s*; 0 for one that never opened."""
        if lasted_s >= STABLE_S:
            self.failures = 0

    def wait_s(self, retry_after_ms: int = 0) -> float:
        """How long to wait now, in seconds; each call makes the next ceiling higher.

        The jitter comes on top of *retry_after_ms*: clients that were all told the same do not come at once.
        """
        jitter = self._chance() * ceiling_s(self.failures)
        self.failures += 1
        return max(0, retry_after_ms) / 1000 + jitter

    def resume_s(self, retry_after_ms: int) -> float:
        """The wait after a planned end (42xx): what the server said, and jitter only if that keeps happening."""
        if self.failures == 0:
            self.failures = 1
            return max(0, retry_after_ms) / 1000
        return self.wait_s(retry_after_ms)
