"""Endpoints for the servers of app owners, opened by their API keys."""

from collections.abc import Sequence
from typing import cast

from msgspec.structs import replace

from domain.api_keys import Scope
from domain.errors import Invalid, Refusal
from hub.api.endpoints import Auth, Call, Endpoint
from hub.dispatch import code_of
from hub.handlers.notices import NoticeHandlers
from protocol.codes import ErrorCode
from protocol.rest_push import NewNotice, NewNotices, Notice, Notices

BATCH_MAX_BYTES = 256 * 1024
IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY_MAX = 128


class _Server:
    """Hands on what a server sends."""

    def __init__(self, notices: NoticeHandlers) -> None:
        self._notices = notices

    async def notify(self, call: Call) -> Notice:
        notice = cast("NewNotice", call.body)
        header = _idempotency_key(call)
        if header is not None:
            if notice.idempotency_key not in (None, header):
                raise Invalid(f"{IDEMPOTENCY_KEY} and idempotency_key are not the same: send one of them.")
            notice = replace(notice, idempotency_key=header)
        return await self._notices.send(call.key, notice)

    async def notify_all(self, call: Call) -> Notices:
        outcomes = await self._notices.send_all(call.key, cast("NewNotices", call.body).notifications)
        return Notices([_refused(each) if isinstance(each, Refusal) else each for each in outcomes])


def _refused(refusal: Refusal) -> Notice:
    return Notice(code=code_of(refusal), message=str(refusal))


def _idempotency_key(call: Call) -> str | None:
    """Raises: Invalid."""
    assert call.request is not None  # noqa: S101  every call has one
    key = call.request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not 1 <= len(key) <= _KEY_MAX:
        raise Invalid(f"{IDEMPOTENCY_KEY} has 1 to {_KEY_MAX} characters.")
    return key


def server_endpoints(notices: NoticeHandlers) -> Sequence[Endpoint]:
    """`/v1/server/*`."""
    endpoints = _Server(notices)
    return (
        Endpoint(
            method="POST",
            path="/v1/server/notifications",
            summary="Tell one user something. The same idempotency key again is the same notification.",
            group="Server",
            handle=endpoints.notify,
            body=NewNotice,
            reply=Notice,
            auth=Auth.SERVER,
            scope=Scope.NOTIFICATIONS_SEND,
            headers=(IDEMPOTENCY_KEY,),
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Endpoint(
            method="POST",
            path="/v1/server/notifications/batch",
            summary="Tell up to 500 users something; each by its own idempotency_key, and each answered by itself.",
            group="Server",
            handle=endpoints.notify_all,
            body=NewNotices,
            body_max_bytes=BATCH_MAX_BYTES,
            reply=Notices,
            auth=Auth.SERVER,
            scope=Scope.NOTIFICATIONS_SEND,
        ),
    )
