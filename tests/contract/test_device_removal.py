"""Dead tokens are removed, never many at once without an alarm: real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from storage.device_removal import FEW, WINDOW, DeadToken, Removal, remove
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.pushes import Clock, add_device, hash_of

pytestmark = pytest.mark.contract

MANY = 1_000  # of which 5 % are 50


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def add_many(database: Database, clock: Clock, count: int, provider: str = "fcm") -> list[DeadToken]:
    """So many devices, and what it takes to remove them."""
    (user,) = await make_users(database, 1)
    rows = await database.fetch(
        "insert into devices (id, user_id, provider, token, token_hash, name, registered_at, used_at)"
        " select gen_random_uuid(), $1, $2, '\\x00', sha256(convert_to($2 || s, 'UTF8')), 'Phone', $3, $3"
        " from generate_series(1, $4) s returning id, token_hash",
        user,
        provider,
        clock.now - timedelta(days=1),
        count,
    )
    return [DeadToken(str(row["id"]), row["token_hash"], clock.now) for row in rows]


async def left(database: Database, provider: str = "fcm") -> int:
    count: int = await database.fetchval("select count(*) from devices where provider = $1", provider)
    return count


async def test_only_the_token_that_failed_goes(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    dead, renewed, later, same, other = [await add_device(database, ana, clock.now, token=token) for token in "abcde"]
    apns = await add_device(database, ana, clock.now, "apns", token="f")
    moment = timedelta(milliseconds=1)
    tokens = [
        DeadToken(dead, hash_of("a"), clock.now + moment),
        DeadToken(renewed, hash_of("old"), clock.now + moment),
        DeadToken(later, hash_of("c"), clock.now - moment),
        DeadToken(same, hash_of("d"), clock.now),
        DeadToken(other, hash_of("a"), clock.now + moment),
        DeadToken(apns, hash_of("f"), clock.now + moment),
    ]
    assert await remove(database, "fcm", tokens, clock.now) == Removal(1, 0, is_alarming=True)
    rows = await database.fetch("select id from devices")
    assert {str(row["id"]) for row in rows} == {renewed, later, same, other, apns}
    assert await database.fetchval("select count(*) from removed_tokens where provider = 'fcm'") == 1
    assert await remove(database, "fcm", [], clock.now) == Removal(0, 0, is_alarming=False)


async def test_of_few_tokens_a_few_may_go_whatever_their_share(database: Database, clock: Clock) -> None:
    dead = await add_many(database, clock, FEW + 5)
    assert await remove(database, "fcm", dead[: FEW - 1], clock.now) == Removal(FEW - 1, 0, is_alarming=True)
    assert await remove(database, "fcm", dead[FEW - 1 :], clock.now) == Removal(1, 5, is_alarming=True)
    assert await left(database) == 5


async def test_one_in_twenty_may_go_in_five_minutes_over_all_calls(database: Database, clock: Clock) -> None:
    dead = await add_many(database, clock, MANY)
    start = clock.now
    removals: list[Removal] = []
    for first in range(0, 80, 20):
        clock.forward(60)
        removals.append(await remove(database, "fcm", dead[first : first + 20], clock.now))
    assert removals == [
        Removal(20, 0, is_alarming=False),
        Removal(20, 0, is_alarming=False),
        Removal(10, 10, is_alarming=True),
        Removal(0, 20, is_alarming=True),
    ]
    assert await left(database) == MANY - 50

    rest = dead[80:]
    clock.forward((start + WINDOW - clock.now).total_seconds() + 59.999)
    assert await remove(database, "fcm", rest[:20], clock.now) == Removal(0, 20, is_alarming=True)
    clock.forward(0.001)  # the first twenty are five minutes old
    assert (await remove(database, "fcm", rest[:20], clock.now)).removed in {18, 19}  # of what there is now
    assert await left(database) >= MANY - 50 - 19


async def test_many_at_once_are_held_back_but_for_the_share(database: Database, clock: Clock) -> None:
    dead = await add_many(database, clock, MANY)
    assert await remove(database, "fcm", dead, clock.now) == Removal(50, MANY - 50, is_alarming=True)
    clock.forward(WINDOW.total_seconds())
    assert await remove(database, "fcm", dead, clock.now) == Removal(47, MANY - 50 - 47, is_alarming=True)


async def test_providers_are_counted_apart(database: Database, clock: Clock) -> None:
    fcm = await add_many(database, clock, FEW + 1, "fcm")
    apns = await add_many(database, clock, FEW + 1, "apns")
    assert await remove(database, "fcm", fcm, clock.now) == Removal(FEW, 1, is_alarming=True)
    assert await remove(database, "apns", apns, clock.now) == Removal(FEW, 1, is_alarming=True)
    assert await remove(database, "fcm", apns, clock.now) == Removal(0, 0, is_alarming=False)
    assert (await left(database, "fcm"), await left(database, "apns")) == (1, 1)


async def test_workers_at_once_stay_within_one_share(database: Database, clock: Clock) -> None:
    dead = await add_many(database, clock, MANY)

    async def some(tokens: Sequence[DeadToken]) -> Removal:
        return await remove(database, "fcm", tokens, clock.now)

    removals = await asyncio.gather(*(some(dead[first : first + 20]) for first in range(0, 160, 20)))
    assert sum(removal.removed for removal in removals) == 50
    assert sum(removal.held_back for removal in removals) == 110
    assert await left(database) == MANY - 50


async def test_a_token_that_several_pushes_found_dead_counts_once(database: Database, clock: Clock) -> None:
    dead = await add_many(database, clock, FEW)
    again = [token for token in dead for _ in range(3)]
    assert await remove(database, "fcm", again, clock.now) == Removal(FEW, 0, is_alarming=True)


async def test_what_is_gone_already_takes_nobodys_place(database: Database, clock: Clock) -> None:
    """A verdict that is void must not hold back one that is not, and is no alarm."""
    dead = await add_many(database, clock, FEW + 5)
    await database.execute("delete from devices where id = any($1::uuid[])", [token.device for token in dead[:FEW]])
    assert await remove(database, "fcm", dead, clock.now) == Removal(5, 0, is_alarming=True)
