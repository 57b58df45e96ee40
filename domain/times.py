"""Times as the protocol writes them: RFC 3339, UTC, milliseconds. Whole numbers throughout: floats lose one now and then."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(now_ms: int) -> str:
    """*now_ms*, Unix milliseconds, as `2026-01-31T12:00:00.000Z`."""
    return f"{_to_the_second(now_ms // 1000)}.{now_ms % 1000:03d}Z"


@lru_cache(maxsize=64)  # almost every moment that is written is now
def _to_the_second(now_s: int) -> str:
    return from_ms(now_s * 1000).isoformat()[:-6]


def to_ms(moment: datetime) -> int:
    """An aware datetime as Unix milliseconds, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=256)
def from_ms(now_ms: int) -> datetime:
    """Unix milliseconds as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=now_ms)
