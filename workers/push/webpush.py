"""Web Push (RFC 8030): encrypted for the browser (RFC 8291), signed with our VAPID key (RFC 8292)."""

import re
import ssl
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import jwt
import msgspec
from msgspec import Struct
from pywebpush import WebPusher, WebPushException
from yarl import URL

from domain.errors import Invalid
from domain.push_endpoints import check_endpoint
from protocol.rest_push import Subscription
from storage.own_keys import VapidKeys
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict
from workers.push.posting import CONNECTIONS_MAX, NoReply, Poster, Reply
from workers.push.webpush_settings import WebPushSettings

PLAIN_MAX_BYTES = 3_993  # a record of 4,096 bytes without its header of 86, the tag of 16 and the delimiter
TTL_MAX_S = 28 * 86_400
VAPID_KEPT_S = 12 * 3600.0
VAPID_GOOD_S = 13 * 3600  # at most a day is allowed; a clock that is behind must find it good, too
ORIGINS_MAX = 1_000
REF_MAX = 500
MARGIN_S = 1.0  # within SEND_MAX_S, for what is done before and after asking

_REASON = re.compile(r"[A-Za-z]{1,64}")
_GONE = frozenset({404, 410})


class WebPushProvider:
    """Sends with our key pair to any push service that is allowed."""

    name = "webpush"
    in_flight_max = CONNECTIONS_MAX

    def __init__(
        self,
        settings: WebPushSettings,
        keys: VapidKeys,
        context: ssl.SSLContext | None = None,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """*now_s*: Unix time."""
        self._settings = settings
        self._poster = Poster(context)
        self._vapid = VapidHeaders(settings.subject, keys, now_s)

    async def __aenter__(self) -> Self:
        await self._poster.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._poster.__aexit__(kind, error, trace)

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once."""
        until_s = time.monotonic() + SEND_MAX_S - MARGIN_S
        plain = encode_plain(outgoing)
        if len(plain) > PLAIN_MAX_BYTES:
            return _refused(f"{len(plain)} bytes, more than {PLAIN_MAX_BYTES}")
        try:
            subscription = msgspec.json.decode(outgoing.to, type=Subscription)
            origin = check_endpoint(subscription.endpoint, self._settings.more_hosts)
            body = encrypt(subscription, plain)
        except Invalid:
            return _refused("the endpoint is at no push service that is allowed")
        except (ValueError, IndexError, WebPushException):  # msgspec's and base64's errors are ValueErrors
            return _refused("no subscription that can be encrypted for")
        headers = _headers(outgoing) | {"Authorization": self._vapid.header(origin)}
        try:
            url = URL(subscription.endpoint, encoded=True)
            return webpush_answer(await self._poster.post(url, body, headers, until_s - time.monotonic()))
        except NoReply as error:
            return error.answer


class VapidHeaders:
    """The `Authorization` for each origin, signed every 12 hours."""

    def __init__(self, subject: str, keys: VapidKeys, now_s: Callable[[], float] = time.time) -> None:
        self._subject = subject
        self._keys = keys
        self._now_s = now_s
        self._kept: dict[str, tuple[str, float]] = {}

    def header(self, origin: str) -> str:
        """What a push service at *origin* is to be shown."""
        now_s = self._now_s()
        kept, until_s = self._kept.get(origin, ("", 0.0))
        if now_s < until_s:
            return kept
        claims: dict[str, object] = {"aud": origin, "exp": int(now_s) + VAPID_GOOD_S, "sub": self._subject}
        header = f"vapid t={jwt.encode(claims, self._keys.private, 'ES256')}, k={self._keys.public}"
        if len(self._kept) >= ORIGINS_MAX:
            self._kept.clear()
        self._kept[origin] = (header, now_s + VAPID_KEPT_S)
        return header


def encode_plain(outgoing: Outgoing) -> bytes:
    """What the service worker of the app gets, as JSON."""
    content = outgoing.content
    return msgspec.json.encode(
        {
            "title": content.title,
            "body": content.body,
            "data": {**content.data, "kind": content.kind, "delivery": outgoing.id},
            "badge": content.badge,
            "tag": content.collapse_key,
        }
    )


def encrypt(subscription: Subscription, plain: bytes) -> bytes:
    """The body for that browser, in one record. Raises: ValueError, IndexError or WebPushException if its keys are none."""
    keys = {"p256dh": subscription.keys.p256dh, "auth": subscription.keys.auth}
    body: bytes = WebPusher({"endpoint": subscription.endpoint, "keys": keys}).encode(plain)["body"]
    return body


def _headers(outgoing: Outgoing) -> dict[str, str]:
    content = outgoing.content
    return {
        "TTL": str(min(max(outgoing.ttl_s, 0), TTL_MAX_S)),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
        "Urgency": "high" if content.is_urgent else "normal",  # iOS shows others when it pleases
        "Topic": content.collapse_key,
    }


def webpush_answer(reply: Reply) -> Answer:
    """The verdict on one push."""
    detail = f"{reply.status} {_reason(reply.body)}".rstrip()
    if 200 <= reply.status < 300:
        ref = reply.location[:REF_MAX] if reply.location else None
        return Answer(verdict=Verdict.ACCEPTED, detail=detail, ref=ref)
    if reply.status in _GONE:
        return Answer(verdict=Verdict.GONE, detail=detail)
    if reply.status in {408, 429} or reply.status >= 500:
        return Answer(
            verdict=Verdict.RETRY,
            detail=detail,
            retry_after_s=reply.retry_after_s,
            is_throttled=reply.status == 429,
        )
    return Answer(verdict=Verdict.MISCONFIGURED, detail=detail)  # 413, too: we send no more than any service must take


def push_service_of(to: str) -> str:
    """Whose endpoint a subscription has: each service may be away while the others are not."""
    try:
        return str(URL(msgspec.json.decode(to, type=Subscription).endpoint).origin())
    except (msgspec.MsgspecError, ValueError):
        return ""


def _refused(detail: str) -> Answer:
    return Answer(verdict=Verdict.REFUSED, detail=detail)


class _Failed(Struct):
    reason: str = ""


def _reason(body: bytes) -> str:
    """The word that some services answer with; never a sentence, which may quote the endpoint."""
    try:
        reason = msgspec.json.decode(body, type=_Failed).reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return reason if _REASON.fullmatch(reason) else ""
