"""Apple's push service: one push is one HTTP/2 request, and what its answer means for the delivery and the token.

Invariant: a push that APNs may have taken is never sent again from here; the pipeline decides about that.
"""

import re
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from hpack import HeaderTuple, NeverIndexedHeaderTuple
from jwt.utils import base64url_encode, der_to_raw_signature
from msgspec import Struct

from workers.push.apns_settings import ApnsSettings
from workers.push.http2 import Http2Client, Response, Unanswered, Unprocessed
from workers.push.outgoing import Answer, Outgoing, Verdict
from workers.push.posting import retry_after_s

PAYLOAD_MAX_BYTES = 4_096
ELLIPSIS = "…"
TOKEN = re.compile(r"[0-9A-Fa-f]{64,200}")
REQUEST_MAX_S = 14.0  # with connecting, waiting for a stream, and a second try; below SEND_MAX_S
JWT_TTL_S = 1_800  # APNs takes it for an hour, and new ones not more often than every 20 min
RENEW_EVERY_S = 1_200  # APNs takes no new one more often than every 20 min
OF_OUR_TOPIC = frozenset({"DeviceTokenNotForTopic", "TopicDisallowed"})

_SAME_EACH_TIME = ECDSA(SHA256(), deterministic_signing=True)  # RFC 6979


class ApnsProvider:
    """Sends with one key of Apple's, for one app, over one connection."""

    name = "apns"
    in_flight_max = 500

    def __init__(
        self,
        settings: ApnsSettings,
        context: ssl.SSLContext | None = None,
        now_s: Callable[[], float] = time.time,
        *,
        request_max_s: float = REQUEST_MAX_S,
    ) -> None:
        """*context*: its own, it is made to speak HTTP/2 only; None trusts the usual authorities. *now_s*: Unix time."""
        address = urlsplit(settings.url)
        self._client = Http2Client(address.hostname or "", address.port or 443, context or ssl.create_default_context())
        self._request_max_s = request_max_s
        self._now_s = now_s
        self._permit = _Permit(settings, now_s)
        self._fixed = (
            HeaderTuple(b":method", b"POST"),
            HeaderTuple(b":scheme", b"https"),
            HeaderTuple(b":authority", address.netloc.encode()),
        )
        self._topic = HeaderTuple(b"apns-topic", settings.topic.encode())

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once. Something that cannot be a device token is as dead as one that APNs does not know any more."""
        if not TOKEN.fullmatch(outgoing.to):
            return Answer(verdict=Verdict.GONE, detail="not a device token")
        payload = encode_payload(outgoing)
        if payload is None:
            return Answer(verdict=Verdict.REFUSED, detail=f"more than {PAYLOAD_MAX_BYTES:,} bytes")
        try:
            return read_answer(await self._post(outgoing, payload))
        except Unprocessed as error:
            return Answer(verdict=Verdict.RETRY, detail=str(error), retry_after_s=error.retry_after_s)
        except Unanswered as error:
            return Answer(verdict=Verdict.RETRY, detail=str(error), is_silent=True)

    async def _post(self, outgoing: Outgoing, payload: bytes) -> Response:
        until = time.monotonic() + self._request_max_s
        permit = self._permit.current()
        response = await self._client.request(self._headers(outgoing, permit), payload, self._request_max_s)
        if response.status == 403 and _reason(response) == "ExpiredProviderToken":
            renewed = self._permit.renewed(permit)
            left_s = until - time.monotonic()
            if renewed is not None and left_s > 0:
                return await self._client.request(self._headers(outgoing, renewed), payload, left_s)
        return response

    def _headers(self, outgoing: Outgoing, permit: bytes) -> list[HeaderTuple]:
        """What is the same for many is indexed (RFC 7541), so that each request takes a byte for it; the rest never is."""
        content = outgoing.content
        headers = [
            *self._fixed,
            NeverIndexedHeaderTuple(b":path", b"/3/device/" + outgoing.to.encode()),
            HeaderTuple(b"authorization", permit),
            self._topic,
            HeaderTuple(b"apns-push-type", b"alert"),
            HeaderTuple(b"apns-priority", b"10" if content.is_urgent else b"5"),
            NeverIndexedHeaderTuple(b"apns-id", outgoing.id.encode()),
            NeverIndexedHeaderTuple(b"apns-expiration", b"%d" % int(self._now_s() + outgoing.ttl_s)),
        ]
        if content.collapse_key:
            headers.append(NeverIndexedHeaderTuple(b"apns-collapse-id", content.collapse_key.encode()))
        return headers


class _Permit:
    """The JWT that every request carries, as the value of its header.

    All workers with the same key have the same one, also those that have just started: APNs counts new ones by key.
    """

    def __init__(self, settings: ApnsSettings, now_s: Callable[[], float]) -> None:
        self._settings = settings
        self._now_s = now_s
        self._value = b""
        self._period = -1
        self._renewed_at = -float("inf")

    def current(self) -> bytes:
        """Never older than `JWT_TTL_S`."""
        period = int(self._now_s()) // JWT_TTL_S
        if period != self._period:
            self._sign(period * JWT_TTL_S)
            self._period = period
        return self._value

    def renewed(self, expired: bytes) -> bytes | None:
        """Another one than *expired*, which APNs does not take; None: it would be too soon after the last time."""
        now = self._now_s()
        if self._value == expired:
            if now < self._renewed_at + RENEW_EVERY_S:
                return None
            self._renewed_at = now
            self._sign(int(now))
        return self._value

    def _sign(self, issued_s: int) -> None:
        """By hand: PyJWT signs with chance, which makes another token each time."""
        settings = self._settings
        head, claims = {"alg": "ES256", "kid": settings.key_id}, {"iss": settings.team_id, "iat": issued_s}
        signed = b".".join(base64url_encode(msgspec.json.encode(part)) for part in (head, claims))
        signature = der_to_raw_signature(settings.key.sign(signed, _SAME_EACH_TIME), settings.key.curve)
        self._value = b"bearer " + signed + b"." + base64url_encode(signature)


def encode_payload(outgoing: Outgoing) -> bytes | None:
    """What the device is given; its text is cut to fit. None: it does not fit without any text."""
    text = outgoing.content.body
    encoded = _encode(outgoing, text)
    excess = len(encoded) - PAYLOAD_MAX_BYTES
    if excess <= 0:
        return encoded
    left = max(0, len(text.encode()) - excess - len(ELLIPSIS.encode()))
    cut = _encode(outgoing, text.encode()[:left].decode(errors="ignore").rstrip() + ELLIPSIS)
    return cut if len(cut) <= PAYLOAD_MAX_BYTES else None


def _encode(outgoing: Outgoing, text: str) -> bytes:
    content = outgoing.content
    aps: dict[str, Any] = {
        "alert": {"title": content.title, "body": text},
        "badge": content.badge,
        "thread-id": content.category,
    }
    if content.is_urgent:
        aps["sound"] = "default"
    return msgspec.json.encode({**content.data, "kind": content.kind, "delivery": outgoing.id, "aps": aps})


def read_answer(response: Response) -> Answer:
    """What it means (push.md, verdicts)."""
    status = response.status
    ref = response.headers.get(b"apns-id", b"").decode("latin-1") or None
    if status == 200:
        return Answer(verdict=Verdict.ACCEPTED, detail="200", ref=ref)
    problem = _problem(response)
    verdict = _verdict(status, problem.reason)
    later = response.headers.get(b"retry-after", b"").decode("latin-1")
    return Answer(
        verdict=verdict,
        detail=f"{status} {problem.reason}".rstrip(),
        ref=ref,
        retry_after_s=retry_after_s(later, time.time()) if verdict is Verdict.RETRY else 0.0,
        gone_since_ms=problem.timestamp if verdict is Verdict.GONE else None,
        is_throttled=status == 429,
        is_of_all=status == 403,
    )


def _verdict(status: int, reason: str) -> Verdict:
    if status == 410 or reason == "BadDeviceToken":
        return Verdict.GONE
    if status == 403 or reason in OF_OUR_TOPIC:
        return Verdict.MISCONFIGURED
    if status == 429 or status >= 500:
        return Verdict.RETRY
    return Verdict.REFUSED


class _Problem(Struct):
    reason: str = ""
    timestamp: int | None = None


def _problem(response: Response) -> _Problem:
    """Of an answer that is no success; empty if it says nothing that can be read."""
    try:
        problem = msgspec.json.decode(response.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Problem()
    problem.reason = re.sub(r"[^\w .-]", "", problem.reason)[:64]  # it goes into logs
    return problem


def _reason(response: Response) -> str:
    return _problem(response).reason
