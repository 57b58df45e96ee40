"""How devices become what friends see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.presence import Rank, merge, rank_of, shown

pytestmark = pytest.mark.property

RANKS = st.lists(st.sampled_from(Rank), max_size=8)
ORDER = ["offline", "away", "online", "do_not_disturb", "invisible"]


@given(RANKS)
def test_the_strongest_wins_in_any_order(ranks: list[Rank]) -> None:
    expected = max((rank.name.lower() for rank in ranks), key=ORDER.index, default="offline")
    assert merge(ranks) == rank_of(expected)
    assert merge(reversed(ranks)) == merge(ranks)


@given(RANKS, RANKS)
def test_merging_by_node_first_changes_nothing(here: list[Rank], there: list[Rank]) -> None:
    assert merge([merge(here), merge(there)]) == merge([*here, *there])


def test_who_is_invisible_looks_offline() -> None:
    assert shown(Rank.INVISIBLE) == shown(Rank.OFFLINE) == "offline"
    assert [shown(rank) for rank in (Rank.AWAY, Rank.ONLINE, Rank.DO_NOT_DISTURB)] == ORDER[1:4]
