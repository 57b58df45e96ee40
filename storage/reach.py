"""Whether people can be reached by a socket now, whatever their friends are told.

Invariant: nobody is taken for absent, or for one who may be disturbed, because Redis is away or has been emptied: then that
is not known.
"""

from collections.abc import Sequence

from domain.errors import Unavailable
from domain.notifications import Presence
from domain.presence import Rank
from storage import keys
from storage.directory import Directory
from storage.redis import RedisLink

UNSURE_GAP_MS = 10_000  # who waits for presence to be known asks more often than that
SURE_AFTER_MS = 8_000  # Redis back, or emptied: nodes find out within 5 s and register everybody again


class Reach:
    """The directory, read by who is about to push."""

    def __init__(self, redis: RedisLink, directory: Directory) -> None:
        self._redis = redis
        self._directory = directory
        self._unsure_ms = 0  # when it was not known the last time
        self.unsure_since_ms: int | None = None  # since when presence is not known; None: it is

    async def presence(self, users: Sequence[str], now_ms: int) -> dict[str, Presence]:
        """Of each of *users*. Does not raise because Redis is away."""
        try:
            if now_ms - await self._directory.watched_since(now_ms) < SURE_AFTER_MS:
                return self._unsure(users, now_ms)
            ranks = await self._ranks(users)
        except Unavailable:
            return self._unsure(users, now_ms)
        self.unsure_since_ms = None
        return {user: _presence(ranks[user]) for user in users}

    def _unsure(self, users: Sequence[str], now_ms: int) -> dict[str, Presence]:
        if self.unsure_since_ms is None or now_ms - self._unsure_ms > UNSURE_GAP_MS:
            self.unsure_since_ms = now_ms
        self._unsure_ms = now_ms
        return dict.fromkeys(users, Presence.UNKNOWN)

    async def _ranks(self, users: Sequence[str]) -> dict[str, list[int]]:
        replies = await self._redis.pipeline([("HGETALL", keys.where(user)) for user in users])
        devices = {
            user: dict(zip(reply[::2], reply[1::2], strict=True)) for user, reply in zip(users, replies, strict=True)
        }
        nodes = sorted({node for where in devices.values() for node in where})
        leases = await self._redis.pipeline([("EXISTS", keys.lease(node.decode())) for node in nodes]) if nodes else []
        alive = {node for node, lives in zip(nodes, leases, strict=True) if lives}
        return {user: [int(rank) for node, rank in where.items() if node in alive] for user, where in devices.items()}


def _presence(ranks: Sequence[int]) -> Presence:
    if Rank.DO_NOT_DISTURB in ranks:
        return Presence.DO_NOT_DISTURB
    return Presence.CONNECTED if ranks else Presence.OFFLINE
