"""The client's own place in its inbox: what has arrived, what the app is done with, what to acknowledge.

Invariant: events leave here in the order of their `seq`, each once, without a gap, whatever the
connections in between repeated or lost. Acknowledged is only what the app is done with.
"""

from enum import Enum
from typing import Protocol

from msgspec import Struct

ACK_EVERY = 16
ACK_WITHIN_S = 1.0


class Cursor(Struct, frozen=True):
    """Everything up to `seq` of the inbox in that `epoch` has been dealt with."""

    epoch: str
    seq: int


class CursorStore(Protocol):
    """Where an app keeps its cursor between runs."""

    async def load(self) -> Cursor | None:
        """The cursor saved last; None: begin with what comes next."""

    async def save(self, cursor: Cursor) -> None:
        """Called before the server is told of it, at most once a second or every 16 events."""


class MemoryCursor:
    """The default store: remembers for the life of the process."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.cursor = cursor

    async def load(self) -> Cursor | None:
        """The cursor saved last."""
        return self.cursor

    async def save(self, cursor: Cursor) -> None:
        """Remember *cursor*."""
        self.cursor = cursor


class Arrival(Enum):
    """What an event is by its `seq`."""

    NEXT = "next"
    DUPLICATE = "duplicate"
    GAP = "gap"


class Follower:
    """The cursor of one client over all its connections. *now* is monotonic seconds."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self.epoch = cursor.epoch if cursor is not None else None
        self.generation = 0  # of the inbox; counts the resets
        self.arrived = self.done = cursor.seq if cursor is not None else 0
        self._acked = self.done
        self._oldest_unacked: float | None = None

    def cursor(self) -> Cursor | None:
        """What to save, and to resume from; None before the first `welcome`."""
        return Cursor(self.epoch, self.done) if self.epoch is not None else None

    def welcomed(self, epoch: str, head: int, acked: int, *, is_resumed: bool) -> None:
        """A connection is open. When it did not resume, everything begins anew after *head*."""
        if not is_resumed:
            self.generation += 1
            self.arrived = self.done = self._acked = head
            self._oldest_unacked = None
        self.epoch = epoch
        # An ack that was lost with the old connection is said again.
        if is_resumed and acked < self.done:
            self._acked = min(self._acked, acked)
            self._oldest_unacked = self._oldest_unacked or 0.0

    def arrive(self, seq: int) -> Arrival:
        """Judge an event; NEXT moves `arrived`."""
        if seq <= self.arrived:
            return Arrival.DUPLICATE
        if seq > self.arrived + 1:
            return Arrival.GAP
        self.arrived = seq
        return Arrival.NEXT

    def finish(self, seq: int, generation: int, now: float) -> bool:
        """The app is done with everything up to *seq* of that generation; older generations count no more.

        True when `ack_at` has become earlier: whoever waits for it must look again.
        """
        if generation != self.generation or not self.done < seq <= self.arrived:
            return False
        self.done = seq
        if self._oldest_unacked is None:
            self._oldest_unacked = now
            return True
        return self.done - self._acked >= ACK_EVERY

    def ack_at(self) -> float | None:
        """When the next ack is due; None while there is nothing to acknowledge."""
        if self._oldest_unacked is None:
            return None
        if self.done - self._acked >= ACK_EVERY:
            return 0.0
        return self._oldest_unacked + ACK_WITHIN_S

    def take_ack(self) -> int:
        """The `seq` to acknowledge now; it counts as acknowledged from here on."""
        self._acked = self.done
        self._oldest_unacked = None
        return self.done
