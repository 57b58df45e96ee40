"""Presence: how the devices of a person become what friends see.

Per device online, away, do_not_disturb or invisible. Per person the strongest wins:
invisible > do_not_disturb > online > away > offline. Ranks put that order into numbers, so that a
merge is a maximum wherever it is taken, also inside Redis.
"""

from collections.abc import Iterable
from enum import IntEnum

OFFLINE_GRACE_MS = 15_000  # between the last connection's end and the announcement
CHANGE_GAP_MS = 5_000  # at most one announced change per person in this time


class Rank(IntEnum):
    """The strength of a status."""

    OFFLINE = 0
    AWAY = 1
    ONLINE = 2
    DO_NOT_DISTURB = 3
    INVISIBLE = 4


_NAMES = {rank: rank.name.lower() for rank in Rank}
_RANKS = {name: rank for rank, name in _NAMES.items()}


def rank_of(status: str) -> Rank:
    """The rank of a status by its name on the wire."""
    return _RANKS[status]


def merge(ranks: Iterable[int]) -> Rank:
    """What a person's devices come to; no device is offline."""
    return Rank(max(ranks, default=0))


def shown(rank: int) -> str:
    """What friends are told: who is invisible is offline, everywhere."""
    return "offline" if rank == Rank.INVISIBLE else _NAMES[Rank(rank)]
