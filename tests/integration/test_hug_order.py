"""Hugs of one sender to one friend arrive in the order they were sent, also while the hub still looks up who they are."""

import asyncio
from functools import partial

import pytest

from loadtest.clients.hugs import Sender, open_pair
from loadtest.clients.people import Person
from loadtest.pacer import pace
from tests.support.hubs import HubProcess, make_friends

pytestmark = pytest.mark.integration

PAIRS = 60


def send(sender: Sender, _index: int, intended: float) -> None:
    sender.send(intended)


async def test_the_first_hugs_of_a_pair_keep_their_order(hub: HubProcess, database_url: str) -> None:
    """Each pair is new to the hub: its first hugs wait for a look into the database, those behind them need not."""
    people = [
        Person(one.id, one.access_token, one.friends) for one in await make_friends(database_url, 2 * PAIRS, friends=1)
    ]
    by_id = {person.id: person for person in people}
    for one in people[:PAIRS]:
        pair = await open_pair(hub.url, (one, by_id[one.friends[0]]), 1, "in order")
        try:
            await pace(4_000, 0.02, partial(send, pair.sender))
            async with asyncio.timeout(10):
                while not pair.ledger.is_settled():  # noqa: ASYNC110  what is waited for is another process
                    await asyncio.sleep(0.002)
            pair.ledger.close()
            assert pair.ledger.problems == []
        finally:
            pair.close()
