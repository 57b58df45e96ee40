"""Pushes to the app's own server, as a webhook that follows Standard Webhooks (https://www.standardwebhooks.com).

The server brings them to people by means of its own. What is signed are the id, which is the same on every try, the time
of the try and the body.
"""

import logging
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Self

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from standardwebhooks import Webhook
from yarl import URL

from domain.times import from_ms, rfc3339
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict
from workers.push.posting import NoReply, Poster, Reply
from workers.push.public_resolver import NotPublic, PublicResolver
from workers.push.webhook_settings import WebhookSettings

SLOWEST_S = 300.0  # between tries, if the server does not ask for more
MARGIN_S = 0.5  # within SEND_MAX_S, for what is done besides asking
_SLOW = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})

log = logging.getLogger("hugmood.push.webhook")


class WebhookProvider:
    """One server of the app's owner."""

    name = "webhook"
    in_flight_max = 32

    def __init__(
        self,
        settings: WebhookSettings,
        context: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        within_s: float = SEND_MAX_S - MARGIN_S,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """*context*: None trusts the usual authorities. *resolver*: of names; what it says is judged. *now_ms*: Unix ms."""
        self._url = URL(settings.url)
        self._signers = [Webhook(secret) for secret in settings.secrets]
        self._poster = Poster(context, resolver=PublicResolver(settings.networks, resolver))
        self._within_s = within_s
        self._now_ms = now_ms
        self._slowed = 0  # how often in a row
        self.is_off = False

    async def __aenter__(self) -> Self:
        await self._poster.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._poster.__aexit__(kind, error, trace)

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once. After a 410 nothing is sent any more (`is_off`) until the process starts again."""
        if self.is_off:
            return Answer(verdict=Verdict.REFUSED, detail="switched off by a 410")
        at = from_ms(self._now_ms())
        body = _encode(outgoing, rfc3339(self._now_ms()))
        try:
            reply = await self._poster.post(self._url, body, self._headers(outgoing.id, at, body), self._within_s)
        except NoReply as error:
            if _is_forbidden(error):
                return Answer(verdict=Verdict.MISCONFIGURED, detail=str(error))
            return error.answer
        return self._answer(reply)

    def _headers(self, id_: str, at: datetime, body: bytes) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "HugMood",
            "webhook-id": id_,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signer.sign(id_, at, body.decode()) for signer in self._signers),
        }

    def _answer(self, reply: Reply) -> Answer:
        detail = str(reply.status)
        is_slow = reply.status in _SLOW
        self._slowed = self._slowed + 1 if is_slow else 0
        if 200 <= reply.status < 300:
            return Answer(verdict=Verdict.ACCEPTED, detail=detail)
        if reply.status == HTTPStatus.GONE:
            self._switch_off()
            return Answer(verdict=Verdict.REFUSED, detail="410: switched off")
        if is_slow or reply.status >= 500 or reply.status == HTTPStatus.REQUEST_TIMEOUT:
            growing_s = min(2.0 ** min(self._slowed, 10), SLOWEST_S) if is_slow else 0.0
            wait_s = max(reply.retry_after_s, growing_s)
            return Answer(verdict=Verdict.RETRY, detail=detail, retry_after_s=wait_s)
        if 300 <= reply.status < 400:
            return Answer(verdict=Verdict.MISCONFIGURED, detail=f"{detail}: redirects are not followed")
        return Answer(verdict=Verdict.REFUSED, detail=detail)

    def _switch_off(self) -> None:
        self.is_off = True
        log.critical(
            "the webhook has answered 410 Gone: nothing is sent to it any more until this worker starts again",
            extra={"host": self._url.host},
        )


def _encode(outgoing: Outgoing, timestamp: str) -> bytes:
    content = outgoing.content
    data = {
        "user": outgoing.user,
        "delivery": outgoing.id,
        "kind": content.kind,
        "category": content.category,
        "title": content.title,
        "body": content.body,
        "badge": content.badge,
        "collapse_key": content.collapse_key,
        "data": content.data,
    }
    return msgspec.json.encode({"type": "notification", "timestamp": timestamp, "data": data})


def _is_forbidden(error: NoReply) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiohttp.ClientConnectorError) and isinstance(cause.os_error, NotPublic)
