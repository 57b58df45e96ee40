"""The authenticated state of a connection, and the cursor of one client on its user's inbox.

Invariant: what was written to the socket is exactly seq 1..cursor, in order, without gap or repetition
since the cursor the client came with. Anything else waits in the mailbox, so a slow reader costs
memory to nobody.
"""

import logging
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from domain.presence import Rank
from domain.times import rfc3339
from hub.forms import Form, Payload, encode_as
from hub.node import Node
from protocol.codec import Codec
from protocol.codes import CloseCode, Reconnect, reconnects
from protocol.events import Bye, CaughtUp, Error, Message, Ok, SessionExpiring

UNACKED_MAX = 256  # more, and the hub waits while the mailbox keeps
IN_FLIGHT_MAX = 16  # commands of one session that wait for a server
FAULTS_MAX = 20  # malformed messages in a minute
FAULTS_WINDOW_S = 60
HELLO_S = 5
EXPIRING_AHEAD_S = 60
COMMANDS_PER_S = 50
COMMANDS_BURST = 200


log = logging.getLogger("hugmood.session")


class Wire(Protocol):
    """The connection below a session."""

    codec: Codec  # of what it brings
    form: Form  # of what it takes
    address: str

    def write(self, data: bytes) -> None:
        """Queue one message, in the form of this wire, for the end of this tick."""

    def close(self, code: CloseCode, reason: str) -> None:
        """Close frame, then the connection. The session's `bye` has been written before."""

    def take(self, payload: Payload) -> bool:
        """Queue *payload* in the form of this wire, if there is room for it."""

    def has_room(self) -> bool:
        """May more be written without piling up here?"""

    def hold(self) -> None:
        """Read nothing more from the client for now."""

    def release(self) -> None:
        """Read on."""


class State(Enum):
    """NEW waits for `hello`; OPENING for the mailbox; LIVE hears events; ENDED is said goodbye to."""

    NEW = 0
    OPENING = 1
    LIVE = 2
    ENDED = 3


LIVE = State.LIVE  # one look instead of two where it counts


class Session:
    """One client. Synchronous throughout: what must wait, waits in a handler's task."""

    __slots__ = (
        "_allowance",
        "_allowance_at",
        "_backlog",
        "_faults",
        "_faults_since",
        "_is_going_on",
        "_missed",
        "acked",
        "bearer",
        "bundle",
        "cursor",
        "device",
        "expires_ms",
        "expires_s",
        "expiry_told",
        "id",
        "in_flight",
        "name",
        "node",
        "on_command",
        "rank",
        "replay_to",
        "sid",
        "state",
        "user",
        "window",
        "wire",
    )

    def __init__(
        self,
        session_id: str,
        wire: Wire,
        node: Node,
        on_command: "Callable[[Session, bytes | str], None]",
        bearer: str | None,
    ) -> None:
        """*bearer*: the token of the upgrade request, used when `hello` brings none."""
        self.id = session_id
        self.wire = wire
        self.node = node
        self.on_command = on_command
        self.bearer = bearer
        self.state = State.NEW
        self.user = ""
        self.name = ""
        self.device = ""
        self.sid = ""
        self.rank = Rank.ONLINE
        self.cursor = 0
        self.acked = 0
        self.window = UNACKED_MAX
        self.replay_to: int | None = None
        self.expires_ms = 0
        self.expires_s = 0  # second of the sweep's clock at which the token ends
        self.expiry_told = False
        self.in_flight = 0
        self.bundle: list[bytes] | None = None
        self._backlog: deque[bytes | str] | None = (
            None  # read already, but not begun: `welcome` or an answer comes first
        )
        self._is_going_on = False
        self._missed: dict[str, Payload] | None = None
        self._faults = 0
        self._faults_since = 0
        self._allowance = COMMANDS_BURST
        self._allowance_at = 0

    # From the connection

    def receive(self, data: bytes | str) -> None:
        """One client message, whole and, if text, valid UTF-8."""
        if self.state is State.ENDED:
            return
        if self._backlog is not None:
            self._backlog.append(data)
            return
        self.on_command(self, data)
        if self._must_wait():
            self._backlog = deque()
            self.wire.hold()

    def _must_wait(self) -> bool:
        return self.state is State.OPENING or self.in_flight >= IN_FLIGHT_MAX

    def _go_on(self) -> None:
        """Take up what was read already, then read on."""
        if self._backlog is None or self._is_going_on:
            return
        self._is_going_on = True  # an answer that comes at once must not begin the next command inside this one
        try:
            while self._backlog and not self._must_wait() and self.state is not State.ENDED:
                self.on_command(self, self._backlog.popleft())
        finally:
            self._is_going_on = False
        if not self._backlog and not self._must_wait():
            self._backlog = None
            self.wire.release()

    def room_again(self) -> None:
        """The write buffer has drained: the latest presence goes out, and the mailbox is read on."""
        if self.state is not State.LIVE:
            return
        if self._missed:
            missed, self._missed = self._missed, None
            for subject, payload in missed.items():
                self.show(subject, payload)
        if self.node.is_short(self):
            self.node.fell_behind(self)

    def lost(self) -> None:
        """The connection is gone."""
        self.state = State.ENDED
        self._backlog = self._missed = None
        self.node.leave(self)

    # Opening and ending

    def joined(self, user: str) -> None:
        """The token is good: hear what arrives for *user* from now on, though nothing is written before `opened`."""
        self.user = user
        self.node.join(self)

    def opened(self, welcome: Message, cursor: int, replay_to: int | None) -> None:
        """Say `welcome`; then everything after *cursor*, with `caught_up` at *replay_to* when that is not None."""
        # What the client came with counts as acknowledged by this session: its window starts empty.
        self.cursor = self.acked = cursor
        self.replay_to = replay_to
        self.state = State.LIVE
        self.send(welcome)
        self._tell_caught_up()
        self.room_again()
        self._go_on()

    def end(self, code: CloseCode, reason: str, retry_after_ms: int = 0) -> None:
        """Say `bye`, then close. Nothing is written after it."""
        if self.state is State.ENDED:
            return
        self.say_bye(code, reason, retry_after_ms)
        self.wire.close(code, reason)

    def names(self) -> dict[str, object]:
        """Who this is, for the log."""
        return {"connection": self.id, "user": self.user, "device": self.device}

    def revoke(self) -> None:
        """The log-in is over: say so and close."""
        self.end(CloseCode.SESSION_REVOKED, "this log-in has been ended")

    def say_bye(self, code: CloseCode, reason: str, retry_after_ms: int = 0) -> None:
        """The last message of a session; the caller closes the connection."""
        if self.state is not State.ENDED:
            level = logging.DEBUG if code is CloseCode.DRAIN else logging.INFO  # a drain ends thousands
            log.log(level, "session ended", extra=self.names() | {"code": int(code), "reason": reason})
            reconnect = reconnects(code) is not Reconnect.STOP
            self.send(Bye(code=code, reason=reason, reconnect=reconnect, retry_after_ms=retry_after_ms))
            self.state = State.ENDED
            self.node.leave(self)

    # To the client

    def send(self, message: Message) -> None:
        """One message to this client alone."""
        wire = self.wire
        wire.write(encode_as(message, wire.form))

    def reply(self, message: Ok | Error) -> None:
        """Answer a command, unless the session has ended meanwhile."""
        if self.state is not State.ENDED:
            self.send(message)

    def offer(self, seq: int, payload: Payload) -> bool:
        """Write the event if it is the next one; otherwise leave it in the mailbox. Never blocks, never buffers."""
        if seq != self.cursor + 1 or self.state is not LIVE or seq - self.acked > self.window:
            return False
        if not self.wire.take(payload):
            return False
        self.cursor = seq
        if self.replay_to is not None:
            self._tell_caught_up()
        return True

    def may_take(self) -> bool:
        """Is there room on the socket and in the window of unacknowledged events?"""
        return self.state is State.LIVE and self.cursor - self.acked < self.window and self.wire.has_room()

    def tell(self, payload: Payload) -> None:
        """An ephemeral event: written now or never."""
        if self.state is LIVE:
            self.wire.take(payload)

    def show(self, subject: str, payload: Payload) -> None:
        """A friend's presence, a room's pulse: the latest per subject is kept while it cannot be written."""
        if self.state is LIVE and self.wire.take(payload):
            return
        if self.state in (State.LIVE, State.OPENING):
            self._missed = self._missed if self._missed is not None else {}
            self._missed[subject] = payload

    def _tell_caught_up(self) -> None:
        if self.replay_to is not None and self.cursor >= self.replay_to:
            self.replay_to = None
            self.send(CaughtUp(seq=self.cursor))

    # From dispatch

    def begin(self) -> None:
        """A command waits for a server; beyond `IN_FLIGHT_MAX` of them the client is not read."""
        self.in_flight += 1

    def finish(self) -> None:
        """A command that waited has been answered."""
        self.in_flight -= 1
        self._go_on()

    def ack(self, seq: int) -> None:
        """The client has everything up to *seq*, which is not beyond the cursor."""
        if seq > self.acked:
            was_full = self.cursor - self.acked >= self.window
            self.acked = seq
            if was_full and self.node.is_short(self):
                self.node.fell_behind(self)

    def may_command(self, now: int) -> bool:
        """Take one command from the session's allowance; *now* in whole seconds."""
        if now != self._allowance_at:
            refill = COMMANDS_PER_S * (now - self._allowance_at)
            self._allowance = min(COMMANDS_BURST, self._allowance + refill)
            self._allowance_at = now
        self._allowance -= 1
        if self._allowance < 0:
            self._allowance = 0
            return False
        return True

    def fault(self, now: int) -> None:
        """A malformed message; the twentieth within a minute ends the session."""
        if now - self._faults_since >= FAULTS_WINDOW_S:
            self._faults, self._faults_since = 0, now
        self._faults += 1
        if self._faults >= FAULTS_MAX:
            self.end(CloseCode.TOO_MANY_ERRORS, "too many malformed messages", retry_after_ms=5_000)

    def next_expiry(self) -> int:
        """The second to look at the token again: a minute before its end, then at it."""
        return self.expires_s if self.expiry_told else self.expires_s - EXPIRING_AHEAD_S

    def check_expiry(self, now: int) -> None:
        """Warn a minute before the token ends, close when it has."""
        if self.state is not State.LIVE:
            return
        if now >= self.expires_s:
            self.end(CloseCode.TOKEN_EXPIRED, "the access token has expired")
        elif now >= self.expires_s - EXPIRING_AHEAD_S and not self.expiry_told:
            self.expiry_told = True
            self.send(SessionExpiring(expires_at=rfc3339(self.expires_ms)))
