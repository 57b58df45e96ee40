"""Who hugs whom in `hugmood loadtest push`."""

from argparse import Namespace

import pytest

from deploy.people import ring_offsets
from loadtest.clients.people import Person
from loadtest.scenarios.push import EACH, Push

pytestmark = pytest.mark.unit


def ring(count: int) -> list[Person]:
    """As `hugmood people make` makes them."""
    offsets = ring_offsets(count, EACH)
    return [
        Person(str(place), "token", [str((place + offset) % count) for offset in offsets]) for place in range(count)
    ]


@pytest.mark.parametrize("pushes", [1, 20, 21, 400, 1_000])
def test_each_sender_has_friends_of_their_own(pushes: int) -> None:
    scenario = Push(Namespace(provider="apns", pushes=pushes))
    count = scenario.people() + scenario.people() % 2  # an even number is made
    chosen = scenario.choose(ring(count))
    assert len(chosen) == len({person.id for person in chosen}) == scenario.people()
    for share in scenario.share(chosen, 2):
        for start in range(0, len(share), EACH + 1):
            sender, *friends = share[start : start + EACH + 1]
            assert len(friends) == EACH
            assert {friend.id for friend in friends} <= set(sender.friends)


def test_people_with_too_few_friends_are_no_use() -> None:
    lonely = [Person(str(number), "token") for number in range(100)]
    with pytest.raises(ValueError, match="only 0 of 42 people"):
        Push(Namespace(provider="apns", pushes=20)).choose(lonely)


async def test_the_server_must_be_started_here() -> None:
    with pytest.raises(ValueError, match="wants --up"):
        Push(Namespace(provider="apns", pushes=20))._running_sink()
