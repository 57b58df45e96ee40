"""Devices that come back as the protocol asks: after a backoff with full jitter, with their cursor, and with what was
never answered.

Invariant: a device holds exactly the durable events up to `cursor`, each once, whatever connections lay in between; a
gap, a repetition and a cursor that could not be resumed are problems.
"""

import asyncio
import random
import time
from collections import deque
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from loadtest.clients.checker import Ledger
from loadtest.clients.hugs import Member, Recipient, Sender, Welcome
from loadtest.clients.people import Person
from loadtest.clients.wire import Lost
from loadtest.scenario import Load
from protocol.backoff import Backoff
from protocol.codes import Reconnect, reconnects

_DURABLE = b'{"seq":'
_BYE = b'{"type":"bye"'
_CAUGHT_UP = b'{"type":"caught_up"'


# Counts, and a histogram.
CUT_OFF, BACK, CONNECTIONS, SENT_AGAIN = "cut off", "back", "connections to come back", "sent again"
COMING_BACK = "coming back"


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
    """Who was away, and when they had come back: one for all devices of a load, whose counts and problems it keeps."""

    def __init__(self, load: Load) -> None:
        load.counts.update(dict.fromkeys((CUT_OFF, BACK, CONNECTIONS, SENT_AGAIN), 0))
        self.load = load
        self.absences: list[Absence] = []

    def away(self) -> int:
        """How many have not come back yet."""
        return self.load.counts[CUT_OFF] - self.load.counts[BACK]

    def left(self, absence: Absence) -> None:
        """A session has ended that was to go on."""
        self.absences.append(absence)
        self.load.counts[CUT_OFF] += 1

    def came_back(self, absence: Absence) -> None:
        """Welcomed, and told of everything that was missed."""
        self.load.counts[BACK] += 1
        self.load.record(COMING_BACK, absence.caught_up_at - absence.lost_at)


def another_address(url: str, source: str | None, times: int) -> str | None:
    """From where to connect for the *times*-th time again, as if from another network; None: the kernel's choice.

    It spreads connections over hubs by a hash of both ends. Over loopback, those that a hub has left behind would find
    just the ports free that they have had, and all fall to one other hub.
    """
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        return source
    return f"127.0.{1 + times % 250}.{(source or '127.0.0.1').rpartition('.')[2]}"


class Returning(Member):
    """Stays connected, from `enter` until `leave`; goes before the class that says what a message means."""

    attendance: Attendance  # to be set before `enter`
    absence: Absence | None = None  # the last one
    cursor = 0
    epoch = ""
    _place: tuple[str, Person, str | None]
    _times_back = 0
    _entered_at = 0.0
    _is_away = False
    _bye: Bye | None = None
    _coming_back: asyncio.Task[None] | None = None
    _has_left = False

    async def enter(
        self,
        url: str,
        person: Person,
        source: str | None = None,
        *,
        after: int | None = None,
        epoch: str | None = None,
    ) -> None:
        """Open the first session; from then on it comes back by itself. Raises: Lost."""
        self._place, self._backoff = (url, person, source), Backoff(random.random)
        await super().enter(url, person, source, after=after, epoch=epoch)

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
        self._has_left = self._is_away = False
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
        self.attendance.load.sessions += 1
        if not self.epoch:
            self.cursor = welcome.head
        elif not welcome.resumed:
            self._problem(f"could not resume behind {self.cursor}, the head being {welcome.head}")
            self.cursor = welcome.head
        self.epoch = welcome.epoch
        if self._is_away and self.absence is not None:
            self.absence.entered = welcome.node
            self.absence.welcomed_at = now

    def _caught_up(self, now: float) -> None:
        if self._is_away and self.absence is not None:
            self._is_away = False
            self.absence.caught_up_at = now
            self.attendance.came_back(self.absence)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: over. A session that was open is opened again."""
        was_in, node = self.is_in(), self.node
        super().connection_lost(exc)
        if not was_in:
            return
        self.attendance.load.sessions -= 1
        if self._has_left:
            return
        now = time.perf_counter()
        if self.absence is None or not self._is_away:
            code = self._bye.code if self._bye is not None else 0
            self.absence, self._is_away = Absence(self.lost.result(), code, node, now), True
            self.attendance.left(self.absence)
        self._backoff.ended(now - self._entered_at)
        self._coming_back = asyncio.get_running_loop().create_task(self._come_back(self.absence))

    async def _come_back(self, absence: Absence) -> None:
        while (wait_s := self._wait_s()) is not None:
            await asyncio.sleep(wait_s)
            absence.tries.append(time.perf_counter())
            self.attendance.load.counts[CONNECTIONS] += 1
            try:
                await self._enter_again()
            except Lost:
                if self.transport is not None and not self.lost.done():
                    await self.lost  # before this object may connect again
            else:
                return

    async def _enter_again(self) -> None:
        self.renew()
        self._times_back += 1
        url, person, source = self._place
        source = another_address(url, source, self._times_back)
        await super().enter(url, person, source, after=self.cursor, epoch=self.epoch)

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
        self.attendance.load.problems.append(f"{self._place[1].id}: {text}")


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
            self.attendance.load.counts[SENT_AGAIN] += len(again)
            self.write(b"".join(again))
