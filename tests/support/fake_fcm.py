"""Firebase Cloud Messaging as far as a sender sees it: the token endpoint, and `messages:send` of HTTP v1."""

import re
import secrets
import ssl
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct

from tests.support.push_faults import PUSH, FakeProvider, Push

PROJECT = "hugs-of-a-test"
EMAIL = "sender@hugs-of-a-test.iam.gserviceaccount.com"
KEY_ID = "key-of-a-test"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
PAYLOAD_MAX_BYTES = 4_096
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
CODES = {"UNREGISTERED": 404, "INVALID_ARGUMENT": 400, "SENDER_ID_MISMATCH": 403, "THIRD_PARTY_AUTH_ERROR": 401}


class _Notification(Struct, forbid_unknown_fields=True):
    title: str
    body: str


class _Shown(Struct, forbid_unknown_fields=True):
    tag: str = ""
    notification_count: int = 0


class _Android(Struct, forbid_unknown_fields=True):
    priority: str
    ttl: str
    collapse_key: str
    notification: _Shown


class _Apns(Struct, forbid_unknown_fields=True):
    headers: dict[str, str]
    payload: dict[str, Any]


class _Message(Struct, forbid_unknown_fields=True):
    token: str
    notification: _Notification
    data: dict[str, str]
    android: _Android
    apns: _Apns | None = None


class _Request(Struct, forbid_unknown_fields=True):
    message: _Message


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Of the service account; another one in each process."""
    return rsa.generate_private_key(65_537, 2_048)


class FakeFcm(FakeProvider):
    """`broken`: by token, one of `CODES`."""

    name = "fcm"

    def __init__(self, context: ssl.SSLContext | None = None, *, is_gated: bool = False) -> None:
        super().__init__(context, is_gated=is_gated)
        self.token_s = 3600  # how long the next access token is good
        self.granted: list[str] = []  # all access tokens, in order
        self.good: set[str] = set()  # those that are taken

    @property
    def credentials(self) -> str:
        """The file that the operator downloads."""
        pem = private_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": f"{self.url}/token",
        }
        return msgspec.json.encode(fields).decode()

    def routes(self) -> Iterator[web.RouteDef]:
        yield web.post("/token", self._token)
        yield web.post("/v1/projects/{project}/messages:send", self._send)

    def failed(self, status: int, code: str, field: str = "") -> web.Response:
        """*code*: of a detail `FcmError`; *field*: of a detail `BadRequest`."""
        details: list[dict[str, Any]] = []
        if code:
            details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
        if field:
            violation = {"field": field, "description": "It is not as it should be."}
            details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
        error = {"code": status, "message": "It failed.", "status": STATUSES.get(status, "UNKNOWN"), "details": details}
        return web.json_response({"error": error}, status=status)

    async def _token(self, request: web.Request) -> web.Response:
        if (answer := await self.misbehave(request, "token")) is not None:
            return answer
        form = await request.post()
        try:
            assert form["grant_type"] == GRANT
            assertion = str(form["assertion"])
            claims = jwt.decode(
                assertion,
                private_key().public_key(),
                algorithms=["RS256"],
                audience=f"{self.url}/token",
                issuer=EMAIL,
                options={"require": ["exp", "iat", "aud", "iss"]},
            )
            assert claims["scope"] == SCOPE
            assert claims["exp"] - claims["iat"] <= 3600
            assert jwt.get_unverified_header(assertion)["kid"] == KEY_ID
        except (AssertionError, KeyError, jwt.InvalidTokenError) as error:
            return web.json_response({"error": "invalid_grant", "error_description": repr(error)}, status=400)
        token = secrets.token_urlsafe(24)
        self.granted.append(token)
        self.good.add(token)
        return web.json_response({"access_token": token, "expires_in": self.token_s, "token_type": "Bearer"})

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            message = msgspec.json.decode(body, type=_Request).message
        except msgspec.DecodeError:
            return self.failed(400, "", "message")
        push = request[PUSH] = _push(message, request)
        if (answer := await self.misbehave(request, "send", push)) is not None:
            return answer
        return self._refusal(request, message, len(body)) or self._keep(push)

    def _refusal(self, request: web.Request, message: _Message, size: int) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.good:
            return self.failed(401, "")
        if request.match_info["project"] != PROJECT:
            return self.failed(403, "")
        if size - len(message.token) > PAYLOAD_MAX_BYTES:
            return self.failed(400, "INVALID_ARGUMENT", "message")
        if not re.fullmatch(r"[0-9]+s", message.android.ttl):
            return self.failed(400, "", "message.android.ttl")
        if message.android.priority not in {"HIGH", "NORMAL"}:
            return self.failed(400, "", "message.android.priority")
        if any(re.fullmatch(r"from|message_type|(google|gcm).*", name) for name in message.data):
            return self.failed(400, "INVALID_ARGUMENT")  # the same as for a bad token
        if code := self.broken.get(message.token):
            return self.failed(CODES[code], code)
        return None

    def _keep(self, push: Push) -> web.Response:
        self.pushes.append(push)
        return web.json_response({"name": f"projects/{PROJECT}/messages/{len(self.pushes)}"})


def _push(message: _Message, request: web.Request) -> Push:
    return Push(
        provider="fcm",
        to=message.token,
        id=message.data.get("delivery", ""),
        collapse_key=message.android.collapse_key,
        title=message.notification.title,
        text=message.notification.body,
        at_ms=time.time_ns() // 1_000_000,
        message=msgspec.to_builtins(message),
        headers={name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"},
    )
