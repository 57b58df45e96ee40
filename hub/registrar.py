"""Keeps what the rest of the cluster knows of this node true: lease, directory, presence, and our cursors.

Invariant: within a minute of any fault, every user here is in the directory, friends have been told their
presence, and every cursor has been compared with its mailbox. After a reconnect, or when Redis turns
out to have been emptied, all of that happens at once.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence

from domain.errors import Unavailable
from domain.presence import OFFLINE_GRACE_MS
from hub.node import Node
from storage.directory import RENEW_S, Directory
from storage.inbox import load_heads
from storage.postgres import Database
from storage.presence import Presence

COMPARE_EVERY_S = 60
COMPARE_CHUNK = 500
ANNOUNCE_CHUNK = 500
GATHER_S = 0.02
RETRY_S = 1.0

log = logging.getLogger("hugmood.registrar")


class Registrar:
    """The upkeep of one node; `run_*` are its tasks."""

    def __init__(
        self, node: Node, directory: Directory, presence: Presence, database: Database, clock: Callable[[], int]
    ) -> None:
        self._node = node
        self._directory = directory
        self._presence = presence
        self._database = database
        self._clock = clock
        self._changed: set[str] = set()  # users whose status here is not in the directory yet
        self._due: list[tuple[int, str]] = []  # heap of (Unix ms, user): when friends are told
        self._wake = asyncio.Event()
        self._recover = asyncio.Event()
        self.is_draining = False
        self.compared = 0
        self.found_short = 0
        self.on_swept: Callable[[Sequence[str]], None] = lambda _users: None  # given the users of a node that has died
        node.on_rank = self._rank_changed

    def recover(self) -> None:
        """The doorbell may have been deaf, or Redis is empty: register everybody again and compare all cursors."""
        self._recover.set()

    def announce_soon(self, users: Sequence[str]) -> None:
        """Tell friends as soon as possible: the users are in the directory already."""
        now = self._clock()
        for user in users:
            heapq.heappush(self._due, (now, user))
        self._wake.set()

    def _rank_changed(self, user: str) -> None:
        if not self.is_draining:  # a planned drain announces nobody offline; what stays behind ends with the lease
            self._changed.add(user)
            self._wake.set()

    def is_unwritten(self, user: str) -> bool:
        """Is the directory not up to date about *user*?"""
        return user in self._changed

    async def enter(self, users: Sequence[str]) -> None:
        """Put users of this node into the directory. Raises: Unavailable."""
        await self._directory.enter({user: rank for user in users if (rank := self._node.rank_of(user))})
        self._changed.difference_update(users)

    async def run_lease(self) -> None:
        """Renew the lease for ever."""
        while True:
            try:
                if not await self._directory.renew():
                    log.warning("redis has forgotten this node: registering again")
                    self.recover()
            except Unavailable:
                pass  # the links report it; on_connect recovers
            await asyncio.sleep(RENEW_S)

    async def run_presence(self) -> None:
        """Write changed statuses to the directory, and tell friends when it is time, for ever."""
        while True:
            await self._wait()
            try:
                await self._write_changed()
                await self._announce_due()
            except Unavailable:
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("presence could not be announced")
                await asyncio.sleep(RETRY_S)

    async def _wait(self) -> None:
        """Until something changed or the next announcement is due; then a moment more, to gather."""
        if not self._changed:
            timeout = max(0.0, (self._due[0][0] - self._clock()) / 1000) if self._due else None
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                pass
        self._wake.clear()
        await asyncio.sleep(GATHER_S)

    async def _write_changed(self) -> None:
        users = list(self._changed)[:COMPARE_CHUNK]
        self._changed.difference_update(users)
        here = [user for user in users if self._node.rank_of(user)]
        gone = [user for user in users if not self._node.rank_of(user)]
        try:
            await self._directory.enter({user: self._node.rank_of(user) for user in here if self._node.rank_of(user)})
            await self._directory.leave([user for user in gone if not self._node.rank_of(user)])
        except Unavailable:
            self._changed.update(users)
            raise
        now = self._clock()
        for user in here:
            heapq.heappush(self._due, (now, user))
        for user in gone:
            heapq.heappush(self._due, (now + OFFLINE_GRACE_MS, user))

    async def _announce_due(self) -> None:
        now = self._clock()
        users: dict[str, None] = {}
        while self._due and self._due[0][0] <= now and len(users) < ANNOUNCE_CHUNK:
            users[heapq.heappop(self._due)[1]] = None
        if not users:
            return
        try:
            again = await self._presence.announce(list(users), now)
        except Unavailable:
            for user in users:
                heapq.heappush(self._due, (now + int(RETRY_S * 1000), user))
            raise
        for user, wait_ms in again.items():
            heapq.heappush(self._due, (now + wait_ms, user))

    async def run_sweep(self) -> None:
        """Take away what dead nodes left behind, and tell their users' friends, for ever."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                for node, users in (await self._directory.sweep()).items():
                    log.warning("a dead node was swept", extra={"dead": node, "users": len(users)})
                    self.announce_soon(users)
                    await self._directory.forget_node(node)
                    self.on_swept(users)
            except Unavailable:
                continue

    async def run_recovery(self) -> None:
        """After `recover`: everybody into the directory, every cursor compared."""
        while True:
            await self._recover.wait()
            self._recover.clear()
            try:
                users = list(self._node.seats)
                await self.enter(users)
                self.announce_soon(users)
                for start in range(0, len(users), COMPARE_CHUNK):
                    await self.compare(users[start : start + COMPARE_CHUNK])
            except Unavailable:
                await asyncio.sleep(RETRY_S)
                self._recover.set()

    async def run_comparison(self) -> None:
        """Compare each user's cursors with the mailbox once a minute: a ring that was never heard costs a minute."""
        while True:
            users = list(self._node.seats)
            slice_size = len(users) // COMPARE_EVERY_S + 1
            for second in range(COMPARE_EVERY_S):
                await asyncio.sleep(1.0)
                some = users[second * slice_size : (second + 1) * slice_size]
                try:
                    await self.compare(some)
                except Unavailable:
                    continue

    async def compare(self, users: Sequence[str]) -> None:
        """Whoever of *users* is short of their mailbox reads on. Raises: Unavailable."""
        for start in range(0, len(users), COMPARE_CHUNK):
            heads = await load_heads(self._database, users[start : start + COMPARE_CHUNK])
            self.compared += len(heads)
            for user, head in heads.items():
                seat = self._node.seats.get(user)
                if seat is not None and head > seat.head:
                    self.found_short += 1
                    self._node.heard_of(user, head)
