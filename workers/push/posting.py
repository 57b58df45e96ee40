"""POST over kept connections, for providers that speak HTTP/1.1: what came back, or what is known of why nothing did.

Redirects are never followed, and of an answer no more is read than a provider's own would need.
"""

import email.utils
import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp.abc import AbstractResolver
from msgspec import Struct
from yarl import URL

from workers.push.outgoing import Answer, Verdict

CONNECTIONS_MAX = 64
CONNECT_MAX_S = 5.0
ANSWER_MAX_BYTES = 16_384
RETRY_AFTER_MAX_S = 30 * 86_400.0


class Reply(Struct, frozen=True):
    """An answer. *retry_after_s*: 0 if it names none. *location*: of what was made."""

    status: int
    body: bytes
    retry_after_s: float
    location: str | None = None


class NoReply(Exception):  # noqa: N818  reads as what it is
    """Nothing came back. *is_silent*: it was asked, or may have been."""

    def __init__(self, reason: str, *, is_silent: bool) -> None:
        super().__init__(reason)
        self.is_silent = is_silent

    @property
    def answer(self) -> Answer:
        """Later, the same again."""
        return Answer(verdict=Verdict.RETRY, detail=str(self), is_silent=self.is_silent)


class Poster:
    """Connections to the hosts of one provider. `async with` it around all use.

    As many as there are connections may ask at a time: aiohttp lets those who wait for one starve.
    """

    def __init__(self, context: ssl.SSLContext | None = None, resolver: AbstractResolver | None = None) -> None:
        """*context*: None trusts the usual authorities. *resolver*: says who may be connected to."""
        self._ssl = context if context is not None else True
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, ssl=self._ssl, resolver=self._resolver),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(self, url: URL, asked: bytes, headers: Mapping[str, str], within_s: float) -> Reply:
        """Ask once. Raises: NoReply."""
        if self._session is None:
            raise RuntimeError("a provider is used outside its `async with`")
        limits = aiohttp.ClientTimeout(total=max(within_s, 0.001), connect=CONNECT_MAX_S)
        try:
            async with self._session.post(
                url, data=asked, headers=headers, timeout=limits, allow_redirects=False
            ) as response:
                body = await _read(response)
                later_s = retry_after_s(response.headers.get("Retry-After"), time.time())
                return Reply(response.status, body, later_s, response.headers.get("Location"))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise NoReply(f"not reached: {_reason(error)}", is_silent=False) from error
        except TimeoutError as error:
            raise NoReply("no answer in time", is_silent=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoReply(f"no answer: {_reason(error)}", is_silent=True) from error


def retry_after_s(value: str | None, now_s: float) -> float:
    """What `Retry-After` (RFC 9110, section 10.2.3) asks for, in seconds from *now_s*, Unix time; 0 if it is not understood."""
    if value is None:
        return 0.0
    if value.strip().isascii() and value.strip().isdigit():
        return min(float(value), RETRY_AFTER_MAX_S)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return min(max(moment.timestamp() - now_s, 0.0), RETRY_AFTER_MAX_S)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """As much as is of interest; the connection is closed if there is more."""
    chunks, size = [], 0
    while size < ANSWER_MAX_BYTES and (chunk := await response.content.readany()):
        chunks.append(chunk)
        size += len(chunk)
    return b"".join(chunks)[:ANSWER_MAX_BYTES]


def _reason(error: BaseException) -> str:
    """For people; without the URL, which may be somebody's secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    return type(error).__name__
