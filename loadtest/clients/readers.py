"""Readers that stop: the kernel of their machine is full soon, and what a hub sends stays on its side.

A stopped reader sees nothing until it reads on; whether the hub has closed by then is what it can tell. Readers that
are silent for different times therefore show together when that happens.
"""

import asyncio
import time

from msgspec import Struct

from loadtest.clients.checker import Ledger
from loadtest.clients.couples import Couple
from loadtest.clients.people import Person
from loadtest.clients.returning import ReturningRecipient
from loadtest.scenario import Load
from protocol.codes import CloseCode

STALLED_MAX_S = 30.0  # that a hub waits for somebody who does not read
WHOLE_SECONDS_S = 1.0  # hubs count in whole seconds
LATE_S = 3.0  # that a busy hub may take beyond
BYE_UNTIL_S = 34.0  # a bye is kept for 5 s after the close, in whole seconds; later there is only the end
LARGE = "👩‍👩‍👧‍👦" * 160  # 160 characters as a person counts them, 4,000 bytes
LOOK_EVERY_S = 0.02
NEWS_WITHIN_S = 10.0

_PULSE = b'{"type":"group.pulse"'


class Reading(Struct, frozen=True):
    """How a silence ended. Seconds from when reading stopped; *code*: of the hub's `bye`, 0 if there was none."""

    filled_s: float  # until everything was stored that the hub could not get rid of
    silent_s: float
    is_closed: bool
    code: int


class StoppingReader(ReturningRecipient):
    """Gets hugs, pulses and presence, or leaves them where they are."""

    receive_buffer = 4096

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.pulses = 0

    def event(self, payload: bytes, now: float) -> None:
        """Pulses are counted."""
        if payload.startswith(_PULSE):
            self.pulses += 1
        super().event(payload, now)

    def stop_reading(self) -> None:
        """From now on everything stays with the kernels, and then with the hub."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def read_again(self) -> None:
        """Everything that is there, at once."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()


class ReaderCouple(Couple):
    """Somebody who sends large hugs, and a reader who may stop. Their latencies are nobody's concern."""

    recipient: StoppingReader

    def __init__(self, load: Load, people: tuple[Person, Person]) -> None:
        super().__init__(load, people, LARGE, StoppingReader)

    def _record(self, name: str, seconds: float) -> None:
        """Kept by no histogram."""

    async def fill(self, hugs: int) -> float:
        """So many hugs at once; returns when the last one is stored (perf_counter). Raises: TimeoutError."""
        now, accepted_at = time.perf_counter(), self.ledger.accepted_at
        last = len(accepted_at) + hugs - 1
        for _ in range(hugs):
            self.sender.send(now)
        async with asyncio.timeout(NEWS_WITHIN_S):
            while not accepted_at[last]:  # noqa: ASYNC110  a ledger has no event for each hug
                await asyncio.sleep(LOOK_EVERY_S)
        return accepted_at[last]

    async def read_on(self, stopped_at: float, filled_at: float, silent_s: float) -> Reading:
        """Read again *silent_s* after *stopped_at*, and look whether the connection is still there."""
        reader, ledger = self.recipient, self.ledger
        await asyncio.sleep(stopped_at + silent_s - time.perf_counter())
        before, held = reader.absence, ledger.received
        reader.read_again()
        until = time.perf_counter() + NEWS_WITHIN_S
        waiting = ledger.accepted - held
        while reader.absence is before and ledger.received - held < waiting and time.perf_counter() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)
        absence = reader.absence
        is_closed = absence is not before
        code = absence.code if is_closed and absence is not None else 0
        return Reading(filled_at - stopped_at, silent_s, is_closed, code)


def judge_reading(reading: Reading) -> str:
    """What the hub has done wrong; empty if nothing."""
    if reading.is_closed and reading.silent_s < STALLED_MAX_S - WHOLE_SECONDS_S:
        return f"was closed within {reading.silent_s:.1f} s of not reading, and should have had {STALLED_MAX_S:.0f} s"
    if not reading.is_closed and reading.silent_s - reading.filled_s > STALLED_MAX_S + LATE_S:
        return f"was still connected after {reading.silent_s:.1f} s of not reading"
    if reading.is_closed and reading.silent_s < BYE_UNTIL_S and reading.code != CloseCode.SLOW_READER:
        return f"was closed as a slow reader with {reading.code}, and not with {CloseCode.SLOW_READER}"
    return ""
