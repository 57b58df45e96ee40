"""Times as the protocol writes them: RFC 3339, UTC, milliseconds. Whole numbers throughout: floats lose one now and then."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(now_ms: int) -> str:
    """*now_ms*, Unix milliseconds, as `2026-01-31T12:00:00.000Z`."""
    return from_ms(now_ms).isoformat(timespec="milliseconds")[:-6] + "Z"


def to_ms(moment: datetime) -> int:
    """An aware datetime as Unix milliseconds, rounded down."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(now_ms: int) -> datetime:
    """Unix milliseconds as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=now_ms)
