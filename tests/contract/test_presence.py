"""Directory and presence against a real Valkey: merged over nodes, told once, found after any loss."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from domain.presence import CHANGE_GAP_MS, OFFLINE_GRACE_MS, Rank
from domain.privacy import Audience
from domain.times import rfc3339
from protocol.nodes import Sight
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.postgres import Database
from storage.presence import Presence
from storage.privacy import save_privacy
from storage.redis import RedisLink
from tests.support.people import NOW_MS, befriend, make_users

pytestmark = pytest.mark.contract


class NodeUnderTest:
    """What a hub has of directory and presence, without the hub."""

    def __init__(self, name: str, redis: RedisLink, database: Database) -> None:
        self.sights: list[Sight] = []
        self.directory = Directory(redis, name)
        self.presence = Presence(redis, database, self.directory, Doorbell(redis, name), self.sights.append)


class Cluster:
    """Two nodes on one Valkey and one database."""

    def __init__(self, redis: RedisLink, database: Database) -> None:
        self.redis = redis
        self.database = database
        self.one = NodeUnderTest("one", redis, database)
        self.two = NodeUnderTest("two", redis, database)


@pytest.fixture
async def cluster(redis_url: str, database_url: str) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(RedisLink(redis_url))
        yield Cluster(redis, await stack.enter_async_context(Database(database_url)))


async def test_a_change_is_told_once_whoever_looks(cluster: Cluster) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await befriend(cluster.database, [ana, bo])
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    assert await cluster.one.presence.announce([ana], NOW_MS) == {}
    assert await cluster.two.presence.announce([ana], NOW_MS) == {}
    assert [(sight.user, sight.status, sight.friends) for sight in cluster.one.sights] == [(ana, "online", [bo])]
    assert cluster.two.sights == []
    assert await cluster.two.presence.shown([ana, bo]) == {ana: "online"}


async def test_the_strongest_device_wins_over_all_nodes(cluster: Cluster) -> None:
    [ana] = await make_users(cluster.database, 1)
    await cluster.one.directory.enter({ana: Rank.AWAY})
    await cluster.two.directory.enter({ana: Rank.DO_NOT_DISTURB})
    await cluster.one.presence.announce([ana], NOW_MS)
    assert await cluster.one.presence.shown([ana]) == {ana: "do_not_disturb"}
    await cluster.one.directory.enter({ana: Rank.INVISIBLE})
    await cluster.one.presence.announce([ana], NOW_MS + CHANGE_GAP_MS)
    assert await cluster.two.presence.shown([ana]) == {}


async def test_changes_wait_for_the_gap_and_the_last_one_wins(cluster: Cluster) -> None:
    [ana] = await make_users(cluster.database, 1)
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    await cluster.one.presence.announce([ana], NOW_MS)
    await cluster.one.directory.enter({ana: Rank.AWAY})
    assert await cluster.one.presence.announce([ana], NOW_MS + 1_000) == {ana: CHANGE_GAP_MS - 1_000}
    assert await cluster.one.presence.shown([ana]) == {ana: "online"}
    await cluster.one.directory.enter({ana: Rank.DO_NOT_DISTURB})
    assert await cluster.one.presence.announce([ana], NOW_MS + CHANGE_GAP_MS) == {}
    assert await cluster.one.presence.shown([ana]) == {ana: "do_not_disturb"}


async def test_offline_is_told_only_after_the_grace(cluster: Cluster) -> None:
    [ana] = await make_users(cluster.database, 1)
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    await cluster.one.presence.announce([ana], NOW_MS)
    await cluster.one.directory.leave([ana])
    later = NOW_MS + 10 * CHANGE_GAP_MS
    wait = (await cluster.two.presence.announce([ana], later))[ana]
    assert 0 < wait <= OFFLINE_GRACE_MS
    assert await cluster.two.presence.shown([ana]) == {ana: "online"}
    await cluster.redis.call("DEL", keys.gone(ana))  # the grace is over
    assert await cluster.two.presence.announce([ana], later) == {}
    assert await cluster.two.presence.shown([ana]) == {}


async def test_a_dead_node_is_swept_by_one(cluster: Cluster) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await cluster.one.directory.renew()
    await cluster.two.directory.renew()
    await cluster.one.directory.enter({ana: Rank.ONLINE, bo: Rank.ONLINE})
    await cluster.two.directory.enter({bo: Rank.ONLINE})
    assert await cluster.two.directory.sweep() == {}
    await cluster.redis.call("DEL", keys.lease("one"))
    assert {node: sorted(users) for node, users in (await cluster.two.directory.sweep()).items()} == {"one": [ana, bo]}
    assert await cluster.two.directory.sweep() == {}, "somebody has claimed it"
    assert await Directory(cluster.redis, "three").nodes_of([ana, bo]) == {bo: ["two"]}
    await cluster.two.directory.forget_node("one")
    assert await cluster.one.directory.nodes() == ["two"]


async def test_an_emptied_server_is_noticed(cluster: Cluster) -> None:
    assert await cluster.one.directory.renew()
    assert await cluster.one.directory.renew()
    await cluster.redis.call("FLUSHALL")
    assert not await cluster.one.directory.renew()
    assert await cluster.one.directory.renew()


async def go_offline(cluster: Cluster, user: str, at_ms: int) -> None:
    await cluster.one.directory.leave([user])
    await cluster.redis.call("DEL", keys.gone(user))  # the grace is over
    await cluster.one.presence.announce([user], at_ms)


async def test_last_seen_is_when_friends_were_told(cluster: Cluster) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await befriend(cluster.database, [ana, bo])
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    await cluster.one.presence.announce([ana], NOW_MS)
    await go_offline(cluster, ana, NOW_MS + CHANGE_GAP_MS)
    at = rfc3339(NOW_MS + CHANGE_GAP_MS)
    assert [(sight.status, sight.last_seen) for sight in cluster.one.sights] == [("online", None), ("offline", at)]
    await cluster.one.presence.show_pair(ana, bo, are_friends=True)
    await cluster.one.presence.show_anew(ana)
    sights = [(sight.user, sight.status, sight.last_seen) for sight in cluster.one.sights[2:]]
    assert sorted(sights[:2]) == sorted([(ana, "offline", at), (bo, "offline", None)]), "nobody has ever seen Bo"
    assert sights[2:] == [(ana, "offline", at)]
    await cluster.one.presence.show_pair(ana, bo, are_friends=False)
    assert {sight.last_seen for sight in cluster.one.sights[5:]} == {None}


async def test_who_turns_invisible_was_last_seen_then(cluster: Cluster) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await befriend(cluster.database, [ana, bo])
    for number, rank in enumerate((Rank.ONLINE, Rank.INVISIBLE)):
        await cluster.one.directory.enter({ana: rank})
        await cluster.one.presence.announce([ana], NOW_MS + number * CHANGE_GAP_MS)
    await go_offline(cluster, ana, NOW_MS + 5 * CHANGE_GAP_MS)
    assert len(cluster.one.sights) == 2, "that somebody invisible goes is told to nobody"
    await cluster.one.presence.show_anew(ana)
    assert cluster.one.sights[2].last_seen == cluster.one.sights[1].last_seen == rfc3339(NOW_MS + CHANGE_GAP_MS)


@pytest.mark.parametrize("question", ["who_sees_activity", "who_sees_online"])
async def test_last_seen_is_told_only_where_it_may_be(cluster: Cluster, question: str) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await befriend(cluster.database, [ana, bo])
    await save_privacy(cluster.database, ana, {question: Audience.NOBODY})
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    await cluster.one.presence.announce([ana], NOW_MS)
    await go_offline(cluster, ana, NOW_MS + CHANGE_GAP_MS)
    await cluster.one.presence.show_pair(ana, bo, are_friends=True)
    await cluster.one.presence.show_anew(ana)
    assert {sight.last_seen for sight in cluster.one.sights} == {None}
    await save_privacy(cluster.database, ana, {question: Audience.FRIENDS})
    await cluster.one.presence.show_anew(ana)
    assert cluster.one.sights[-1].last_seen == rfc3339(NOW_MS + CHANGE_GAP_MS), "it was kept"


async def test_nobody_sees_who_hides(cluster: Cluster) -> None:
    ana, bo = await make_users(cluster.database, 2)
    await befriend(cluster.database, [ana, bo])
    await cluster.database.execute(
        "insert into privacy (user_id, who_may_hug, who_sees_online, who_finds, who_befriends)"
        " values ($1, 'friends', 'nobody', 'everyone', 'everyone')",
        ana,
    )
    await cluster.one.directory.enter({ana: Rank.ONLINE})
    await cluster.one.presence.announce([ana], NOW_MS)
    assert cluster.one.sights == []
    await cluster.one.presence.show_pair(ana, bo, are_friends=True)
    assert {(sight.user, sight.status) for sight in cluster.one.sights} == {(ana, "offline"), (bo, "offline")}
