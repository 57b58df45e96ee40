"""Endpoints of hugs: sending, reading marks, taking back, reactions, history, counts."""

from collections.abc import Sequence
from typing import cast

from domain.hug_moments import no_such_hug
from domain.times import rfc3339
from hub.api.cursors import decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.hugs import HugHandlers
from hub.handlers.moments import MomentHandlers
from protocol.codes import ErrorCode
from protocol.commands import HugPreparing, HugReact, HugSeen, HugSend, HugUndo
from protocol.events import Ok
from protocol.parts import UserRef
from protocol.rest import (
    Direction,
    Hug,
    HugQuery,
    HugState,
    HugStats,
    KindCount,
    Page,
    PersonCount,
    Reaction,
    StatsQuery,
)
from storage.hug_stats import load_stats
from storage.hugs import HugRecord, Position, Wanted, load_hug, load_hugs
from storage.postgres import Database


class _Hugs:
    """Reads the history; hands commands on to the hug handlers, which the sockets use too."""

    def __init__(self, database: Database, hugs: HugHandlers, moments: MomentHandlers) -> None:
        self._database = database
        self._hugs = hugs
        self._moments = moments

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
            raise no_such_hug()
        return _hug(record)

    async def stats(self, call: Call) -> HugStats:
        query = cast("StatsQuery", call.query)
        counts = await load_stats(self._database, call.actor.user, query.since, query.until)
        return HugStats(
            sent=sum(each.sent for each in counts.kinds),
            received=sum(each.received for each in counts.kinds),
            kinds=[KindCount(each.name, each.sent, each.received) for each in counts.kinds],
            people=[PersonCount(UserRef(each.user, each.name), each.sent, each.received) for each in counts.people],
        )

    async def send(self, call: Call) -> Ok:
        return await self._hugs.send(call.actor, call.body)

    async def preparing(self, call: Call) -> Ok:
        return await self._hugs.preparing(call.actor, call.body)

    async def seen(self, call: Call) -> Ok:
        return await self._hugs.seen(call.actor, call.body)

    async def undo(self, call: Call) -> Ok:
        return await self._moments.undo(call.actor, call.body)

    async def react(self, call: Call) -> Ok:
        return await self._moments.react(call.actor, call.body)


def _hug(record: HugRecord) -> Hug:
    reaction = record.reaction
    return Hug(
        id=record.id,
        from_=UserRef(record.sender, record.sender_name),
        to=UserRef(record.recipient, record.recipient_name),
        kind=record.kind,
        state=_state(record),
        at=rfc3339(record.at_ms),
        message=record.message,
        style=record.style,
        request=record.request,
        delivered_at=_time(record.delivered_ms),
        seen_at=_time(record.seen_ms),
        mutual_at=_time(record.mutual_ms),
        reaction=Reaction(reaction.emoji, rfc3339(reaction.at_ms), reaction.message) if reaction is not None else None,
    )


def _state(record: HugRecord) -> HugState:
    """The furthest that the hug has come."""
    if record.undone_ms is not None:
        return HugState.UNDONE
    if record.felt_ms is not None:
        return HugState.FELT
    if record.seen_ms is not None:
        return HugState.SEEN
    return HugState.DELIVERED if record.delivered_ms is not None else HugState.ACCEPTED


def _time(moment_ms: int | None) -> str | None:
    return rfc3339(moment_ms) if moment_ms is not None else None


def hug_endpoints(database: Database, hugs: HugHandlers, moments: MomentHandlers) -> Sequence[Endpoint]:
    """`/v1/hugs*`."""
    endpoints = _Hugs(database, hugs, moments)
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
            method="POST",
            path="/v1/hugs/undo",
            summary="Take a hug back that was sent by mistake (hug.undo): within 10 s, if it has not been seen.",
            group="Hugs",
            handle=endpoints.undo,
            body=HugUndo,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.EXPIRED),
        ),
        Endpoint(
            method="POST",
            path="/v1/hugs/react",
            summary="Say how a received hug was felt (hug.react). A second reaction replaces the first.",
            group="Hugs",
            handle=endpoints.react,
            body=HugReact,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="GET",
            path="/v1/hugs/stats",
            summary="How many hugs, of each kind and with each person.",
            group="Hugs",
            handle=endpoints.stats,
            query=StatsQuery,
            reply=HugStats,
        ),
        Endpoint(
            method="POST",
            path="/v1/hugs/preparing",
            summary="Show somebody for 5 s that one opens one's arms (hug.preparing). Nothing is stored.",
            group="Hugs",
            handle=endpoints.preparing,
            body=HugPreparing,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
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
