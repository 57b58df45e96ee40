"""Commands of a client that wait to be sent or answered.

Invariant: a command stays here until the server has answered it for good, it is sent again on every
new connection, and at most `in_flight` of them are unanswered on a connection. Commands are
idempotent, so sending one again is always safe. No I/O and no clock: *now* is monotonic seconds.
"""

from msgspec import Struct

from protocol.commands import Command

COMMANDS_MAX = 1_000
IN_FLIGHT_DEFAULT = 16


class OutboxFull(Exception):  # noqa: N818  a fact about the queue
    """Too many commands wait already; try again when some have been answered."""


class Waiting(Struct, eq=False):
    """One command. *not_before* holds back a repetition that the server asked to be later."""

    ref: int
    command: Command
    is_sent: bool = False
    not_before: float = 0.0
    tries: int = 0


class Outbox:
    """The queue of one client, oldest first. Commands carry their own `ref`, given by `add`."""

    def __init__(self, most: int = COMMANDS_MAX) -> None:
        self.in_flight = IN_FLIGHT_DEFAULT  # set from `welcome.limits`
        self._most = most
        self._next_ref = 1
        self._waiting: dict[int, Waiting] = {}
        self._unanswered = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def next_ref(self) -> int:
        """A number no command of this client has had."""
        ref = self._next_ref
        self._next_ref += 1
        return ref

    def check_room(self) -> None:
        """Raises: OutboxFull."""
        if len(self._waiting) >= self._most:
            raise OutboxFull(f"{self._most} commands wait for an answer already.")

    def add(self, ref: int, command: Command) -> None:
        """Queue *command*, which carries *ref* of `next_ref`. Raises: OutboxFull."""
        self.check_room()
        self._waiting[ref] = Waiting(ref, command)

    def take(self, now: float) -> Command | None:
        """The oldest command that may be sent now, which then counts as sent; None if there is none."""
        if self._unanswered >= self.in_flight:
            return None
        for waiting in self._waiting.values():
            if not waiting.is_sent and waiting.not_before <= now:
                waiting.is_sent = True
                waiting.tries += 1
                self._unanswered += 1
                return waiting.command
        return None

    def wake_at(self) -> float | None:
        """When `take` may next have something that it has not now; None: only after an answer or an `add`."""
        if self._unanswered >= self.in_flight:
            return None
        return min((w.not_before for w in self._waiting.values() if not w.is_sent), default=None)

    def answered(self, ref: int) -> bool:
        """The server has answered for good. False: nobody waits for that any more."""
        return self._remove(ref)

    def again(self, ref: int, not_before: float) -> bool:
        """The server asks to send it again, not before that time. False: nobody waits for it any more."""
        waiting = self._waiting.get(ref)
        if waiting is None:
            return False
        if waiting.is_sent:
            self._unanswered -= 1
        waiting.is_sent = False
        waiting.not_before = not_before
        return True

    def tries(self, ref: int) -> int:
        """How often it has been sent."""
        waiting = self._waiting.get(ref)
        return waiting.tries if waiting is not None else 0

    def forget(self, ref: int) -> None:
        """Nobody waits for the answer any more. If it was sent, the server may still carry it out."""
        self._remove(ref)

    def disconnected(self) -> None:
        """What was sent and not answered is to be sent again, in its old place."""
        for waiting in self._waiting.values():
            waiting.is_sent = False
        self._unanswered = 0

    def refs(self) -> list[int]:
        """What waits, oldest first."""
        return list(self._waiting)

    def _remove(self, ref: int) -> bool:
        waiting = self._waiting.pop(ref, None)
        if waiting is None:
            return False
        if waiting.is_sent:
            self._unanswered -= 1
        return True
