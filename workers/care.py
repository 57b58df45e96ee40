"""The housekeeping jobs: dead nodes, expired tokens, the inbox's weeks and the months of moods.

Each may run twice, or in two workers at once, and changes nothing the second time.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from domain.times import to_ms
from storage import cleanup, partitions
from storage.directory import Directory
from storage.postgres import Database
from storage.presence import Presence
from workers.retry import Job

SWEEP_EVERY_S = 5
ANNOUNCE_CHUNK = 500
ANNOUNCE_ROUNDS = 3  # a user who changed within the last seconds is looked at again after the gap

log = logging.getLogger("hugmood.care")


class Care:
    """The jobs of the queue `care`."""

    def __init__(
        self,
        database_url: str,
        database: Database,
        directory: Directory,
        presence: Presence,
        mood_retention_months: int = 0,
        *,
        on_gone: Callable[[Sequence[str]], None] = lambda _users: None,
    ) -> None:
        """*on_gone* is given the users of nodes that have died: what they did not ack may have to be pushed."""
        self._database_url = database_url
        self._database = database
        self._directory = directory
        self._presence = presence
        self._on_gone = on_gone
        self._moods = partitions.moods(mood_retention_months)

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.CARE` is given."""
        return [
            # Its timeout is below SWEEP_CLAIM_MS: a sweep that hangs is over before another may take the node.
            Job("care.sweep_nodes", self.sweep_nodes, timeout_s=25, seconds=frozenset(range(0, 60, SWEEP_EVERY_S))),
            Job("care.delete_expired", self.delete_expired, timeout_s=120, minutes=frozenset(range(0, 60, 10))),
            Job("care.tend_inbox", self.tend_inbox, timeout_s=120, minutes=frozenset({5})),
            Job("care.tend_moods", self.tend_moods, timeout_s=120, minutes=frozenset({15})),
        ]

    async def sweep_nodes(self) -> None:
        """Take away what dead nodes left behind and tell friends who is gone. Raises: Unavailable.

        A node is forgotten only after its users were announced: whoever sweeps again after a failure
        half-way finds them all.
        """
        swept = await self._directory.sweep()
        for node, users in swept.items():
            for start in range(0, len(users), ANNOUNCE_CHUNK):
                await self._announce(users[start : start + ANNOUNCE_CHUNK])
            self._on_gone(users)
            await self._directory.forget_node(node)
            log.info("dead node swept", extra={"dead_node": node, "users": len(users)})

    async def _announce(self, users: Sequence[str]) -> None:
        for _ in range(ANNOUNCE_ROUNDS):
            waits = await self._presence.announce(users, _now_ms())
            if not waits:
                return
            users = list(waits)
            await asyncio.sleep(max(waits.values()) / 1000)

    async def delete_expired(self) -> None:
        """Delete refresh tokens and families, dead jobs, mutes, devices and what is told of pushes, once they are over.

        Raises: Unavailable.
        """
        now = datetime.now(UTC)
        tokens, families = await cleanup.delete_expired_tokens(self._database, now)
        jobs = await cleanup.delete_old_dead_jobs(self._database, now)
        mutes = await cleanup.delete_ended_mutes(self._database, now)
        devices = await cleanup.delete_unused_devices(self._database, now)
        pushes = await cleanup.delete_old_pushes(self._database, now)
        deleted = {
            "tokens": tokens,
            "families": families,
            "dead_jobs": jobs,
            "mutes": mutes,
            "devices": devices,
            **pushes,
        }
        if any(deleted.values()):
            log.info("expired rows deleted", extra=deleted)

    async def tend_inbox(self) -> None:
        """Make the inbox's weeks ahead and drop those out of retention. Raises: Unavailable."""
        await partitions.tend(self._database_url, partitions.INBOX, datetime.now(UTC))

    async def tend_moods(self) -> None:
        """The same for the months of moods. Raises: Unavailable."""
        await partitions.tend(self._database_url, self._moods, datetime.now(UTC))


def _now_ms() -> int:
    return to_ms(datetime.now(UTC))
