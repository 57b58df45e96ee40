"""A circuit breaker for one provider credential: while nothing gets through, only a probe now and then is tried.

Pure: it is told what happened and when, in monotonic seconds.
"""

OPEN_AFTER = 5  # failures in a row
PAUSE_MIN_S = 1.0
PAUSE_MAX_S = 60.0


class Breaker:
    """Closed, it lets everything through; open, one probe after each pause, which grows until one succeeds."""

    def __init__(self) -> None:
        self._failures = 0
        self._throttled: set[str] = set()
        self._pause_s = 0.0
        self._until = 0.0
        self.opened = 0  # how often

    @property
    def is_open(self) -> bool:
        """Did the last tries fail?"""
        return self._failures >= OPEN_AFTER

    def allowed(self, now: float, in_flight: int, most: int) -> int:
        """How many may be begun, of at most *most* at a time of which *in_flight* are under way."""
        if not self.is_open:
            return max(0, most - in_flight)
        return 1 if in_flight == 0 and now >= self._until else 0

    def probe(self, now: float, within_s: float) -> None:
        """One that was allowed begins, and ends *within_s*: no other before that."""
        self._until = now + within_s

    def wait_s(self, now: float) -> float:
        """How long nothing may be begun."""
        return max(0.0, self._until - now) if self.is_open else 0.0

    def succeeded(self) -> None:
        """The provider has answered, whatever it thought of the push."""
        self._failures = 0
        self._throttled.clear()
        self._pause_s = 0.0

    def failed(self, now: float, retry_after_s: float = 0.0, throttled: str | None = None) -> None:
        """No answer, or one that says that it can do nothing now; not before *retry_after_s*.

        *throttled*: whose push was one too many. It may be theirs alone, so it counts once for each of them.
        """
        if throttled is not None:
            if throttled in self._throttled:
                return
            self._throttled.add(throttled)
        was_open = self.is_open
        self._failures += 1
        if not self.is_open or (was_open and now < self._until):  # what was under way when it opened
            return
        self.opened += not was_open
        self._pause_s = min(PAUSE_MAX_S, max(PAUSE_MIN_S, self._pause_s * 2))
        self._until = now + max(self._pause_s, retry_after_s)
