"""Endpoints that stand in for a socket: the stream of events, the long poll, and acknowledging."""

from collections.abc import Sequence
from typing import cast

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.errors import Invalid
from hub.api.endpoints import Call, Endpoint
from hub.line import EXTENSION, Line
from hub.request_wires import EventStream
from hub.streams import Streams
from protocol.commands import Ack, Hello
from protocol.events import Ok
from protocol.rest_live import EventsQuery, Polled, PollQuery
from storage.inbox import load_head
from storage.postgres import Database
from storage.receipts import Receipts

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
_SEQ_MAX = 2**53


class _StreamAnswer(Response):
    """A response that lasts as long as the stream."""

    def __init__(self, streams: Streams, stream: EventStream) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, EVENT_STREAM)
        del self.headers["Content-Length"]
        self._streams = streams
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._stream.run(send)
        finally:
            self._streams.leave(self._stream)


class _Live:
    """Turns requests into sessions."""

    def __init__(self, streams: Streams, database: Database, receipts: Receipts) -> None:
        self._streams = streams
        self._database = database
        self._receipts = receipts

    async def events(self, call: Call) -> Response:
        query = cast("EventsQuery", call.query)
        after = _last_event_id(call)
        hello = _hello(call, query, query.after if after is None else after)
        return _StreamAnswer(self._streams, await self._streams.open_stream(_line(call), call.address, hello))

    async def poll(self, call: Call) -> Polled:
        query = cast("PollQuery", call.query)
        hello = _hello(call, query, query.after)
        return await self._streams.poll(_line(call), call.address, hello, query.limit, query.wait)

    async def ack(self, call: Call) -> Ok:
        user, seq = call.actor.user, cast("Ack", call.body).seq
        head, acked = await load_head(self._database, user)
        if seq > head:
            raise Invalid(f"Nothing after seq {head} is in your inbox.")
        self._receipts.ack(user, seq, None)
        return Ok(seq=max(seq, acked))


def _hello(call: Call, query: EventsQuery | PollQuery, after: int | None) -> Hello:
    assert call.request is not None  # noqa: S101  every call has one
    token = call.request.headers["Authorization"].partition(" ")[2].strip()
    return Hello(device=query.device, token=token, after=after, epoch=query.epoch, status=query.status)


def _line(call: Call) -> Line:
    assert call.request is not None  # noqa: S101  every call has one
    return cast("Line", call.request.scope["extensions"][EXTENSION])


def _last_event_id(call: Call) -> int | None:
    """The cursor in the header; an empty one is none (HTML, section 9.2.2). Raises: Invalid."""
    assert call.request is not None  # noqa: S101  every call has one
    text = call.request.headers.get(LAST_EVENT_ID, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_SEQ_MAX)) and int(text) <= _SEQ_MAX):
        raise Invalid(f"{LAST_EVENT_ID} is the seq of an event: a whole number.")
    return int(text)


def live_endpoints(streams: Streams, database: Database, receipts: Receipts) -> Sequence[Endpoint]:
    """`/v1/events`, `/v1/poll`, `/v1/ack`."""
    endpoints = _Live(streams, database, receipts)
    return (
        Endpoint(
            method="GET",
            path="/v1/events",
            summary="Everything the socket would say, as server-sent events; `id` is the `seq` of durable ones.",
            group="Live",
            handle=endpoints.events,
            query=EventsQuery,
            headers=(LAST_EVENT_ID,),
            reply=str,
            media_type=EVENT_STREAM,
            is_live=True,
        ),
        Endpoint(
            method="GET",
            path="/v1/poll",
            summary="The durable events after a `seq`: at once if there are any, otherwise after at most `wait` seconds.",
            group="Live",
            handle=endpoints.poll,
            query=PollQuery,
            reply=Polled,
            is_live=True,
        ),
        Endpoint(
            method="POST",
            path="/v1/ack",
            summary="Acknowledge durable events up to a `seq` (ack).",
            group="Live",
            handle=endpoints.ack,
            body=Ack,
            reply=Ok,
        ),
    )
