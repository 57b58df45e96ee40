"""Endpoints of requests for hugs."""

from collections.abc import Callable, Sequence
from typing import cast

from domain.times import from_ms, rfc3339
from hub.api.cursors import RequestPosition, decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.requests import RequestHandlers
from protocol.codes import ErrorCode
from protocol.commands import RequestAnswer, RequestCancel, RequestCreate
from protocol.events import Ok
from protocol.parts import UserRef
from protocol.rest import Page, RequestDirection
from protocol.rest_requests import HugRequestItem, HugRequestQuery
from storage.hug_request_lists import RequestRecord, WantedRequests, load_hug_request, load_hug_requests
from storage.hug_requests import no_such_request
from storage.postgres import Database


class _Requests:
    """Reads lists; hands commands on to the request handlers, which the sockets use too."""

    def __init__(self, database: Database, requests: RequestHandlers, clock: Callable[[], int]) -> None:
        self._database = database
        self._requests = requests
        self._clock = clock

    async def list_requests(self, call: Call) -> Page[HugRequestItem]:
        query = cast("HugRequestQuery", call.query)
        position = decode_cursor(query.cursor, RequestPosition)
        wanted = WantedRequests(
            user=call.actor.user,
            now=from_ms(self._clock()),
            outgoing=query.direction is not RequestDirection.INCOMING,
            incoming=query.direction is not RequestDirection.OUTGOING,
            state=query.state,
            before=position.request.lower() if position is not None else None,
        )
        found = await load_hug_requests(self._database, wanted, query.limit + 1)
        shown = found[: query.limit]
        following = encode_cursor(RequestPosition(shown[-1].id)) if len(found) > len(shown) else None
        return Page([_item(record) for record in shown], following)

    async def one(self, call: Call) -> HugRequestItem:
        record = await load_hug_request(self._database, call.actor.user, call.id, from_ms(self._clock()))
        if record is None:
            raise no_such_request()
        return _item(record)

    async def create(self, call: Call) -> Ok:
        return await self._requests.create(call.actor, call.body)

    async def answer(self, call: Call) -> Ok:
        return await self._requests.answer(call.actor, call.body)

    async def cancel(self, call: Call) -> Ok:
        return await self._requests.cancel(call.actor, RequestCancel(id=call.id))


def _item(record: RequestRecord) -> HugRequestItem:
    return HugRequestItem(
        id=record.id,
        direction=RequestDirection.OUTGOING if record.is_mine else RequestDirection.INCOMING,
        from_=UserRef(record.asker, record.asker_name),
        to=UserRef(record.recipient, record.recipient_name or "") if record.recipient is not None else None,
        community=record.recipient is None,
        message=record.message,
        state=record.state,
        at=rfc3339(record.created_ms),
        expires_at=rfc3339(record.expires_ms),
        settled_at=rfc3339(record.settled_ms) if record.settled_ms is not None else None,
        hugs=record.hugs if record.is_mine else None,
        hug=record.hug,
    )


def request_endpoints(database: Database, requests: RequestHandlers, clock: Callable[[], int]) -> Sequence[Endpoint]:
    """`/v1/requests*`."""
    endpoints = _Requests(database, requests, clock)
    return (
        Endpoint(
            method="GET",
            path="/v1/requests",
            summary="Requests for hugs, newest first: made, received or both.",
            group="Hug requests",
            handle=endpoints.list_requests,
            query=HugRequestQuery,
            reply=Page[HugRequestItem],
        ),
        Endpoint(
            method="POST",
            path="/v1/requests",
            summary="Ask for a hug (request.create): one person, or without `to` the community.",
            group="Hug requests",
            handle=endpoints.create,
            body=RequestCreate,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT, ErrorCode.RATE_LIMITED),
        ),
        Endpoint(
            method="POST",
            path="/v1/requests/answer",
            summary="Answer with a hug, or decline without a word (request.answer).",
            group="Hug requests",
            handle=endpoints.answer,
            body=RequestAnswer,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.EXPIRED),
        ),
        Endpoint(
            method="GET",
            path="/v1/requests/{id}",
            summary="One request that one has made or received.",
            group="Hug requests",
            handle=endpoints.one,
            reply=HugRequestItem,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="DELETE",
            path="/v1/requests/{id}",
            summary="Withdraw one's own request (request.cancel).",
            group="Hug requests",
            handle=endpoints.cancel,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.EXPIRED),
        ),
    )
