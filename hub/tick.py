"""One write per connection and tick: frames of one loop iteration are joined before they reach the kernel.

uvloop does not merge writes, so eight messages in a tick would be eight system calls per member.
"""

import asyncio
import logging
from typing import Protocol

log = logging.getLogger("hugmood.tick")


class Writable(Protocol):
    """A connection that has frames to write at the end of the tick."""

    def flush(self) -> None:
        """Hand everything gathered to the transport in one call."""


class TickWriter:
    """Remembers which connections have something to write, and writes at the end of the loop iteration."""

    __slots__ = ("_dirty", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._dirty: list[Writable] = []

    def add(self, connection: Writable) -> None:
        """Call once per tick and connection, with its first frame."""
        if not self._dirty:
            self._loop.call_soon(self._flush)
        self._dirty.append(connection)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            try:
                connection.flush()
            except Exception:  # one connection's trouble is not the others'
                log.exception("a connection could not be written to")
