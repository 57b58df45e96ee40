"""From `hello` to `welcome`: token, place in the directory, one look into the mailbox, friends' presence.

Openings are batched like commits: all who said `hello` while the last query ran come with the next one.
Invariant: a session is registered, here and in the directory, before its mailbox is read; whatever is
committed after that read is rung to this node.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from msgspec import Struct

from domain.errors import Expired, Refusal, Unavailable
from domain.presence import rank_of
from domain.times import rfc3339
from hub.connection import CLIENT_MESSAGE_MAX_BYTES, PING_AFTER_S
from hub.node import Node
from hub.registrar import Registrar
from hub.rooms import Rooms
from hub.session import IN_FLIGHT_MAX, UNACKED_MAX, Session, State
from hub.sweep import Due, Sweep
from hub.tokens import Claims, TokenVerifier
from protocol.codes import CloseCode
from protocol.commands import Hello
from protocol.events import Ok, Welcome
from protocol.parts import FriendPresence, Limits, UserRef
from storage.openings import Opening, Wanted, load_openings
from storage.postgres import Database
from storage.presence import Presence

BATCH_MAX = 200
LIMITS = Limits(message_bytes=CLIENT_MESSAGE_MAX_BYTES, commands_in_flight=IN_FLIGHT_MAX, unacked_events=UNACKED_MAX)

log = logging.getLogger("hugmood.opening")


class OpeningCounts(Struct):
    """Openings by how they went."""

    fresh: int = 0
    resumed: int = 0
    reset: int = 0
    refused: int = 0


class Openings:
    """The opener of one node. *per_user*: connections one user may have here, 0 without limit."""

    def __init__(
        self,
        node: Node,
        rooms: Rooms,
        epoch: str,
        verifier: TokenVerifier,
        registrar: Registrar,
        presence: Presence,
        database: Database,
        sweep: Sweep,
        clock: Callable[[], int],
        on_held: Callable[[str, int, str], None],
        per_user: int,
    ) -> None:
        """*on_held*(user, seq, device): a client has come back with everything up to *seq*, which may never have been acked."""
        self._node = node
        self._rooms = rooms
        self._epoch = epoch
        self._verifier = verifier
        self._registrar = registrar
        self._presence = presence
        self._database = database
        self._sweep = sweep
        self._clock = clock
        self._on_held = on_held
        self._per_user = per_user
        self._waiting: list[tuple[Session, Hello]] = []
        self._wake = asyncio.Event()
        self.counts = OpeningCounts()

    def hello(self, session: Session, hello: Hello) -> bool:
        """Begin to open *session*, or end it: its token is verified before anything else is spent."""
        claims = self._verify(session, hello.token or session.bearer)
        if claims is None:
            self.counts.refused += 1
            return False
        session.bearer = None
        session.device = sys.intern(hello.device)  # mostly one of a few names
        session.sid = claims.sid
        session.rank = rank_of(hello.status)
        self.token_accepted(session, claims)
        session.state = State.OPENING
        session.joined(claims.user)
        self._waiting.append((session, hello))
        self._wake.set()
        return True

    def _verify(self, session: Session, token: str | None) -> Claims | None:
        if token is None:
            session.end(CloseCode.TOKEN_INVALID, "hello needs a token")
            return None
        try:
            claims = self._verifier.verify(token, self._clock())
        except Expired:
            session.end(CloseCode.TOKEN_EXPIRED, "the access token has expired")
            return None
        except Refusal:
            session.end(CloseCode.TOKEN_INVALID, "the access token does not verify")
            return None
        seat = self._node.seats.get(claims.user)
        if seat is not None and self._per_user and len(seat.members) >= self._per_user:
            session.end(CloseCode.TOO_MANY_CONNECTIONS, "too many connections of this user")
            return None
        return claims

    def token_accepted(self, session: Session, claims: Claims) -> None:
        """The session may live until this token ends."""
        session.expires_ms = claims.expires_ms
        session.expires_s = self._sweep.now + max(0, claims.expires_ms - self._clock()) // 1000 + 1
        session.expiry_told = False
        wire = cast("Due", session.wire)
        self._sweep.add(wire, min(wire.due, session.next_expiry()))

    async def run(self) -> None:
        """Open whoever waits, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                try:
                    await self._open([(s, h) for s, h in batch if s.state is State.OPENING])
                except Unavailable as error:
                    self._give_up(batch, error.retry_after_ms)
                except Exception:
                    log.exception("sessions could not be opened", extra={"sessions": len(batch)})
                    self._give_up(batch, 1000)

    def _give_up(self, batch: Sequence[tuple[Session, Hello]], retry_after_ms: int) -> None:
        for session, _ in batch:
            if session.state is State.OPENING:
                session.end(CloseCode.INTERNAL, "briefly unavailable", retry_after_ms)

    async def _open(self, batch: Sequence[tuple[Session, Hello]]) -> None:
        users = list({session.user for session, _ in batch})
        entering = [user for user in users if self._registrar.is_unwritten(user)]
        with suppress(Unavailable):  # Redis away: the registrar registers everybody when it is back
            await self._registrar.enter(entering)
        openings = await load_openings(
            self._database, [Wanted(session.user, hello.after, session.sid) for session, hello in batch]
        )
        friends = list({friend for opening in openings if opening for friend in opening.friends})
        shown: dict[str, str] = {}
        with suppress(Unavailable):
            shown = await self._presence.shown(friends) if friends else {}
        for (session, hello), opening in zip(batch, openings, strict=True):
            if session.state is State.OPENING:
                self._finish(session, hello, opening, shown)
        self._registrar.announce_soon(entering)

    def _finish(self, session: Session, hello: Hello, opening: Opening | None, shown: dict[str, str]) -> None:
        if opening is None:
            session.end(CloseCode.TOKEN_INVALID, "no such user")
            return
        if opening.is_revoked:
            session.revoke()
            return
        after = self._resume_point(hello, opening)
        log.debug("session opened", extra=session.names() | {"after": hello.after, "head": opening.head})
        session.name = session.name or opening.name  # a new name may have come while the mailbox was read
        welcome = Welcome(
            session=session.id,
            user=UserRef(session.user, session.name),
            node=self._node.id,
            epoch=self._epoch,
            head=opening.head,
            acked=opening.acked,
            resumed=after is not None,
            server_time=rfc3339(self._clock()),
            heartbeat_ms=PING_AFTER_S * 1000,
            limits=LIMITS,
            friends=[FriendPresence(friend, shown[friend]) for friend in opening.friends if friend in shown],
            groups=opening.rooms,
        )
        self._node.heard_of(session.user, opening.head)
        if opening.rooms:
            self._rooms.enter(session.user, opening.rooms)
        if hello.ref is not None:
            session.reply(Ok(ref=hello.ref, at=welcome.server_time))
        if after is None:
            session.opened(welcome, cursor=opening.head, replay_to=None)
        else:
            if after > opening.acked:
                self._on_held(session.user, after, session.device)
            session.opened(welcome, cursor=after, replay_to=opening.head)

    def _resume_point(self, hello: Hello, opening: Opening) -> int | None:
        """The cursor to go on from, or None when the client must load its state anew: never a partial replay."""
        after = hello.after
        if after is None:
            self.counts.fresh += 1
            return None
        same_epoch = hello.epoch is None or hello.epoch == self._epoch
        is_kept = after == opening.head or (after < opening.head and opening.next_seq == after + 1)
        if same_epoch and is_kept:
            self.counts.resumed += 1
            return after
        self.counts.reset += 1
        return None
