"""Who hides, as receipts ask for it: with a directory that answers, and with one that is away."""

from collections.abc import Sequence
from typing import cast

import pytest

from domain.errors import Unavailable
from domain.presence import Rank
from hub.hiding import Hiding
from hub.node import Member, Node
from storage.presence import Presence

pytestmark = pytest.mark.unit


class Device:
    """As much of a session as a seat needs."""

    def __init__(self, user: str, rank: Rank) -> None:
        self.user = user
        self.rank = rank


class Directory:
    """Stands for what Redis knows of all nodes."""

    def __init__(self, *invisible: str) -> None:
        self.invisible_users = set(invisible)
        self.is_away = False

    async def invisible(self, users: Sequence[str]) -> set[str]:
        if self.is_away:
            raise Unavailable
        return self.invisible_users & set(users)


def node_with(**ranks: Rank) -> Node:
    node = Node("here")
    for user, rank in ranks.items():
        node.join(cast("Member", Device(user, rank)))
    return node


async def test_whoever_is_invisible_on_any_node_hides() -> None:
    node = node_with(ana=Rank.ONLINE, bo=Rank.INVISIBLE, cleo=Rank.DO_NOT_DISTURB)
    hiding = Hiding(node, cast("Presence", Directory("cleo", "dan")))
    assert await hiding.hidden(["ana", "bo", "cleo", "dan", "eve"]) == {"bo", "cleo", "dan"}
    assert [hiding.is_hidden_here(user) for user in ("ana", "bo", "cleo", "dan")] == [False, True, False, False]


async def test_without_redis_the_devices_here_count_and_who_is_not_here_hides() -> None:
    directory = Directory("ana")
    directory.is_away = True
    hiding = Hiding(node_with(ana=Rank.AWAY, bo=Rank.INVISIBLE), cast("Presence", directory))
    assert await hiding.hidden(["ana", "bo", "cleo"]) == {"bo", "cleo"}
