"""Who is on which node, and which nodes live.

Written only when a user's first connection on a node opens, the last one closes, or their status
changes. Invariant: what a dead node left behind is found by `sweep` once its lease has ended; a node
that finds its own lease gone knows that Redis was emptied and registers everybody again.
"""

import asyncio
from collections.abc import Mapping, Sequence

from domain.presence import OFFLINE_GRACE_MS
from storage import keys
from storage.redis import RedisLink

LEASE_MS = 15_000
RENEW_S = 5.0
SWEEP_CLAIM_MS = 30_000
REGISTER_CHUNK = 1_000
WATCH_GAP_MS = 12_000


class Directory:
    """The directory as one node (or, with no node of its own, a worker) sees it."""

    def __init__(self, redis: RedisLink, node: str) -> None:
        self._redis = redis
        self._node = node
        self._has_lease = False

    async def renew(self) -> bool:
        """Prove that this node lives. False: the lease was gone, so everybody must be registered again.

        Raises: Unavailable.
        """
        old, _ = await self._redis.pipeline(
            [("SET", keys.lease(self._node), "1", "PX", LEASE_MS, "GET"), ("SADD", keys.NODES, self._node)]
        )
        kept = old is not None or not self._has_lease
        self._has_lease = True
        return kept

    async def enter(self, ranks: Mapping[str, int]) -> None:
        """Register users of this node with the rank of their status here. Raises: Unavailable."""
        users = list(ranks)
        for start in range(0, len(users), REGISTER_CHUNK):
            chunk = users[start : start + REGISTER_CHUNK]
            await self._redis.pipeline(
                [
                    ("SADD", keys.on(self._node), *chunk),
                    *(("HSET", keys.where(user), self._node, int(ranks[user])) for user in chunk),
                ]
            )

    async def leave(self, users: Sequence[str]) -> None:
        """The last connection of these users on this node has closed; their grace begins. Raises: Unavailable."""
        if users:
            await self._redis.pipeline(
                [
                    ("SREM", keys.on(self._node), *users),
                    *(("SET", keys.gone(user), "1", "PX", OFFLINE_GRACE_MS) for user in users),
                    *(("HDEL", keys.where(user), self._node) for user in users),
                ]
            )

    async def nodes_of(self, users: Sequence[str]) -> dict[str, list[str]]:
        """The nodes that hold each of *users*, without this one; users who are nowhere are left out.

        Raises: Unavailable. A dead node may be among them: what is published there is heard by nobody.
        """
        return self.parse_nodes(users, await self.look_up(users))

    def look_up(self, users: Sequence[str]) -> "asyncio.Future[list[list[bytes]]]":
        """`nodes_of` without a coroutine, for the hot way: `parse_nodes` reads the result."""
        return self._redis.pipeline([("HKEYS", keys.where(user)) for user in users])

    def parse_nodes(self, users: Sequence[str], replies: Sequence[list[bytes]]) -> dict[str, list[str]]:
        """What a `look_up` for *users* found."""
        found: dict[str, list[str]] = {}
        for user, reply in zip(users, replies, strict=True):
            nodes = [node for field in reply if (node := field.decode()) != self._node]
            if nodes:
                found[user] = nodes
        return found

    async def present(self, users: Sequence[str]) -> set[str]:
        """Those of *users* who are connected to a node that lives, this one included. Raises: Unavailable."""
        by_node: dict[str, set[str]] = {}
        for start in range(0, len(users), REGISTER_CHUNK):
            chunk = users[start : start + REGISTER_CHUNK]
            for user, nodes in zip(chunk, await self.look_up(chunk), strict=True):
                for node in nodes:
                    by_node.setdefault(node.decode(), set()).add(user)
        alive = await self._redis.pipeline([("EXISTS", keys.lease(node)) for node in by_node])
        return {user for lives, some in zip(alive, by_node.values(), strict=True) if lives for user in some}

    async def watched_since(self, now_ms: int) -> int:
        """Since when this is asked at least every `WATCH_GAP_MS`, with Redis there and not emptied: Unix ms.

        Before that the directory may know nothing of people who are connected. Raises: Unavailable.
        """
        _, _, since = await self._redis.pipeline(
            [
                ("SET", keys.WATCHED, now_ms, "NX", "PX", WATCH_GAP_MS),
                ("PEXPIRE", keys.WATCHED, WATCH_GAP_MS),
                ("GET", keys.WATCHED),
            ]
        )
        return int(since)

    async def nodes(self) -> list[str]:
        """All other nodes, some of which may be dead. Raises: Unavailable."""
        return [
            name for node in await self._redis.call("SMEMBERS", keys.NODES) if (name := node.decode()) != self._node
        ]

    async def sweep(self) -> dict[str, list[str]]:
        """Take away what nodes without a lease left behind: dead node → the users who were there.

        Any process may call it at any time: one wins each dead node, and a winner that dies half-way
        loses its claim. Announce the users' presence anew, then `forget_node`. Raises: Unavailable.
        """
        nodes = [node.decode() for node in await self._redis.call("SMEMBERS", keys.NODES)]
        alive = await self._redis.pipeline([("EXISTS", keys.lease(node)) for node in nodes])
        swept: dict[str, list[str]] = {}
        for node, lives in zip(nodes, alive, strict=True):
            if not lives and await self._claim(node):
                swept[node] = await self._clear(node)
        return swept

    async def _claim(self, node: str) -> bool:
        reply = await self._redis.call("SET", keys.swept(node), self._node, "NX", "PX", SWEEP_CLAIM_MS)
        return reply is not None

    async def _clear(self, node: str) -> list[str]:
        users = [user.decode() for user in await self._redis.call("SMEMBERS", keys.on(node))]
        for start in range(0, len(users), REGISTER_CHUNK):
            chunk = users[start : start + REGISTER_CHUNK]
            await self._redis.pipeline([("HDEL", keys.where(user), node) for user in chunk])
        return users

    async def forget_node(self, node: str) -> None:
        """Nothing of *node* is left to do. Call it after its users were announced. Raises: Unavailable."""
        await self._redis.pipeline([("DEL", keys.on(node)), ("SREM", keys.NODES, node), ("DEL", keys.swept(node))])
