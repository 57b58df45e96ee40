"""Times as the protocol writes them: RFC 3339, UTC, milliseconds."""

from datetime import UTC, datetime


def rfc3339(now_ms: int) -> str:
    """*now_ms*, Unix milliseconds, as `2026-01-31T12:00:00.000Z`."""
    seconds, millis = divmod(now_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{millis:03d}Z"


def to_ms(moment: datetime) -> int:
    """An aware datetime as Unix milliseconds."""
    return int(moment.timestamp() * 1000)


def from_ms(now_ms: int) -> datetime:
    """Unix milliseconds as an aware datetime in UTC."""
    return datetime.fromtimestamp(now_ms / 1000, UTC)
