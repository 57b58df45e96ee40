"""A mail server that takes mail, or misbehaves as it is told: refusals at any step, silence, cut connections."""

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SILENCE, CUT = "silence", "cut"  # besides answers such as "450 4.2.1 Later"


class FakeSmtp:
    """*mails*: what was taken, as (recipient, mail). *logins*: who logged in, and whether over TLS."""

    def __init__(self, user: str | None = None, password: str = "") -> None:
        """*user*: who may log in, and must."""
        self.port = 0
        self.mails: list[tuple[str, EmailMessage]] = []
        self.raw: list[bytes] = []
        self.logins: list[tuple[str, bool]] = []
        self.connections: list[SMTP] = []
        self._user = user
        self._password = password
        self._planned: defaultdict[str, deque[str]] = defaultdict(deque)
        self._ending = asyncio.Event()

    def plan(self, step: str, *answers: str) -> None:
        """What the next commands *step* (EHLO, MAIL, RCPT, DATA, NOOP) get; afterwards all goes well."""
        self._planned[step].extend(answers)

    @asynccontextmanager
    async def serving(
        self, starttls: ssl.SSLContext | None = None, smtps: ssl.SSLContext | None = None
    ) -> AsyncIterator["FakeSmtp"]:
        """On a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()

        def connected() -> SMTP:
            server = SMTP(
                self,
                hostname="fake.example",
                tls_context=starttls,
                authenticator=self._authenticate,
                auth_required=self._user is not None and starttls is not None,
                auth_require_tls=starttls is not None,
                loop=loop,
            )
            self.connections.append(server)
            return server

        listening = await loop.create_server(connected, "127.0.0.1", 0, ssl=smtps)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._ending.set()
            listening.close()
            for server in self.connections:
                if server.transport is not None:
                    server.transport.close()
            await listening.wait_closed()

    def cut(self) -> None:
        """End every connection, as a server does with those that are idle."""
        for server in self.connections:
            if server.transport is not None:
                server.transport.close()

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer("MAIL", server)
        if answer.startswith("250"):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = await self._answer("RCPT", server)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        answer = await self._answer("DATA", server)
        if answer.startswith("250"):
            raw = envelope.content if isinstance(envelope.content, bytes) else b""
            self.raw.append(raw)
            mail: Any = message_from_bytes(raw, policy=SMTP_POLICY)
            self.mails += [(recipient, mail) for recipient in envelope.rcpt_tos]
        return answer

    async def _answer(self, step: str, server: SMTP) -> str:
        answer = self._planned[step].popleft() if self._planned[step] else "250 2.0.0 OK"
        if answer == SILENCE:
            await self._ending.wait()
        if answer == CUT and server.transport is not None:
            server.transport.close()
        return answer

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.logins.append((given.login.decode(), session.ssl is not None))
        planned = self._planned["AUTH"].popleft() if self._planned["AUTH"] else None
        if planned is not None:
            return AuthResult(success=False, handled=False, message=planned)
        is_good = (given.login.decode(), given.password.decode()) == (self._user, self._password)
        return AuthResult(success=is_good, handled=False)
