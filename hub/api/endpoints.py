"""What an endpoint is, declared once, and the way of a request through it.

Invariant: a handler sees only what has been checked: who asks, a body and a query of the declared shape,
ids in canonical form. The same declaration makes the route and its entry in the OpenAPI document.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Any, NoReturn

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from domain.api_keys import Scope
from domain.errors import Forbidden, Invalid, Refusal, TooLarge, Unauthenticated
from domain.times import from_ms
from hub.api.problems import UnsupportedBody, internal, refused
from hub.handlers.ports import Actor
from hub.tokens import Claims, TokenVerifier
from protocol.codes import ErrorCode
from storage.api_keys import find_holder
from storage.limits import Limit, Limits
from storage.postgres import Database
from storage.users import load_caller

BODY_MAX_BYTES = 16 * 1024
JSON = "application/json"
CALLS_BY_USER = Limit("calls", 1_200, 60_000)
CALLS_BY_KEY = Limit("server_calls", 6_000, 60_000)

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SEQ = re.compile(r"[1-9][0-9]{0,15}")
_encoder = msgspec.json.Encoder()

log = logging.getLogger("hugmood.api")


class Auth(Enum):
    """What an endpoint does with an access token: needs it, uses it if there is a good one, or does not look. SERVER: it
    needs the API key of an app owner's server, and nothing else opens it.
    """

    NEEDED = "needed"
    OPTIONAL = "optional"
    IGNORED = "ignored"
    SERVER = "server"


class Call(Struct, frozen=True, kw_only=True):
    """One request, checked."""

    address: str
    claims: Claims | None = None
    caller: Actor | None = None
    key: str = ""  # the id of the API key
    body: Any = None
    query: Any = None
    id: str = ""  # of the path
    seq: int = 0  # likewise
    request: Request | None = None  # for answers that take their time

    @property
    def actor(self) -> Actor:
        """Who asks."""
        if self.caller is None:
            raise RuntimeError("an open endpoint asked who calls")
        return self.caller


class Endpoint(Struct, frozen=True, kw_only=True):
    """One method on one path. *reply*: the type of what *handle* returns, unless that is a response already.

    *scope*: what an API key must be good for. *media_type*: of the answer. *headers*: those it looks at. *is_live*: the answer waits for events, so there is no HEAD.
    """

    method: str
    path: str
    summary: str
    group: str
    handle: Callable[[Call], Awaitable[object]]
    reply: Any
    body: type[Struct] | None = None
    body_max_bytes: int = BODY_MAX_BYTES
    is_body_optional: bool = False
    query: type[Struct] | None = None
    status: int = 200
    auth: Auth = Auth.NEEDED
    scope: Scope | None = None
    errors: Sequence[ErrorCode] = ()
    media_type: str = JSON
    headers: Sequence[str] = ()
    is_live: bool = False


class Gate:
    """Checks who asks, for all endpoints."""

    def __init__(self, database: Database, verifier: TokenVerifier, limits: Limits, clock: Callable[[], int]) -> None:
        self._database = database
        self._verifier = verifier
        self._limits = limits
        self._clock = clock

    def claims(self, request: Request) -> Claims | None:
        """What the access token says; None without one. Raises: Unauthenticated, TokenExpired."""
        token = _bearer(request)
        return self._verifier.verify(token, self._clock()) if token is not None else None

    async def caller(self, claims: Claims | None) -> Actor:
        """Who asks. Raises: Unauthenticated, RateLimited, Unavailable."""
        if claims is None:
            raise Unauthenticated("Send an access token: Authorization: Bearer …")
        await self._limits.take((CALLS_BY_USER, claims.user))
        caller = await load_caller(self._database, claims.user, claims.sid)
        if caller is None or caller.is_revoked:
            raise Unauthenticated("This log-in has been ended. Log in again.")
        return Actor(claims.user, caller.name)

    async def server(self, request: Request, scope: Scope | None) -> str:
        """The id of the API key that is sent, if it is good for *scope*.

        Raises: Unauthenticated, Forbidden, RateLimited, Unavailable.
        """
        key = _bearer(request)
        if key is None:
            raise Unauthenticated("Send the key of your server: Authorization: Bearer hm_…")
        holder = await find_holder(self._database, key, from_ms(self._clock()))
        if holder is None:
            raise Unauthenticated("This is no key of a server, or it has been revoked.")
        await self._limits.take((CALLS_BY_KEY, holder.key))
        if scope not in holder.scopes:
            raise Forbidden(f"This key is not good for {scope}.")
        return holder.key


def _bearer(request: Request) -> str | None:
    """What the Authorization header brings; None without one. Raises: Unauthenticated."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header has the form: Bearer, a blank, the access token.")
    return token.strip()


class Responder:
    """An endpoint behind its gate."""

    def __init__(self, endpoint: Endpoint, gate: Gate) -> None:
        self._endpoint = endpoint
        self._gate = gate
        self._body = msgspec.json.Decoder(endpoint.body) if endpoint.body is not None else None

    async def answer(self, request: Request) -> Response:
        """The response to *request*. Never raises but for cancellation and a client that went away."""
        try:
            reply = await self._endpoint.handle(await self._check(request))
        except Refusal as refusal:
            return refused(refusal)
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("a request failed", extra={"method": self._endpoint.method, "path": self._endpoint.path})
            return internal()
        if isinstance(reply, Response):
            return reply
        headers = {"Cache-Control": "no-store"}
        return Response(_encoder.encode(reply), self._endpoint.status, headers, JSON)

    async def _check(self, request: Request) -> Call:
        endpoint = self._endpoint
        claims = self._claims(request)
        caller = await self._gate.caller(claims) if endpoint.auth is Auth.NEEDED else None
        key = await self._gate.server(request, endpoint.scope) if endpoint.auth is Auth.SERVER else ""
        return Call(
            address=request.client.host if request.client is not None else "local",
            claims=claims,
            caller=caller,
            key=key,
            body=await self._read_body(request),
            query=self._read_query(request),
            id=_canonical(request.path_params.get("id")),
            seq=_number(request.path_params.get("seq")),
            request=request,
        )

    def _claims(self, request: Request) -> Claims | None:
        if self._endpoint.auth in (Auth.IGNORED, Auth.SERVER):
            return None
        try:
            return self._gate.claims(request)
        except Refusal:
            if self._endpoint.auth is Auth.OPTIONAL:
                return None
            raise

    async def _read_body(self, request: Request) -> Struct | None:
        if self._body is None:
            return None
        data = await _read(request, self._endpoint.body_max_bytes)
        if not data and self._endpoint.is_body_optional:
            data = b"{}"
        else:
            _check_content_type(request)
        try:
            return self._body.decode(data)
        except RecursionError:
            raise Invalid("The body is nested too deeply.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise Invalid(f"The body is not what is expected: {error}.") from None

    def _read_query(self, request: Request) -> Struct | None:
        given = request.query_params.multi_items()
        expected = self._endpoint.query
        if expected is None:
            if given:
                raise Invalid("This address takes no parameters.")
            return None
        if len(dict(given)) < len(given):
            raise Invalid("Each parameter can be given once.")
        try:
            return msgspec.convert(dict(given), expected, strict=False)
        except msgspec.ValidationError as error:
            raise Invalid(f"The parameters are not what is expected: {error}.") from None


async def _read(request: Request, max_bytes: int) -> bytes:
    """The whole body. Raises: TooLarge, as soon as that is known."""
    length = request.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > max_bytes:
        _too_large(max_bytes)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > max_bytes:
            _too_large(max_bytes)
    return bytes(data)


def _too_large(max_bytes: int) -> NoReturn:
    raise TooLarge(f"A body has at most {max_bytes // 1024} KiB.")


def _check_content_type(request: Request) -> None:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedBody("The body is JSON: send it with Content-Type: application/json.")


def _canonical(uid: str | None) -> str:
    if uid is None:
        return ""
    uid = uid.lower()
    if not _UUID.fullmatch(uid):
        raise Invalid("The id in the address is a UUID.")
    return uid


def _number(seq: str | None) -> int:
    if seq is None:
        return 0
    if not _SEQ.fullmatch(seq):
        raise Invalid("The id in the address is a whole number.")
    return int(seq)
