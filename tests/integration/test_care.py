"""The housekeeping jobs against real servers: what a dead node left is taken away and told, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from domain.ids import uuid7
from domain.presence import CHANGE_GAP_MS, Rank
from domain.times import to_ms
from protocol.nodes import NodeMail, Sight, decode_mail, encode_mail
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.postgres import Database
from storage.presence import Presence
from storage.redis import RedisLink, RedisSubscriber
from workers.care import Care

pytestmark = pytest.mark.integration


def now_ms() -> int:
    return to_ms(datetime.now(UTC))


class Stage:
    """Ana was on the node `dead`; Ben, her friend, is on the node `alive` and listens."""

    def __init__(self, database_url: str, database: Database, link: RedisLink) -> None:
        self.database_url = database_url
        self.database = database
        self.link = link
        self.ana, self.ben = sorted(uuid7(now_ms()) for _ in range(2))
        self.dead, self.alive = Directory(link, "dead"), Directory(link, "alive")
        self.sights: asyncio.Queue[Sight] = asyncio.Queue()

    def hear(self, _channel: bytes, payload: bytes) -> None:
        for sight in decode_mail(payload).sights:
            self.sights.put_nowait(sight)

    def care(self, name: str) -> Care:
        directory = Directory(self.link, name)
        presence = Presence(self.link, self.database, directory, Doorbell(self.link, name), lambda _sight: None)
        return Care(self.database_url, self.database, directory, presence)

    async def prepare(self) -> None:
        for user in (self.ana, self.ben):
            await self.database.execute(
                "insert into users (id, is_anonymous, created_at) values ($1, true, now())", user
            )
        await self.database.execute(
            "insert into friendships (low_id, high_id, state, requested_by, changed_at)"
            " values ($1, $2, 'accepted', $1, now())",
            self.ana,
            self.ben,
        )
        await self.dead.renew()
        await self.alive.renew()
        await self.dead.enter({self.ana: Rank.ONLINE})
        await self.alive.enter({self.ben: Rank.ONLINE})
        # Ana came long enough ago for the next change to be told at once.
        await self.link.call("SET", keys.told(self.ana), f"{int(Rank.ONLINE)}:{now_ms() - CHANGE_GAP_MS - 1}")

    async def next_sight(self) -> Sight:
        async with asyncio.timeout(10):
            return await self.sights.get()

    async def is_silent(self) -> bool:
        """Nothing was published for Ben before a mark that is published now."""
        mark = encode_mail(NodeMail(sights=[Sight("mark", "online", None, [])]))
        await self.link.call("PUBLISH", keys.node_channel("alive"), mark)
        return (await self.next_sight()).user == "mark"

    async def kill(self) -> None:
        await self.link.call("DEL", keys.lease("dead"))


@pytest.fixture
async def stage(database_url: str, redis_url: str) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        link = RedisLink(redis_url)
        await stack.enter_async_context(link)
        one = Stage(database_url, database, link)
        subscriber = RedisSubscriber(redis_url, one.hear)
        subscriber.subscribe(keys.node_channel("alive"))
        await stack.enter_async_context(subscriber)
        await one.prepare()
        yield one


async def test_a_living_node_is_left_alone(stage: Stage) -> None:
    await stage.care("worker").sweep_nodes()
    assert await stage.alive.nodes_of([stage.ana]) == {stage.ana: ["dead"]}


async def test_friends_hear_once_of_who_was_on_a_dead_node(stage: Stage) -> None:
    await stage.kill()
    await asyncio.gather(*(stage.care(f"worker-{number}").sweep_nodes() for number in range(4)))
    sight = await stage.next_sight()
    assert (sight.user, sight.status, sight.friends) == (stage.ana, "offline", [stage.ben])
    assert await stage.alive.nodes_of([stage.ana]) == {}
    assert await stage.link.call("SMEMBERS", keys.NODES) == [b"alive"]
    await stage.care("worker").sweep_nodes()
    assert await stage.is_silent()


async def test_who_is_elsewhere_too_is_not_announced_gone(stage: Stage) -> None:
    await stage.alive.enter({stage.ana: Rank.ONLINE})
    await stage.kill()
    await stage.care("worker").sweep_nodes()
    assert await stage.dead.nodes_of([stage.ana]) == {stage.ana: ["alive"]}
    assert await stage.is_silent()


async def test_the_other_jobs_run_twice_without_harm(stage: Stage) -> None:
    care = stage.care("worker")
    for _ in range(2):
        await care.delete_expired()
        await care.tend_inbox()
        await care.tend_moods()
