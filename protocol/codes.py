"""The two vocabularies of refusal: what a reply says, and why a connection ends."""

from enum import IntEnum, StrEnum


class ErrorCode(StrEnum):
    """Codes of an `error` reply and of a problem document. The connection lives on."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    EXPIRED = "expired"
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class CloseCode(IntEnum):
    """Close codes. The band tells the client what to do: see `reconnects`."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_PAYLOAD = 1007
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012

    BAD_MESSAGE = 4000
    UNSUPPORTED_VERSION = 4001
    FORBIDDEN = 4003
    TOO_MANY_CONNECTIONS = 4006
    SESSION_REVOKED = 4007

    INTERNAL = 4100
    OVER_CAPACITY = 4101
    TOO_MANY_ERRORS = 4102
    SLOW_READER = 4103
    NO_HELLO = 4104

    DRAIN = 4200
    NO_PONG = 4201

    TOKEN_EXPIRED = 4300
    TOKEN_INVALID = 4301


class Reconnect(StrEnum):
    """What a client does after a close."""

    STOP = "stop"
    BACKOFF = "backoff"
    RESUME = "resume"
    NEW_TOKEN = "new_token"  # noqa: S105  not a secret


_BROKEN_CLIENT = {CloseCode.PROTOCOL_ERROR, CloseCode.UNSUPPORTED_DATA, CloseCode.INVALID_PAYLOAD}
_BANDS = {40: Reconnect.STOP, 41: Reconnect.BACKOFF, 42: Reconnect.RESUME, 43: Reconnect.NEW_TOKEN}


def reconnects(code: int) -> Reconnect:
    """What a client does after close *code*; an unknown code means backoff and come back."""
    if code in _BROKEN_CLIENT:
        return Reconnect.STOP
    return _BANDS.get(code // 100, Reconnect.BACKOFF)
