"""Access tokens of Google's APIs for a service account (RFC 7523): fetched before the old one ends, one fetch at a time."""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlencode

import jwt
import msgspec
from msgspec import Struct
from yarl import URL

from workers.push.fcm_settings import Account
from workers.push.outgoing import Answer, Verdict
from workers.push.posting import NoReply, Poster, Reply

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_S = 3600  # the most that is allowed
RENEW_S = 300.0  # before its end
FETCH_MAX_S = 4.0
IS_LATER = frozenset({408, 429})


class NoToken(Exception):  # noqa: N818  reads as what it is
    """There is no access token. *answer*: what that means for the push that wanted one."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.detail)
        self.answer = answer


class _Granted(Struct):
    access_token: str
    expires_in: float


class AccessTokens:
    """The token of one account. Who is cancelled while waiting takes the fetch from nobody else."""

    def __init__(self, account: Account, poster: Poster, now_s: Callable[[], float] = time.time) -> None:
        self._account = account
        self._poster = poster
        self._now_s = now_s
        self._token: str | None = None
        self._good_until_s = 0.0
        self._fetching: asyncio.Task[str] | None = None

    async def get(self) -> str:
        """A token that is good for a while. Raises: NoToken."""
        if self._token is not None and self._now_s() < self._good_until_s:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(_look_at)
        return await asyncio.shield(self._fetching)

    def drop(self, token: str) -> None:
        """It was refused: the next `get` fetches another one, unless somebody has already."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """End a fetch that nobody waits for any more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetch(self) -> str:
        asked_s = self._now_s()
        body = urlencode({"grant_type": GRANT, "assertion": self._assertion(int(asked_s))}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            reply = await self._poster.post(URL(self._account.token_uri), body, headers, FETCH_MAX_S)
        except NoReply as error:  # no push was sent, whatever became of this
            raise NoToken(Answer(verdict=Verdict.RETRY, detail=f"access token: {error}")) from error
        granted = _granted(reply)
        self._token = granted.access_token
        self._good_until_s = asked_s + max(granted.expires_in - RENEW_S, granted.expires_in / 2)
        return self._token

    def _assertion(self, now_s: int) -> str:
        claims: dict[str, object] = {
            "iss": self._account.email,
            "scope": SCOPE,
            "aud": self._account.token_uri,
            "iat": now_s,
            "exp": now_s + ASSERTION_S,
        }
        return jwt.encode(claims, self._account.key, "RS256", {"kid": self._account.key_id})


def _granted(reply: Reply) -> _Granted:
    detail = f"access token: {reply.status}"
    if reply.status >= 500 or reply.status in IS_LATER:
        raise NoToken(Answer(verdict=Verdict.RETRY, detail=detail, retry_after_s=reply.retry_after_s))
    if reply.status == 200:
        try:
            granted = msgspec.json.decode(reply.body, type=_Granted)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if granted.access_token.isascii() and granted.access_token.isprintable():
                return granted
        detail += " without a token"
    raise NoToken(Answer(verdict=Verdict.MISCONFIGURED, detail=detail, is_of_all=True))


def _look_at(task: asyncio.Task[str]) -> None:
    """Its error is no news if all who waited were cancelled."""
    if not task.cancelled():
        task.exception()
