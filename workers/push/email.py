"""Notifications by e-mail, over SMTP with connections that are kept.

Invariant: a password goes over TLS only, unless the server is on this machine.
"""

import re
import ssl
import time
from asyncio import timeout
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from types import TracebackType
from typing import Self

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

from workers.push.email_message import compose
from workers.push.email_settings import NO_ADDRESS, EmailSettings, Tls, load_address
from workers.push.outgoing import SEND_MAX_S, Answer, Outgoing, Verdict

CONNECTIONS_MAX = 4
MARGIN_S = 1.0  # within SEND_MAX_S, for what is done besides asking
QUIT_MAX_S = 1.0
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")  # RFC 3463
_OPERATORS = (
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPHeloError,
    SMTPSenderRefused,
)  # not the recipient's


_START_TLS = {Tls.FROM_THE_START: False, Tls.REQUIRED: True, Tls.IF_OFFERED: None, Tls.NEVER: False}  # for aiosmtplib


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
            recipient = load_address(outgoing.to, "", outgoing.to)
        except NO_ADDRESS:
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
        return Answer(
            verdict=Verdict.MISCONFIGURED, detail="the server offers no TLS or no login that we know", is_of_all=True
        )
    return Answer(verdict=Verdict.REFUSED, detail=f"cannot be sent: {type(error).__name__}")


def _refusal(error: SMTPResponseException) -> Answer:
    """By its code; its words may quote the address."""
    status = _STATUS.match(error.message.strip())
    detail = f"{error.code} {status[0] if status else ''}".rstrip()
    if not 500 <= error.code < 600:
        return Answer(verdict=Verdict.RETRY, detail=detail)
    is_ours = isinstance(error, _OPERATORS)
    return Answer(verdict=Verdict.MISCONFIGURED if is_ours else Verdict.REFUSED, detail=detail, is_of_all=is_ours)


def _reason(error: BaseException) -> str:
    causes = (error, error.__cause__)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return "not reached: its certificate is not trusted"
    return f"not reached: {type(error.__cause__ or error).__name__}"
