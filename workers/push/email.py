"""Notifications by e-mail, over SMTP with connections that are kept.

Invariant: a password goes over TLS only, unless the server is on this machine.
"""

import ipaddress
import re
import ssl
import time
from asyncio import timeout
from collections.abc import Callable
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import getaddresses
from enum import Enum
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)
from msgspec import Struct

from domain.accounts import check_email
from domain.errors import Invalid
from workers.push.email_message import ENCODED_WORD, compose
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict

CONNECTIONS_MAX = 4
MARGIN_S = 1.0  # within SEND_MAX_S, for what is done besides asking
QUIT_MAX_S = 1.0
URL_FORM = (
    "must be a URL such as smtp://user:password@mail.example:587 (STARTTLS) or smtps://user:password@mail.example:465; "
    "?tls=none only for a server on this machine"
)
SENDER_FORM = "must be an address such as hugs@app.example or HugMood <hugs@app.example>"

_PORTS = {"smtp": 587, "smtps": 465}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:.]{2,45}")
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")  # RFC 3463
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_ADDRESS = (Invalid, ValueError, MessageError, IndexError)  # what email.headerregistry raises, too
_OPERATORS = (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPHeloError,
    SMTPSenderRefused,
)  # not the recipient's


class Tls(Enum):
    """When a connection is encrypted."""

    FROM_THE_START = "smtps"
    REQUIRED = "starttls"
    IF_OFFERED = "starttls, if it is offered"
    NEVER = "none"


_START_TLS = {Tls.FROM_THE_START: False, Tls.REQUIRED: True, Tls.IF_OFFERED: None, Tls.NEVER: False}  # for aiosmtplib


class EmailSettings(Struct, frozen=True, kw_only=True):
    """One server. Its repr shows neither *user* nor *password*."""

    host: str
    port: int
    sender: Address
    user: str | None = None
    password: str | None = None
    tls: Tls = Tls.IF_OFFERED

    @classmethod
    def load(cls, url: str, sender: str) -> Self:
        """Raises: ValueError, with one argument for each thing that is wrong, which says what is allowed."""
        problems: list[str] = []
        server: _Server | None = None
        address: Address | None = None
        try:
            server = _load_server(url.strip())
        except ValueError:  # what it says may quote the password
            problems.append(URL_FORM)
        try:
            address = _load_sender(sender.strip())
        except _NO_ADDRESS:
            problems.append(SENDER_FORM)
        if server is None or address is None:
            raise ValueError(*problems)
        return cls(
            host=server.host,
            port=server.port,
            sender=address,
            user=server.user,
            password=server.password,
            tls=server.tls,
        )

    def __repr__(self) -> str:
        return f"EmailSettings({self.host}:{self.port}, {self.sender})"


class _Server(Struct, frozen=True):
    host: str
    port: int
    user: str | None
    password: str | None
    tls: Tls


def _load_server(url: str) -> _Server:
    """Raises: ValueError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    user = unquote(parts.username, errors="strict") if parts.username else None
    password = unquote(parts.password or "", errors="strict") if user else None
    is_odd = parts.path not in {"", "/"} or parts.fragment or parts.query not in {"", "tls=none"}
    is_unsafe = any(_CONTROLS.search(text) for text in (user or "", password or ""))
    if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0 or is_odd or is_unsafe:
        raise ValueError
    return _Server(host, port or _PORTS[parts.scheme], user, password, _load_tls(parts, has_password=user is not None))


def _load_tls(parts: SplitResult, *, has_password: bool) -> Tls:
    is_here = _is_loopback(parts.hostname or "")
    if parts.query:
        if not is_here or parts.scheme == "smtps":
            raise ValueError
        return Tls.NEVER
    if parts.scheme == "smtps":
        return Tls.FROM_THE_START
    return Tls.REQUIRED if has_password and not is_here else Tls.IF_OFFERED


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _load_sender(text: str) -> Address:
    """Raises: one of _NO_ADDRESS."""
    ((name, address),) = getaddresses([text])  # ValueError, if there are more or none
    return _load_address(text, name, address)


def _load_address(text: str, name: str, address: str) -> Address:
    """*name* and *address* are all that *text* says. Raises: one of _NO_ADDRESS."""
    if ENCODED_WORD in text or _CONTROLS.search(text):
        raise ValueError
    return Address(display_name=name, addr_spec=check_email(address))


class EmailProvider:
    """One SMTP server."""

    name = "email"
    in_flight_max = CONNECTIONS_MAX

    def __init__(
        self,
        settings: EmailSettings,
        context: ssl.SSLContext | None = None,
        within_s: float = SEND_MAX_S - MARGIN_S,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """*context*: None trusts the usual authorities. *now_s*: Unix time."""
        self._settings = settings
        self._context = context or ssl.create_default_context()
        self._within_s = within_s
        self._now_s = now_s
        self._idle: list[SMTP] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await _quit(self._idle.pop())

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once."""
        try:
            recipient = _load_address(outgoing.to, "", outgoing.to)
        except _NO_ADDRESS:
            return Answer(verdict=Verdict.REFUSED, detail="no address that mail can be sent to")
        message = compose(outgoing, self._settings.sender, recipient, self._now_s())
        is_connected = False
        try:
            async with timeout(self._within_s):
                client = await self._connected()
                is_connected = True
                await self._hand_over(client, message)
        except (SMTPException, OSError, ValueError) as error:  # TimeoutError is an OSError
            return email_answer(error, is_silent=is_connected)
        return Answer(verdict=Verdict.ACCEPTED, detail="250")

    async def _hand_over(self, client: SMTP, message: EmailMessage) -> None:
        """Keeps the connection if it is known where both stand in their talk. Raises: SMTPException, OSError, ValueError."""
        try:
            await client.send_message(message)
        except (SMTPResponseException, SMTPRecipientsRefused):
            self._keep(client)
            raise
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def _connected(self) -> SMTP:
        """A connection that is good: the server may have ended a kept one. Raises: SMTPException, OSError, ValueError."""
        while self._idle:
            kept = self._idle.pop()
            try:
                await kept.noop()
            except (SMTPException, OSError):
                kept.close()
            except BaseException:
                kept.close()
                raise
            else:
                return kept
        settings = self._settings
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=settings.password,
            local_hostname=settings.sender.domain,  # the machine's own name may take long to find
            timeout=self._within_s,
            use_tls=settings.tls is Tls.FROM_THE_START,
            start_tls=_START_TLS[settings.tls],
            tls_context=self._context,
        )
        await client.connect()
        return client

    def _keep(self, client: SMTP) -> None:
        if client.is_connected and len(self._idle) < CONNECTIONS_MAX:
            self._idle.append(client)
        else:
            client.close()


async def _quit(client: SMTP) -> None:
    with suppress(SMTPException, OSError):
        async with timeout(QUIT_MAX_S):
            await client.quit()
    client.close()


def email_answer(error: Exception, *, is_silent: bool) -> Answer:
    """The verdict on one mail. *is_silent*: the server may have taken it, if it has not said otherwise."""
    if isinstance(error, SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, SMTPResponseException):
        return _refusal(error)
    if isinstance(error, SMTPNotSupported):
        return Answer(verdict=Verdict.REFUSED, detail="not supported by the server")
    if isinstance(error, TimeoutError):
        return Answer(verdict=Verdict.RETRY, detail="no answer in time", is_silent=is_silent)
    if isinstance(error, ConnectionError | OSError):
        return Answer(verdict=Verdict.RETRY, detail=_reason(error), is_silent=is_silent)
    if isinstance(error, SMTPException):  # no STARTTLS, or no way to log in
        return Answer(verdict=Verdict.MISCONFIGURED, detail="the server offers no TLS or no login that we know")
    return Answer(verdict=Verdict.REFUSED, detail=f"cannot be sent: {type(error).__name__}")


def _refusal(error: SMTPResponseException) -> Answer:
    """By its code; its words may quote the address."""
    status = _STATUS.match(error.message.strip())
    detail = f"{error.code} {status[0] if status else ''}".rstrip()
    if not 500 <= error.code < 600:
        return Answer(verdict=Verdict.RETRY, detail=detail)
    is_ours = isinstance(error, _OPERATORS)
    return Answer(verdict=Verdict.MISCONFIGURED if is_ours else Verdict.REFUSED, detail=detail)


def _reason(error: BaseException) -> str:
    causes = (error, error.__cause__)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "not reached: its certificate is not trusted"
    return f"not reached: {type(error.__cause__ or error).__name__}"
