"""How many hugs somebody may send in which time, and which of these limits a hug falls under."""

from msgspec import Struct

from domain.errors import RateLimited

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class HugLimits(Struct, frozen=True):
    """Hugs of one sender; 0: without limit."""

    per_minute: int = 30
    per_day: int = 500
    unanswered_per_hour: int = 5  # to one person who has never sent a hug back


class Bound(Struct, frozen=True):
    """At most *times* hugs within *window_ms* of the first one."""

    name: str
    times: int
    window_ms: int
    is_per_recipient: bool = False


def bounds_of(limits: HugLimits, *, has_answered: bool) -> tuple[Bound, ...]:
    """What a hug counts against. *has_answered*: the recipient has sent the sender a hug, ever."""
    bounds = (
        Bound("hugs-minute", limits.per_minute, MINUTE_MS),
        Bound("hugs-day", limits.per_day, DAY_MS),
        Bound("hugs-unanswered", 0 if has_answered else limits.unanswered_per_hour, HOUR_MS, is_per_recipient=True),
    )
    return tuple(bound for bound in bounds if bound.times)


def too_many(bounds: tuple[Bound, ...], waits_ms: list[int]) -> RateLimited:
    """The refusal of a hug that must wait so long for each of *bounds*, 0 where there is room."""
    wait_ms = max(waits_ms)
    slowest = bounds[waits_ms.index(wait_ms)]
    reason = "They have not hugged you back yet" if slowest.is_per_recipient else "You have sent many hugs"
    return RateLimited(f"{reason}. Send the next one {_in_words(wait_ms)}.", wait_ms)


def _in_words(wait_ms: int) -> str:
    for unit, unit_ms in (("hours", HOUR_MS), ("minutes", MINUTE_MS), ("seconds", 1_000)):
        if wait_ms > 2 * unit_ms or unit_ms == 1_000:
            return f"in {-(-wait_ms // unit_ms)} {unit}"
    raise AssertionError(wait_ms)
