"""Firebase Cloud Messaging, HTTP v1: pushes to Android, and to iOS apps that are registered there."""

import ssl
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
import regex
from yarl import URL

from workers.push.fcm_settings import FcmSettings
from workers.push.fcm_verdicts import fcm_answer, is_token_refused
from workers.push.google_tokens import FETCH_MAX_S, AccessTokens, NoToken
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict
from workers.push.posting import CONNECTIONS_MAX, NoReply, Poster, Reply

PAYLOAD_MAX_BYTES = 4_096
TTL_MAX_S = 28 * 86_400
MARGIN_S = 1.0  # within SEND_MAX_S, for what is done before and after asking
ELLIPSIS = "…"
RESERVED = frozenset({"from", "message_type"})  # FCM refuses a message whose data have such a name
RESERVED_BEGINNINGS = ("google", "gcm")


class FcmProvider:
    """Sends with the credentials of one project."""

    name = "fcm"
    in_flight_max = CONNECTIONS_MAX

    def __init__(
        self, settings: FcmSettings, context: ssl.SSLContext | None = None, now_s: Callable[[], float] = time.time
    ) -> None:
        """*now_s*: Unix time."""
        self._url = URL(f"{settings.url}/v1/projects/{settings.project}/messages:send")
        self._poster = Poster(context)
        self._tokens = AccessTokens(settings.account, self._poster, now_s)
        self._now_s = now_s
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._poster)
        self._stack.push_async_callback(self._tokens.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once; a second time if our access token was refused."""
        body = encode_message(outgoing, int(self._now_s()))
        if body is None:
            return Answer(verdict=Verdict.REFUSED, detail=f"more than {PAYLOAD_MAX_BYTES} bytes")
        until_s = time.monotonic() + SEND_MAX_S - MARGIN_S
        try:
            token = await self._tokens.get()
            reply = await self._post(token, body, until_s)
            if is_token_refused(reply):
                self._tokens.drop(token)
                if until_s - time.monotonic() < FETCH_MAX_S:
                    return Answer(verdict=Verdict.RETRY, detail=f"{reply.status}, too late for another access token")
                reply = await self._post(await self._tokens.get(), body, until_s)
        except (NoToken, NoReply) as error:
            return error.answer
        return fcm_answer(reply)

    async def _post(self, token: str, body: bytes, until_s: float) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._poster.post(self._url, body, headers, until_s - time.monotonic())


def encode_message(outgoing: Outgoing, now_s: int) -> bytes | None:
    """The request's body; its text is cut to fit. None: it does not fit without any text.

    The limit counts what the app is sent: all but the token that it goes to.
    """
    text = outgoing.content.body
    most = PAYLOAD_MAX_BYTES + len(outgoing.to)
    encoded = _encode(outgoing, text, now_s)
    if len(encoded) <= most:
        return encoded
    letters = regex.findall(r"\X", text)  # no emoji is cut in two

    def cut(count: int) -> bytes:
        return _encode(outgoing, "".join(letters[:count]) + ELLIPSIS, now_s)

    count = bisect_right(range(len(letters)), most, key=lambda count: len(cut(count))) - 1
    return cut(count) if count >= 0 else None


def _is_reserved(name: str) -> bool:
    """An app's owner may well call something so: better a push without it than none."""
    return name in RESERVED or name.startswith(RESERVED_BEGINNINGS)


def _encode(outgoing: Outgoing, text: str, now_s: int) -> bytes:
    content = outgoing.content
    ttl_s = min(max(outgoing.ttl_s, 0), TTL_MAX_S)
    message: dict[str, Any] = {
        "token": outgoing.to,
        "notification": {"title": content.title, "body": text},
        "data": {
            **{name: text for name, text in content.data.items() if not _is_reserved(name)},
            "kind": content.kind,
            "delivery": outgoing.id,
        },
        "android": {
            "priority": "HIGH" if content.is_urgent else "NORMAL",
            "ttl": f"{ttl_s}s",
            "collapse_key": content.collapse_key,  # replaces what has not reached the device
            "notification": {"tag": content.collapse_key, "notification_count": content.badge},  # and what it shows
        },
        "apns": {
            "headers": {
                "apns-collapse-id": content.collapse_key,
                "apns-expiration": str(now_s + ttl_s),
                "apns-priority": "10" if content.is_urgent else "5",
            },
            "payload": {"aps": {"badge": content.badge} | ({"sound": "default"} if content.is_urgent else {})},
        },
    }
    return msgspec.json.encode({"message": message})
