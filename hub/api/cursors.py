"""Cursors of lists: where a page ended, as text that means nothing to the client."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

import msgspec
from msgspec import Struct

from domain.errors import Invalid
from hub.api.endpoints import Call
from protocol.fields import Id
from protocol.rest import Page, PageQuery

R = TypeVar("R", bound="_HasUser")
S = TypeVar("S")
T = TypeVar("T")


class _HasUser(Protocol):
    @property
    def user(self) -> str: ...


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


def after_user(call: Call) -> tuple[str | None, int]:
    """Where a page of a list in the order of user ids begins, and how much to read: one more than is shown."""
    query = cast("PageQuery", call.query)
    position = decode_cursor(query.cursor, UserPosition)
    return position.user.lower() if position is not None else None, query.limit + 1


def page_of_users(call: Call, found: Sequence[R], show: Callable[[R], S]) -> Page[S]:
    """What was *found* from `after_user` on, as a page."""
    shown = found[: cast("PageQuery", call.query).limit]
    following = encode_cursor(UserPosition(shown[-1].user)) if len(found) > len(shown) else None
    return Page([show(row) for row in shown], following)
