"""Endpoints of the notification centre."""

from collections.abc import Sequence
from typing import cast

from msgspec import Struct

from hub.api.cursors import decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.notifications import NotificationHandlers
from protocol.codes import ErrorCode
from protocol.fields import Seq
from protocol.rest import Page
from protocol.rest_push import Marked, Notification, NotificationQuery, Opened, Unread

PATH = "/v1/me/notifications"


class _Position(Struct, frozen=True, array_like=True):
    """The last one shown."""

    seq: Seq


class _Notifications:
    """Hands on to the handlers."""

    def __init__(self, notifications: NotificationHandlers) -> None:
        self._notifications = notifications

    async def page(self, call: Call) -> Page[Notification]:
        query = cast("NotificationQuery", call.query)
        position = decode_cursor(query.cursor, _Position)
        before = position.seq if position is not None else None
        found = await self._notifications.load(call.actor, before, query.limit + 1, only_unread=query.unread)
        shown = found[: query.limit]
        following = encode_cursor(_Position(shown[-1].id)) if len(found) > len(shown) else None
        return Page(list(shown), following)

    async def unread(self, call: Call) -> Unread:
        return await self._notifications.unread(call.actor)

    async def read(self, call: Call) -> Unread:
        return await self._notifications.read(call.actor, cast("Marked", call.body).ids)

    async def read_all(self, call: Call) -> Unread:
        return await self._notifications.read_all(call.actor)

    async def delete(self, call: Call) -> Unread:
        return await self._notifications.delete(call.actor, call.seq)

    async def opened(self, call: Call) -> Unread:
        return await self._notifications.opened(call.actor, cast("Opened", call.body).delivery)


def notification_endpoints(notifications: NotificationHandlers) -> Sequence[Endpoint]:
    """`/v1/me/notifications*`."""
    endpoints = _Notifications(notifications)
    return (
        Endpoint(
            method="GET",
            path=PATH,
            summary="What one was told in the last 30 days, newest first; with `unread`, what is not read yet.",
            group="Notifications",
            handle=endpoints.page,
            query=NotificationQuery,
            reply=Page[Notification],
        ),
        Endpoint(
            method="GET",
            path=f"{PATH}/unread",
            summary="What a badge shows. Counted up to 999.",
            group="Notifications",
            handle=endpoints.unread,
            reply=Unread,
        ),
        Endpoint(
            method="POST",
            path=f"{PATH}/read",
            summary="Mark some as read. All devices hear of it; the reply says what is unread then, as with the other changes.",
            group="Notifications",
            handle=endpoints.read,
            body=Marked,
            reply=Unread,
        ),
        Endpoint(
            method="POST",
            path=f"{PATH}/read-all",
            summary="Mark all that are there as read.",
            group="Notifications",
            handle=endpoints.read_all,
            reply=Unread,
        ),
        Endpoint(
            method="POST",
            path=f"{PATH}/opened",
            summary="A push was opened: what it spoke of is read.",
            group="Notifications",
            handle=endpoints.opened,
            body=Opened,
            reply=Unread,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="DELETE",
            path=f"{PATH}/{{seq}}",
            summary="Show one no more. Answered alike whether it was there or not.",
            group="Notifications",
            handle=endpoints.delete,
            reply=Unread,
        ),
    )
