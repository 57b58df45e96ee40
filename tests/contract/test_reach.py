"""Who can be reached by a socket, against a real Valkey that may be emptied or away."""

from collections.abc import AsyncIterator, Callable

import pytest

from domain.notifications import Presence
from domain.presence import Rank
from storage import keys
from storage.directory import WATCH_GAP_MS, Directory
from storage.reach import SURE_AFTER_MS, UNSURE_GAP_MS, Reach
from storage.redis import RedisLink
from tests.support.people import NOW_MS
from tests.support.servers import KillableServer, flush

pytestmark = pytest.mark.contract

SURE_MS = NOW_MS + SURE_AFTER_MS
OFFLINE, CONNECTED, DND = Presence.OFFLINE, Presence.CONNECTED, Presence.DO_NOT_DISTURB


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisLink]:
    async with RedisLink(redis_url) as redis:
        yield redis


@pytest.fixture
async def reach(redis: RedisLink) -> Reach:
    """As of a worker that has watched for long enough at `SURE_MS`."""
    reach = Reach(redis, Directory(redis, "worker"))
    assert await reach.presence(["ana"], NOW_MS) == {"ana": Presence.UNKNOWN}
    return reach


async def node(redis: RedisLink, name: str, **ranks: Rank) -> Directory:
    """A node that lives, and holds these."""
    directory = Directory(redis, name)
    await directory.renew()
    await directory.enter(ranks)
    return directory


@pytest.mark.parametrize(
    ("rank", "presence"),
    [
        (Rank.ONLINE, CONNECTED),
        (Rank.AWAY, CONNECTED),
        (Rank.INVISIBLE, CONNECTED),
        (Rank.DO_NOT_DISTURB, DND),
    ],
)
async def test_by_their_own_status(redis: RedisLink, reach: Reach, rank: Rank, presence: Presence) -> None:
    await node(redis, "one", ana=rank)
    assert await reach.presence(["ana", "bo"], SURE_MS) == {"ana": presence, "bo": OFFLINE}


@pytest.mark.parametrize("other", [Rank.AWAY, Rank.ONLINE, Rank.INVISIBLE])
async def test_one_device_that_is_not_to_be_disturbed_is_enough(redis: RedisLink, reach: Reach, other: Rank) -> None:
    await node(redis, "one", ana=Rank.DO_NOT_DISTURB, bo=other)
    await node(redis, "two", ana=other, bo=Rank.DO_NOT_DISTURB)
    assert await reach.presence(["ana", "bo"], SURE_MS) == {"ana": DND, "bo": DND}


async def test_who_was_on_a_node_that_is_dead_is_away(redis: RedisLink, reach: Reach) -> None:
    await node(redis, "dead", ana=Rank.DO_NOT_DISTURB, bo=Rank.ONLINE)
    await node(redis, "alive", ana=Rank.ONLINE)
    await redis.call("DEL", keys.lease("dead"))
    assert await reach.presence(["ana", "bo"], SURE_MS) == {"ana": CONNECTED, "bo": OFFLINE}


async def test_a_node_that_never_had_a_lease_is_dead(redis: RedisLink, reach: Reach) -> None:
    await Directory(redis, "late").enter({"ana": Rank.ONLINE})
    assert await reach.presence(["ana"], SURE_MS) == {"ana": OFFLINE}


async def test_who_has_left_is_away(redis: RedisLink, reach: Reach) -> None:
    one = await node(redis, "one", ana=Rank.ONLINE)
    await node(redis, "two", bo=Rank.ONLINE)
    await one.leave(["ana"])
    assert await reach.presence(["ana", "bo"], SURE_MS) == {"ana": OFFLINE, "bo": CONNECTED}


async def test_nobody_is_sure_until_redis_was_watched_for_long_enough(redis: RedisLink, reach: Reach) -> None:
    await node(redis, "one", ana=Rank.ONLINE)
    assert await reach.presence(["ana"], SURE_MS - 1) == {"ana": Presence.UNKNOWN}
    assert await reach.presence(["ana", "bo"], SURE_MS) == {"ana": CONNECTED, "bo": OFFLINE}
    ttl = await redis.call("PTTL", keys.WATCHED)
    assert 0 < ttl <= WATCH_GAP_MS


async def test_nobody_is_sure_after_redis_was_emptied(redis: RedisLink, reach: Reach, redis_url: str) -> None:
    await node(redis, "one", ana=Rank.DO_NOT_DISTURB)
    assert await reach.presence(["ana"], SURE_MS) == {"ana": DND}
    flush(redis_url)
    for ms in (SURE_MS + 1, SURE_MS + SURE_AFTER_MS):
        assert await reach.presence(["ana", "bo"], ms) == dict.fromkeys(["ana", "bo"], Presence.UNKNOWN)
    await node(redis, "one", ana=Rank.DO_NOT_DISTURB)
    assert await reach.presence(["ana"], SURE_MS + 1 + SURE_AFTER_MS) == {"ana": DND}


async def test_asked_about_nobody(reach: Reach) -> None:
    assert await reach.presence([], SURE_MS) == {}


async def test_nobody_is_sure_while_redis_is_away(own_redis: Callable[[], KillableServer]) -> None:
    server = own_redis()
    async with RedisLink(server.url) as redis:
        reach = Reach(redis, Directory(redis, "worker"))
        await reach.presence(["ana"], NOW_MS)
        await node(redis, "one", ana=Rank.ONLINE)
        assert await reach.presence(["ana"], SURE_MS) == {"ana": CONNECTED}
        server.kill()
        assert await reach.presence(["ana", "bo"], SURE_MS) == dict.fromkeys(["ana", "bo"], Presence.UNKNOWN)
        assert await reach.presence([], SURE_MS) == {}


async def test_since_when_nobody_is_sure(redis: RedisLink, reach: Reach, redis_url: str) -> None:
    assert reach.unsure_since_ms == NOW_MS
    await reach.presence(["ana"], SURE_MS - 1)
    assert reach.unsure_since_ms == NOW_MS
    await reach.presence(["ana"], SURE_MS)
    assert reach.unsure_since_ms is None
    emptied_ms = SURE_MS + 60_000
    for later_ms in (0, UNSURE_GAP_MS):
        flush(redis_url)
        await reach.presence(["ana"], emptied_ms + later_ms)
        assert reach.unsure_since_ms == emptied_ms
    flush(redis_url)
    again_ms = emptied_ms + 2 * UNSURE_GAP_MS + 1
    await reach.presence(["ana"], again_ms)
    assert reach.unsure_since_ms == again_ms, "nobody has asked for so long that it is another time"
