"""Refusals as problem documents (RFC 9457): whatever goes wrong, the body has the same shape and a `code`."""

from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import RateLimited, Refusal, Unauthenticated, Unavailable
from hub.dispatch import code_of
from hub.tokens import TokenExpired
from protocol.codes import ErrorCode
from protocol.rest import Problem

MEDIA_TYPE = "application/problem+json"

STATUS = {
    ErrorCode.INVALID: 400,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 409,
    ErrorCode.EXPIRED: 410,
    ErrorCode.TOO_LARGE: 413,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.INTERNAL: 500,
}

_HTTP_CODES = {404: ErrorCode.NOT_FOUND, 413: ErrorCode.TOO_LARGE, 503: ErrorCode.UNAVAILABLE}
_HTTP_DETAILS = {
    404: "There is nothing at this address. /docs lists what there is.",
    405: "This address does not answer to that method.",
}


class UnsupportedBody(Refusal):
    """A body that is not JSON, by its own account."""


def refused(refusal: Refusal) -> Response:
    """*refusal* as a response."""
    code = ErrorCode.INVALID if isinstance(refusal, UnsupportedBody) else code_of(refusal)
    status, headers = STATUS[code], {}
    if isinstance(refusal, UnsupportedBody):
        status = 415
    if isinstance(refusal, (Unauthenticated, TokenExpired)):
        status = 401  # also for an expired token: the client gets a new one and asks again
        headers["WWW-Authenticate"] = "Bearer"
    retry_after_ms = refusal.retry_after_ms if isinstance(refusal, (RateLimited, Unavailable)) else None
    return problem(status, code, str(refusal), retry_after_ms=retry_after_ms, headers=headers)


def problem(
    status: int,
    code: ErrorCode,
    detail: str,
    *,
    retry_after_ms: int | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """One problem document. Retry-After is in whole seconds, rounded up, so that it is never too early."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        retryable=retry_after_ms is not None,
        retry_after_ms=retry_after_ms,
    )
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if retry_after_ms is not None:
        headers["Retry-After"] = str(-(-retry_after_ms // 1000))
    return Response(msgspec.json.encode(body), status, headers, MEDIA_TYPE)


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such route, no such method."""
    assert isinstance(error, HTTPException)  # noqa: S101  what it is registered for
    code = _HTTP_CODES.get(error.status_code, ErrorCode.INVALID)
    detail = _HTTP_DETAILS.get(error.status_code, error.detail)
    return problem(error.status_code, code, detail, headers=dict(error.headers or {}))


async def on_error(_request: Request, _error: Exception) -> Response:
    """Our own fault. Starlette raises the error again afterwards, so the server logs it."""
    return internal()


def internal() -> Response:
    """Of our own fault the client learns no more than that."""
    return problem(500, ErrorCode.INTERNAL, "Something went wrong here; it is logged.", retry_after_ms=1000)
