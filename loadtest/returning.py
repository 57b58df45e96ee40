"""Devices that come back as the protocol asks: after a backoff with full jitter, with their cursor, and with what was
never answered.

Invariant: a device holds exactly the durable events up to `cursor`, each once, whatever connections lay in between; a
gap, a repetition and a cursor that could not be resumed are problems.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

import msgspec
from msgspec import Struct

from loadtest.checker import Ledger
from loadtest.hugs import Member, Recipient, Sender, Welcome
from loadtest.people import Person
from loadtest.wire import Lost
from protocol.backoff import Backoff
from protocol.codes import Reconnect, reconnects

_DURABLE = b'{"seq":'
_BYE = b'{"type":"bye"'
_CAUGHT_UP = b'{"type":"caught_up"'


class Bye(Struct):
    """What a hub says before it closes."""

    code: int
    reason: str = ""
    retry_after_ms: int = 0


class Absence(Struct):
    """One time away. Times are perf_counter, which all processes of a machine share; 0: not yet."""

    reason: str
    code: int  # of the hub's `bye`; 0 if there was none
    left: str  # the node
    lost_at: float
    tries: list[float] = []  # when each connection was begun
    entered: str = ""  # the node
    welcomed_at: float = 0.0
    caught_up_at: float = 0.0


class Attendance:
    """Who was away, and when they had come back: one for all devices of a process."""

    def __init__(self) -> None:
        self.absences: list[Absence] = []
        self.back = 0
        self.problems: list[str] = []
        self.on_back: Callable[[Absence], None] | None = None

    def away(self) -> int:
        """How many have not come back yet."""
        return len(self.absences) - self.back

    def came_back(self, absence: Absence) -> None:
        """Welcomed, and told of everything that was missed."""
        self.back += 1
        if self.on_back is not None:
            self.on_back(absence)


class Place(Struct, frozen=True):
    """Where a device connects, and as whom."""

    url: str
    person: Person
    source: str | None = None
    receive_buffer: int = 0


class Returning(Member):
    """Stays connected, from `stay` until `leave`; goes before the class that says what a message means."""

    cursor = 0
    epoch = ""
    _place: Place
    _attendance: Attendance
    _backoff: Backoff
    _entered_at = 0.0
    _absence: Absence | None = None
    _bye: Bye | None = None
    _coming_back: asyncio.Task[None] | None = None
    _has_left = False

    async def stay(self, place: Place, attendance: Attendance) -> None:
        """Open the first session; from then on it comes back by itself. Raises: Lost."""
        self._place, self._attendance, self._backoff = place, attendance, Backoff(random.random)
        await self.enter(place.url, place.person, place.source, receive_buffer=place.receive_buffer)

    def leave(self) -> None:
        """End the connection, and do not come back."""
        self._has_left = True
        if self._coming_back is not None:
            self._coming_back.cancel()
        self.close()

    async def come_again(self) -> None:
        """Open a session again after `leave`, behind what this device holds. Raises: Lost."""
        if self.transport is not None and not self.lost.done():
            await self.lost
        self._has_left = False
        self._absence = None
        await self._enter_again()

    def is_in(self) -> bool:
        """Is a session open?"""
        welcomed = self.welcomed
        return welcomed.done() and not welcomed.cancelled() and not welcomed.exception() and not self.lost.done()

    def message(self, payload: bytes, now: float) -> None:
        """Keep the cursor, and what the hub says about coming and going."""
        if payload.startswith(_DURABLE):
            self._follow(int(payload[len(_DURABLE) : payload.index(b",")]))
        elif payload.startswith(_BYE):
            self._bye = msgspec.json.decode(payload, type=Bye)
        super().message(payload, now)
        if payload.startswith(_CAUGHT_UP):
            self._caught_up(now)

    def _follow(self, seq: int) -> None:
        if seq != self.cursor + 1:
            self._problem(f"seq {seq} came after {self.cursor}")
        self.cursor = seq

    def entered(self, welcome: Welcome, now: float) -> None:
        """A session is open, for the first time or again."""
        super().entered(welcome, now)
        self._entered_at = now
        if not self.epoch:
            self.cursor = welcome.head
        elif not welcome.resumed:
            self._problem(f"could not resume behind {self.cursor}, the head being {welcome.head}")
            self.cursor = welcome.head
        self.epoch = welcome.epoch
        if self._absence is not None:
            self._absence.entered = welcome.node
            self._absence.welcomed_at = now

    def _caught_up(self, now: float) -> None:
        absence, self._absence = self._absence, None
        if absence is not None:
            absence.caught_up_at = now
            self._attendance.came_back(absence)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: over. A session that was open is opened again."""
        was_in, node = self.is_in(), self.node
        super().connection_lost(exc)
        if not was_in or self._has_left:
            return
        now = time.perf_counter()
        if self._absence is None:
            code = self._bye.code if self._bye is not None else 0
            self._absence = Absence(self.lost.result(), code, node, now)
            self._attendance.absences.append(self._absence)
        self._backoff.ended(now - self._entered_at)
        self._coming_back = asyncio.get_running_loop().create_task(self._come_back(self._absence))

    async def _come_back(self, absence: Absence) -> None:
        while (wait_s := self._wait_s()) is not None:
            await asyncio.sleep(wait_s)
            absence.tries.append(time.perf_counter())
            try:
                await self._enter_again()
            except Lost:
                if self.transport is not None and not self.lost.done():
                    await self.lost  # before this object may connect again
            else:
                return

    async def _enter_again(self) -> None:
        self.renew()
        place = self._place
        await self.enter(
            place.url,
            place.person,
            place.source,
            after=self.cursor,
            epoch=self.epoch,
            receive_buffer=place.receive_buffer,
        )

    def _wait_s(self) -> float | None:
        """What the protocol asks for after the end that was; None: to stay away, which no load has earned."""
        bye, self._bye = self._bye, None
        if bye is None:
            return self._backoff.wait_s(self.retry_after_ms)
        action = reconnects(bye.code)
        if action in (Reconnect.STOP, Reconnect.NEW_TOKEN):
            self._problem(f"was sent away for good: {bye.code} {bye.reason}")
            return None
        if action is Reconnect.RESUME:
            return self._backoff.resume_s(bye.retry_after_ms)
        return self._backoff.wait_s(bye.retry_after_ms)

    def _problem(self, text: str) -> None:
        self._attendance.problems.append(f"{self._place.person.id}: {text}")


class ReturningIdle(Returning):
    """Does nothing but stay."""

    def event(self, payload: bytes, now: float) -> None:
        """The cursor is all it keeps."""


class ReturningRecipient(Returning, Recipient):
    """Reads hugs, over all its connections."""

    def _ack(self) -> None:
        # While away there is nobody to tell: the cursor in `hello` acknowledges as well.
        if self.is_in():
            super()._ack()
        else:
            self._ack_later = None


class ReturningSender(Returning, Sender):
    """Sends hugs, and sends again with the same id what was not answered before the connection ended."""

    def __init__(self, ledger: Ledger, recipient: str, message: str) -> None:
        super().__init__(ledger, recipient, message)
        self._flushed = 0
        self._unanswered: deque[tuple[int, bytes]] = deque()  # and, behind the oldest of those, answered ones

    def flush(self) -> None:
        """Write what waits, in one call; while away it is kept for `entered`."""
        for framed in self._outgoing:
            self._unanswered.append((self._flushed, framed))
            self._flushed += 1
        while self._unanswered and self._ledger.accepted_at[self._unanswered[0][0]]:
            self._unanswered.popleft()
        if self.is_in():
            super().flush()
        else:
            self._outgoing.clear()

    def entered(self, welcome: Welcome, now: float) -> None:
        """Again, in the old order, everything that has no answer."""
        super().entered(welcome, now)
        accepted_at = self._ledger.accepted_at
        again = [framed for index, framed in self._unanswered if not accepted_at[index]]
        if again:
            self.write(b"".join(again))
