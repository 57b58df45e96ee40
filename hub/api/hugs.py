"""Endpoints of hugs: sending, reading marks, history."""

from collections.abc import Sequence
from typing import cast

from domain.errors import NotFound
from domain.times import rfc3339
from hub.api.cursors import decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.hugs import HugHandlers
from protocol.codes import ErrorCode
from protocol.commands import HugSeen, HugSend
from protocol.events import Ok, UserRef
from protocol.rest import Direction, Hug, HugQuery, HugState, Page
from storage.hugs import HugRecord, Position, Wanted, load_hug, load_hugs
from storage.postgres import Database


class _Hugs:
    """Reads the history; hands commands on to the hug handlers, which the sockets use too."""

    def __init__(self, database: Database, hugs: HugHandlers) -> None:
        self._database = database
        self._hugs = hugs

    async def history(self, call: Call) -> Page[Hug]:
        query = cast("HugQuery", call.query)
        position = decode_cursor(query.cursor, Position) or Position()
        wanted = Wanted(
            user=call.actor.user,
            sent=query.direction is not Direction.RECEIVED,
            received=query.direction is not Direction.SENT,
            other=query.with_.lower() if query.with_ is not None else None,
            changed_since=query.changed_since,
        )
        records, following = await load_hugs(self._database, wanted, position, query.limit)
        return Page([_hug(record) for record in records], encode_cursor(following) if following is not None else None)

    async def one(self, call: Call) -> Hug:
        record = await load_hug(self._database, call.actor.user, call.id)
        if record is None:
            raise NotFound("No such hug.")
        return _hug(record)

    async def send(self, call: Call) -> Ok:
        return await self._hugs.send(call.actor, call.body)

    async def seen(self, call: Call) -> Ok:
        return await self._hugs.seen(call.actor, call.body)


def _hug(record: HugRecord) -> Hug:
    state = HugState.ACCEPTED
    if record.seen_ms is not None:
        state = HugState.SEEN
    elif record.delivered_ms is not None:
        state = HugState.DELIVERED
    return Hug(
        id=record.id,
        from_=UserRef(record.sender, record.sender_name),
        to=UserRef(record.recipient, record.recipient_name),
        kind=record.kind,
        state=state,
        at=rfc3339(record.at_ms),
        message=record.message,
        style=record.style,
        delivered_at=rfc3339(record.delivered_ms) if record.delivered_ms is not None else None,
        seen_at=rfc3339(record.seen_ms) if record.seen_ms is not None else None,
    )


def hug_endpoints(database: Database, hugs: HugHandlers) -> Sequence[Endpoint]:
    """`/v1/hugs*`."""
    endpoints = _Hugs(database, hugs)
    return (
        Endpoint(
            method="GET",
            path="/v1/hugs",
            summary="The history of hugs, newest first: sent, received or both, with everybody or with one person.",
            group="Hugs",
            handle=endpoints.history,
            query=HugQuery,
            reply=Page[Hug],
        ),
        Endpoint(
            method="POST",
            path="/v1/hugs",
            summary="Send a hug (hug.send). The same id again is the same hug and gets the same answer.",
            group="Hugs",
            handle=endpoints.send,
            body=HugSend,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT, ErrorCode.RATE_LIMITED),
        ),
        Endpoint(
            method="POST",
            path="/v1/hugs/seen",
            summary="Mark hugs as read (hug.seen).",
            group="Hugs",
            handle=endpoints.seen,
            body=HugSeen,
            reply=Ok,
        ),
        Endpoint(
            method="GET",
            path="/v1/hugs/{id}",
            summary="One hug that one has sent or received.",
            group="Hugs",
            handle=endpoints.one,
            reply=Hug,
            errors=(ErrorCode.NOT_FOUND,),
        ),
    )
