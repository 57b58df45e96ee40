"""Firebase Cloud Messaging, HTTP v1: pushes to Android, and to iOS apps that are registered there."""

import re
import ssl
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec
import regex
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct
from yarl import URL

from workers.push.fcm_verdicts import fcm_answer, is_token_refused
from workers.push.google_tokens import AccessTokens, Account, NoToken
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict
from workers.push.posting import CONNECTIONS_MAX, NoReply, Poster, Reply

PAYLOAD_MAX_BYTES = 4_096
TTL_MAX_S = 28 * 86_400
MARGIN_S = 1.0  # within SEND_MAX_S, for what is done before and after asking
ELLIPSIS = "…"
CREDENTIALS_FORM = (
    "must be the JSON of a service account: type service_account, project_id, client_email, private_key (PEM, RSA) "
    "and token_uri (https)"
)
URL_FORM = "must be an origin such as https://fcm.googleapis.com (plain http only on this machine)"

_ORIGIN = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
_PROJECT = re.compile(r"[a-z0-9.:-]{1,128}")


class _Credentials(Struct):
    type: str
    project_id: str
    client_email: str
    private_key: str
    token_uri: str
    private_key_id: str = ""


class FcmSettings(Struct, frozen=True, kw_only=True):
    """One project. Neither its repr nor an error shows the private key."""

    project: str
    account: Account
    url: str = "https://fcm.googleapis.com"

    @classmethod
    def load(cls, credentials_text: str, url: str = "https://fcm.googleapis.com") -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        account, project = None, ""
        problems = [] if _ORIGIN.fullmatch(url.rstrip("/")) else [URL_FORM]
        try:
            given = msgspec.json.decode(credentials_text, type=_Credentials)
            account, project = _account(given), given.project_id
        except (ValueError, TypeError, RecursionError, UnsupportedAlgorithm):  # what they say may quote the key
            problems.append(CREDENTIALS_FORM)
        if problems or account is None:
            raise ValueError(*problems)
        return cls(project=project, account=account, url=url.rstrip("/"))


def _account(given: _Credentials) -> Account:
    key = load_pem_private_key(given.private_key.encode(), password=None)
    is_good = given.type == "service_account" and _PROJECT.fullmatch(given.project_id) and given.client_email
    uri = URL(given.token_uri)
    if not is_good or not isinstance(key, rsa.RSAPrivateKey) or not _ORIGIN.fullmatch(str(uri.origin())):
        raise ValueError
    return Account(email=given.client_email, key_id=given.private_key_id, key=key, token_uri=given.token_uri)


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


def _encode(outgoing: Outgoing, text: str, now_s: int) -> bytes:
    content = outgoing.content
    ttl_s = min(max(outgoing.ttl_s, 0), TTL_MAX_S)
    message: dict[str, Any] = {
        "token": outgoing.to,
        "notification": {"title": content.title, "body": text},
        "data": {**content.data, "kind": content.kind, "delivery": outgoing.id},
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
