"""What a worker tells reaches the nodes that hold its users, each once, and a Redis that is away stops nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from domain.presence import Rank
from protocol.codec import encode_body
from protocol.events import RequestExpired
from protocol.nodes import Ring, Tell, decode_mail
from storage import keys
from storage.directory import Directory
from storage.doorbell import Doorbell
from storage.inbox import InboxEvent
from storage.redis import RedisLink, RedisSubscriber
from storage.ringing import Ringing
from tests.support.servers import KillableServer

pytestmark = pytest.mark.contract

ANA, BEN = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11", "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b12"
TOLD = RequestExpired(at="2026-01-31T12:00:00.000Z", id=ANA, state="expired")


def ringing(link: RedisLink) -> Ringing:
    return Ringing(Directory(link, "worker"), Doorbell(link, "worker"))


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[RedisLink]:
    async with RedisLink(redis_url) as link:
        yield link


async def test_each_node_hears_of_its_own_users_and_no_others(link: RedisLink, redis_url: str) -> None:
    await Directory(link, "one").enter({ANA: Rank.ONLINE})
    await Directory(link, "two").enter({ANA: Rank.AWAY, BEN: Rank.ONLINE})
    heard: asyncio.Queue[tuple[str, Ring | Tell]] = asyncio.Queue()

    def listener(node: str) -> RedisSubscriber:
        def receive(_channel: bytes, data: bytes) -> None:
            mail = decode_mail(data)
            for each in (*mail.rings, *mail.tells):
                heard.put_nowait((node, each))

        subscriber = RedisSubscriber(redis_url, receive)
        subscriber.subscribe(keys.node_channel(node))
        return subscriber

    async with AsyncExitStack() as stack:
        for node in ("one", "two"):
            await stack.enter_async_context(listener(node))
        worker = ringing(link)
        await worker.ring([InboxEvent(ANA, 1, b"a"), InboxEvent(BEN, 7, b"b"), InboxEvent("nobody", 1, b"c")])
        await worker.tell([BEN, BEN, "nobody"], TOLD)
        await worker.tell([ANA], TOLD)  # the last one: who has heard it has heard everything
        async with asyncio.timeout(10):
            told = [await heard.get() for _ in range(6)]
    body = encode_body(TOLD)
    assert [each for node, each in told if node == "one"] == [Ring(ANA, 1, b"a"), Tell([ANA], body)]
    assert [each for node, each in told if node == "two"] == [
        Ring(ANA, 1, b"a"),
        Ring(BEN, 7, b"b"),
        Tell([BEN], body),
        Tell([ANA], body),
    ]
    assert heard.empty()


async def test_without_redis_nothing_is_told_and_nothing_fails(own_redis: Callable[[], KillableServer]) -> None:
    server = own_redis()
    async with RedisLink(server.url) as link:
        worker = ringing(link)
        server.kill()
        await worker.ring([InboxEvent(ANA, 1, b"{}")])
        await worker.tell([ANA], TOLD)
