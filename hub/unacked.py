"""Who is connected here and does not ack: their pushes are due 10 s after the event, as for somebody who is away.

Nothing is kept per event: each second has the last `seq` of each user who was brought something in it. What is told to
the workers is a hint; they look at the mailbox, where acks of other nodes stand too.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from hub.node import Node

TICK_S = 1.0


class Unacked:
    """Watches the acks of one node."""

    def __init__(self, node: Node, after_s: int, notify: Callable[[Iterable[str]], None]) -> None:
        """*notify* is given users of whom something was not acked for *after_s*, or who left without having acked it."""
        self._node = node
        self._notify = notify
        self._seconds: deque[dict[str, int]] = deque({} for _ in range(after_s))
        node.on_left_unacked = self._left

    def _left(self, user: str) -> None:
        self._notify((user,))

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self.look()

    def look(self) -> None:
        """Begin another second, and tell of what was brought `after_s` before and is not acked."""
        self._seconds.append(self._node.brought)
        self._node.brought = {}
        due = self._seconds.popleft()
        silent = [user for user, seq in due.items() if self._is_silent(user, seq)]
        if silent:
            self._notify(silent)

    def _is_silent(self, user: str, seq: int) -> bool:
        seat = self._node.seats.get(user)
        return seat is not None and all(member.acked < seq for member in seat.members)
