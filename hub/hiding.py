"""Who wants to be seen nowhere now: receipts ask before they tell anything.

Invariant: when it cannot be known, because Redis is away and the person is not here, the answer is that they hide.
"""

from collections.abc import Sequence

from domain.errors import Unavailable
from domain.presence import Rank
from hub.node import Node
from storage.presence import Presence


class Hiding:
    """Implements `storage.receipts.Hiding` for one node."""

    def __init__(self, node: Node, presence: Presence) -> None:
        self._node = node
        self._presence = presence

    def is_hidden_here(self, user: str) -> bool:
        """Is *user* invisible on a device of this node?"""
        return self._node.rank_of(user) is Rank.INVISIBLE

    async def hidden(self, users: Sequence[str]) -> set[str]:
        """Those of *users* who are invisible on any node, or may be."""
        # This node knows about its own devices at once; the directory hears of them a moment later.
        here = {user for user in users if self.is_hidden_here(user)}
        others = [user for user in users if user not in here]
        try:
            return here | await self._presence.invisible(others)
        except Unavailable:
            return {user for user in users if self._node.is_unseen(user)}
