"""Cursors of lists: where a page ended, as text that means nothing to the client."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec
from msgspec import Struct

from domain.errors import Invalid
from protocol.fields import Id

T = TypeVar("T")


class UserPosition(Struct, frozen=True, array_like=True):
    """In a list in the order of user ids: the last one shown."""

    user: Id


class RequestPosition(Struct, frozen=True, array_like=True):
    """In a list of hug requests: the last one shown."""

    request: Id


def encode_cursor(position: Struct) -> str:
    """*position* as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, kind: type[T]) -> T | None:
    """The position in *cursor*, None without one. Raises: Invalid."""
    if cursor is None:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Invalid("That cursor is not one of this list. Take `next` of the page before.") from None
