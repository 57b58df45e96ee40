"""Reads on from the mailbox for sessions that are behind: resuming, stalled a moment ago, or rung out of order.

Invariant: a session leaves `Node.behind` only when it can take nothing now (and will ask again when it
can) or when its cursor has reached everything this node has heard of.
"""

import asyncio
import logging

from domain.errors import Unavailable
from hub.forms import Payload
from hub.node import Member, Node
from protocol.codec import numbered
from storage.inbox import InboxEvent, load_after
from storage.postgres import Database

SESSIONS_PER_QUERY = 64
EVENTS_PER_SESSION = 128
RETRY_S = 0.5
READERS = 2  # queries in flight: one slow mailbox must not hold up the others

log = logging.getLogger("hugmood.mailbox")


class MailboxReader:
    """The readers of one node; `run` each of them as a task."""

    def __init__(self, node: Node, database: Database) -> None:
        self._node = node
        self._database = database
        self._wake = asyncio.Event()
        self._reading: set[Member] = set()
        self.reads = 0
        self.events = 0
        node.on_behind = self._wake.set

    async def run(self) -> None:
        """Read for whoever is behind, until cancelled."""
        while True:
            members = self._next()
            if not members:
                self._wake.clear()
                await self._wake.wait()
                continue
            try:
                await self._read(members)
            except Unavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("the mailbox could not be read", extra={"sessions": len(members)})
                await asyncio.sleep(RETRY_S)
            finally:
                self._reading.difference_update(members)

    def _next(self) -> list[Member]:
        """Up to `SESSIONS_PER_QUERY` sessions that nobody is reading for."""
        chosen: list[Member] = []
        for member in list(self._node.behind):
            if not member.may_take() or not self._node.is_short(member):
                self._node.behind.discard(member)
            elif member not in self._reading:
                chosen.append(member)
                if len(chosen) == SESSIONS_PER_QUERY:
                    break
        self._reading.update(chosen)
        return chosen

    async def _read(self, members: list[Member]) -> None:
        """One query for all of *members*; sessions of one user at one cursor share their rows."""
        cursors = list(dict.fromkeys((member.user, member.cursor) for member in members))
        rows = await load_after(self._database, cursors, EVENTS_PER_SESSION)
        self.reads += 1
        by_user: dict[str, dict[int, InboxEvent]] = {}
        for row in rows:
            by_user.setdefault(row.user, {})[row.seq] = row
        payloads: dict[tuple[str, int], Payload] = {}
        for member in members:
            self._hand_over(member, by_user.get(member.user, {}), payloads)

    def _hand_over(self, member: Member, rows: dict[int, InboxEvent], payloads: dict[tuple[str, int], Payload]) -> None:
        while (row := rows.get(member.cursor + 1)) is not None:
            key = (row.user, row.seq)
            payload = payloads.get(key)
            if payload is None:
                payload = payloads[key] = Payload(numbered(row.body, row.seq))
            if not member.offer(row.seq, payload):
                break
            self.events += 1
