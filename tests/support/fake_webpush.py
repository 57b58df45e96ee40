"""A push service of a browser (RFC 8030) and the browser behind it: it subscribes, checks who sends, and decrypts."""

import re
import secrets
import ssl
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator

import http_ece
import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec import Struct

from tests.support.push_faults import PUSH, FakeProvider, Push

BODY_MAX_BYTES = 4_096
DAY_S = 86_400
URGENCIES = {"very-low", "low", "normal", "high"}


class Browser(Struct, frozen=True):
    """Who has subscribed. *vapid*: the key that alone may send."""

    key: ec.EllipticCurvePrivateKey
    auth: bytes
    vapid: str

    def decrypt(self, body: bytes) -> bytes:
        """What was sent. Raises: http_ece.ECEException."""
        plain: bytes = http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        return plain


class FakeWebPush(FakeProvider):
    """`broken`: by endpoint, the status of the answer, such as `410`."""

    name = "webpush"

    def __init__(self, context: ssl.SSLContext | None = None, *, is_gated: bool = False) -> None:
        super().__init__(context, is_gated=is_gated)
        self.browsers: dict[str, Browser] = {}

    def subscribe(self, vapid: str) -> str:
        """A new subscription as JSON, as `PushSubscription.toJSON()` has it."""
        browser = Browser(ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16), vapid)
        name = secrets.token_urlsafe(16)
        self.browsers[name] = browser
        return subscription(f"{self.url}/push/{name}", browser)

    def routes(self) -> Iterator[web.RouteDef]:
        yield web.post("/push/{name}", self._send)

    def failed(self, status: int, code: str) -> web.Response:
        return web.json_response({"code": status, "errno": 100, "reason": code, "message": "It failed."}, status=status)

    async def _send(self, request: web.Request) -> web.Response:
        body = await request.read()
        browser = self.browsers.get(request.match_info["name"])
        if browser is None:
            return self.failed(404, "Unknown")
        wrong = _wrong_headers(request, len(body)) or _wrong_vapid(request, browser, self.url)
        if wrong is not None:
            return self.failed(*wrong)
        try:
            push = request[PUSH] = _push(f"{self.url}{request.path}", browser.decrypt(body), request)
        except (http_ece.ECEException, ValueError, KeyError):  # msgspec raises ValueErrors
            return self.failed(400, "Unreadable")  # a real one cannot know
        if (answer := await self.misbehave(request, "send", push)) is not None:
            return answer
        if status := self.broken.get(push.to):
            return self.failed(int(status), "Broken")
        self.pushes.append(push)
        location = f"{self.url}/message/{len(self.pushes)}"
        return web.Response(status=201, headers={"Location": location, "TTL": request.headers["TTL"]})


def subscription(endpoint: str, browser: Browser) -> str:
    """As the browser hands it to the app."""
    point = browser.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    keys = {"p256dh": base64url(point), "auth": base64url(browser.auth)}
    return msgspec.json.encode({"endpoint": endpoint, "expirationTime": None, "keys": keys}).decode()


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _wrong_headers(request: web.Request, size: int) -> tuple[int, str] | None:
    headers = request.headers
    if not re.fullmatch(r"[0-9]{1,10}", headers.get("TTL", "")):
        return 400, "MissingTTL"
    if headers.get("Content-Encoding") != "aes128gcm":
        return 415, "BadEncoding"
    if headers.get("Urgency", "normal") not in URGENCIES:
        return 400, "BadUrgency"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers.get("Topic", "x")):
        return 400, "BadTopic"
    return (413, "TooLarge") if size > BODY_MAX_BYTES else None


def _wrong_vapid(request: web.Request, browser: Browser, origin: str) -> tuple[int, str] | None:
    match = re.fullmatch(r"vapid t=([^ ,]+), ?k=([A-Za-z0-9_-]+)", request.headers.get("Authorization", ""))
    if match is None:
        return 401, "MissingVapid"
    if match[2] != browser.vapid:
        return 403, "VapidKeyMismatch"
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_base64url(match[2]))
    try:
        claims = jwt.decode(
            match[1], key, algorithms=["ES256"], audience=origin, options={"require": ["exp", "aud", "sub"]}
        )
    except jwt.InvalidTokenError:
        return 403, "BadJwtToken"
    if claims["exp"] > time.time() + DAY_S or not re.match(r"mailto:.+@|https://", claims["sub"]):
        return 403, "BadJwtToken"
    return None


def _push(to: str, plain: bytes, request: web.Request) -> Push:
    message = msgspec.json.decode(plain)
    return Push(
        provider="webpush",
        to=to,
        id=message["data"]["delivery"],
        collapse_key=request.headers.get("Topic", ""),
        title=message["title"],
        text=message["body"],
        at_ms=time.time_ns() // 1_000_000,
        message=message,
        headers={name.lower(): value for name, value in request.headers.items()},
    )
