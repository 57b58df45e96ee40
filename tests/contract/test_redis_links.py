"""The links against a real Valkey: order, refusal, loss, and a server that is there but says nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.errors import Unavailable
from protocol.nodes import NodeMail, Ring, Tell
from storage.doorbell import Doorbell, Listener
from storage.redis import RedisLink, RedisSubscriber

pytestmark = pytest.mark.contract


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisLink]:
    async with RedisLink(redis_url) as redis:
        yield redis


async def test_replies_come_in_order_whoever_asks(redis: RedisLink) -> None:
    calls = [redis.call("INCR", "n") for _ in range(100)]
    pipelines = [redis.pipeline([("INCR", "n"), ("GET", "n")]) for _ in range(100)]
    redis.post("INCR", "n")
    assert await asyncio.gather(*calls) == list(range(1, 101))
    assert await asyncio.gather(*pipelines) == [[n, str(n).encode()] for n in range(101, 201)]
    assert await redis.call("GET", "n") == b"201"


async def test_a_refused_command_disturbs_no_other(redis: RedisLink) -> None:
    before, wrong, after = redis.call("SET", "k", "v"), redis.call("LPUSH", "k", "x"), redis.call("GET", "k")
    assert await before == b"OK"
    with pytest.raises(RuntimeError, match="WRONGTYPE"):
        await wrong
    assert await after == b"v"


async def test_what_cannot_be_packed_is_the_callers_fault_alone(redis: RedisLink) -> None:
    with pytest.raises(TypeError):
        redis.call("SET", "k", None)  # type: ignore[arg-type]
    assert await redis.call("PING") == b"PONG"


async def test_a_lost_connection_fails_what_waits_and_comes_back(redis: RedisLink) -> None:
    back = asyncio.Event()
    redis.on_connect.append(back.set)
    waiting = redis.call("BLPOP", "nothing", 0)
    await asyncio.sleep(0)
    redis.drop("test")
    with pytest.raises(Unavailable):
        await waiting
    with pytest.raises(Unavailable):
        await redis.call("PING")
    await back.wait()
    assert await redis.call("PING") == b"PONG"


async def test_a_silent_server_is_given_up(redis: RedisLink) -> None:
    with pytest.raises(Unavailable):
        await redis.call("BLPOP", "nothing", 0)


async def test_nobody_there_is_unavailable_not_an_error(unused_tcp_port: int) -> None:
    async with RedisLink(f"redis://127.0.0.1:{unused_tcp_port}") as redis:
        with pytest.raises(Unavailable):
            await redis.call("PING")
        redis.post("PING")


async def test_a_subscriber_hears_again_after_a_loss(redis: RedisLink, redis_url: str) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    back = asyncio.Event()
    async with RedisSubscriber(redis_url, lambda _channel, payload: heard.put_nowait(payload)) as subscriber:
        subscriber.subscribe("room")
        await _until_subscribed(redis, "room")
        redis.post("PUBLISH", "room", "one")
        assert await heard.get() == b"one"
        subscriber.on_connect.append(back.set)
        subscriber.drop("test")
        await back.wait()
        await _until_subscribed(redis, "room")
        redis.post("PUBLISH", "room", "two")
        assert await heard.get() == b"two"


async def test_mail_of_one_tick_comes_as_one(redis: RedisLink, redis_url: str) -> None:
    mails: asyncio.Queue[NodeMail] = asyncio.Queue()
    async with Listener(redis_url, redis, "here") as listener:
        listener.on_mail = mails.put_nowait
        await _until_subscribed(redis, "hugmood:node:{here}")
        doorbell = Doorbell(redis, "there")
        doorbell.ring("here", Ring("ana", 1, b"{}"))
        doorbell.ring("here", Ring("ana", 2, b"{}"))
        doorbell.tell("here", Tell(["bo"], b"{}", "session"))
        doorbell.forget("here", "ana", "bo")
        mail = await mails.get()
    assert [ring.seq for ring in mail.rings] == [1, 2]
    assert mail.tells == [Tell(["bo"], b"{}", "session")]
    assert mail.forget == [("ana", "bo")]
    assert mails.empty()


async def _until_subscribed(redis: RedisLink, channel: str) -> None:
    while True:
        _, count = await redis.call("PUBSUB", "NUMSUB", channel)
        if count:
            return
