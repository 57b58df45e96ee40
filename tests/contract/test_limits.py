"""Counters against a real Valkey, with it and without it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from domain.errors import RateLimited
from storage import limits as module
from storage.limits import Limit, Limits, Spent, Towards
from storage.redis import RedisLink
from tests.support.servers import KillableServer

pytestmark = pytest.mark.contract

THREE = Limit("three", 3, 60_000)
SHORT = Limit("short", 1, 150)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[RedisLink]:
    link = RedisLink(redis_url)
    async with link:
        yield link


async def tries(limits: Limits, limit: Limit, subject: str, count: int) -> list[bool]:
    async def one() -> bool:
        try:
            await limits.take((limit, subject))
        except RateLimited as refused:
            waits.append(refused.retry_after_ms)
            return False
        return True

    waits: list[int] = []
    results = [await one() for _ in range(count)]
    assert all(0 < wait <= limit.window_ms for wait in waits)
    return results


async def test_nodes_count_together_and_subjects_apart(redis: RedisLink) -> None:
    one, other = Limits(redis, lambda: 0), Limits(redis, lambda: 0)
    assert await tries(one, THREE, "ana", 2) == [True, True]
    assert await tries(other, THREE, "ana", 2) == [True, False]
    assert await tries(one, THREE, "ben", 4) == [True, True, True, False]
    assert await tries(one, Limit("other", 1, 1_000), "ana", 1) == [True]


async def test_many_at_once_get_no_more_than_there_is(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    results = await asyncio.gather(*(limits.take((THREE, "ana")) for _ in range(30)), return_exceptions=True)
    assert sum(result is None for result in results) == 3


async def test_it_starts_over_by_itself(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    assert await tries(limits, SHORT, "ana", 2) == [True, False]
    while await redis.call("KEYS", "hugmood:limit:*"):
        pass  # the server's clock decides, and it is asked
    assert await tries(limits, SHORT, "ana", 2) == [True, False]


async def test_forgetting_starts_over(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    assert await tries(limits, THREE, "ana", 4) == [True, True, True, False]
    await limits.forget(THREE, "ana")
    assert await tries(limits, THREE, "ana", 1) == [True]


async def test_the_tighter_of_two_limits_refuses(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    wide = Limit("wide", 100, 60_000)
    for _ in range(3):
        await limits.take((wide, "office"), (THREE, "ana"))
    with pytest.raises(RateLimited):
        await limits.take((wide, "office"), (THREE, "ana"))
    await limits.take((wide, "office"), (THREE, "ben"))


async def test_keys_do_not_tell_whose_they_are_and_all_expire(redis: RedisLink) -> None:
    await Limits(redis, lambda: 0).take((THREE, "ana@example.org"))
    (key,) = await redis.call("KEYS", "*")
    assert b"ana" not in key
    assert 0 < await redis.call("PTTL", key) <= THREE.window_ms


async def test_off_means_off(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0, is_on=False)
    assert all(await tries(limits, THREE, "ana", 20))
    assert await redis.call("DBSIZE") == 0


async def test_without_redis_each_node_counts_by_itself(own_redis: Callable[[], KillableServer]) -> None:
    server = own_redis()
    now_ms = 1_000
    link = RedisLink(server.url)
    async with link:
        limits, other_node = Limits(link, lambda: now_ms), Limits(link, lambda: now_ms)
        assert await tries(limits, THREE, "ana", 1) == [True]
        server.kill()
        assert await tries(limits, THREE, "ana", 4) == [True, True, True, False]
        assert await tries(other_node, THREE, "ana", 4) == [True, True, True, False]
        now_ms += THREE.window_ms
        assert await tries(limits, THREE, "ana", 4) == [True, True, True, False]


async def test_counting_alone_has_bounded_memory(
    own_redis: Callable[[], KillableServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNTED_MAX", 100)
    server = own_redis()
    link = RedisLink(server.url)
    async with link:
        limits = Limits(link, lambda: 1_000)
        server.kill()
        for number in range(250):
            await limits.take((THREE, f"user {number}"))
        assert len(limits._local) <= 100


MINUTE, DAY, ALONE = Limit("minute", 3, 60_000), Limit("day", 5, 86_400_000), Limit("alone", 2, 3_600_000)


async def spend(limits: Limits, user: str, *uses: Towards) -> Spent:
    done: asyncio.Future[Spent] = asyncio.get_running_loop().create_future()
    limits.spend(user, uses, done.set_result)
    return await done


async def test_all_limits_of_a_try_count_or_none_does(redis: RedisLink) -> None:
    one, other = Limits(redis, lambda: 0), Limits(redis, lambda: 0)
    to_bo = ((MINUTE, ""), (DAY, ""), (ALONE, "bo"))
    for node in (one, other):
        assert (await spend(node, "ana", *to_bo)).waits_ms == [0, 0, 0]
    for _ in range(5):  # what is refused costs nothing
        minute, day, alone = (await spend(one, "ana", *to_bo)).waits_ms
        assert (minute, day) == (0, 0)
        assert 0 < alone <= ALONE.window_ms
    assert (await spend(other, "ana", (MINUTE, ""), (DAY, ""), (ALONE, "cleo"))).is_counted
    minute, day, alone = (await spend(one, "ana", *to_bo)).waits_ms
    assert 0 < minute <= MINUTE.window_ms
    assert (day, alone > 0) == (0, True)
    assert (await spend(one, "bo", *to_bo)).is_counted, "others have their own"
    assert (await spend(one, "ana")).is_counted, "no limits, no refusal"


async def test_many_at_once_are_counted_in_order_and_exactly(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    heard: list[tuple[int, bool]] = []
    full = asyncio.Event()

    def hear(number: int, spent: Spent) -> None:
        heard.append((number, spent.is_counted))
        if len(heard) == 20:
            full.set()

    for number in range(20):
        limits.spend("ana", [(MINUTE, "")], partial(hear, number))
    assert heard == [], "never before it returns"
    await full.wait()
    assert heard == [(number, number < 3) for number in range(20)]


async def test_what_is_given_back_can_be_spent_again(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    spents = [await spend(limits, "ana", (MINUTE, ""), (DAY, "")) for _ in range(3)]
    assert not (await spend(limits, "ana", (MINUTE, ""))).is_counted
    spents[0].give_back()
    assert (await spend(limits, "ana", (MINUTE, ""), (DAY, ""))).is_counted
    assert not (await spend(limits, "ana", (MINUTE, ""))).is_counted
    await redis.call("FLUSHALL")
    spents[1].give_back()
    assert await redis.call("DBSIZE") == 0, "what has run out is not owed"


async def test_the_wait_is_true(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    assert (await spend(limits, "ana", (SHORT, ""))).is_counted
    (wait_ms,) = (await spend(limits, "ana", (SHORT, ""))).waits_ms
    assert 0 < wait_ms <= SHORT.window_ms
    await asyncio.sleep(wait_ms / 1000 + 0.005)  # the promise is one about time
    assert (await spend(limits, "ana", (SHORT, ""))).is_counted


async def test_without_redis_spending_is_counted_here(own_redis: Callable[[], KillableServer]) -> None:
    server = own_redis()
    now_ms = 1_000
    link = RedisLink(server.url)
    async with link:
        limits, other_node = Limits(link, lambda: now_ms), Limits(link, lambda: now_ms)
        uses = ((MINUTE, ""), (ALONE, "bo"))
        assert (await spend(limits, "ana", *uses)).is_counted
        server.kill()
        for node in (limits, other_node):
            spents = [await spend(node, "ana", *uses) for _ in range(4)]
            assert [spent.is_counted for spent in spents] == [True, True, False, False]
            assert spents[2].waits_ms == [0, ALONE.window_ms]
            spents[0].give_back()
            assert (await spend(node, "ana", *uses)).is_counted
            assert (await spend(node, "ana", (MINUTE, ""), (ALONE, "cleo"))).is_counted
            assert (await spend(node, "ana", (MINUTE, ""), (ALONE, "cleo"))).waits_ms == [MINUTE.window_ms, 0]
        now_ms += MINUTE.window_ms
        assert (await spend(limits, "ana", (MINUTE, ""), (ALONE, "cleo"))).is_counted


async def test_a_refusal_by_redis_itself_is_not_the_senders_fault(redis: RedisLink) -> None:
    limits = Limits(redis, lambda: 0)
    await redis.call("LPUSH", "hugmood:limit:minute:{ana}:", "not a count")
    assert [(await spend(limits, "ana", (MINUTE, ""))).is_counted for _ in range(4)] == [True, True, True, False]
