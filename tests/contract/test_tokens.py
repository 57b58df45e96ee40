"""Families of refresh tokens against real PostgreSQL: each works once, and a copy ends the family."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest

from domain.ids import uuid7
from domain.times import from_ms
from storage.postgres import Database
from storage.tokens import (
    REFRESH_TTL,
    REUSE_GRACE,
    FoundLogin,
    NewLogin,
    Refused,
    Reused,
    create_login,
    find_login,
    revoke_all_logins,
    revoke_login,
    rotate,
)
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)


def token(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


async def log_in(database: Database, user: str, number: int = 0) -> str:
    sid = uuid7(NOW_MS)
    await create_login(database, user, NewLogin(sid, token(number), NOW + REFRESH_TTL), NOW)
    return sid


async def test_a_chain_of_rotations(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    sid = await log_in(database, ana)
    for number in range(5):
        now = NOW + number * timedelta(days=6)
        assert await rotate(database, token(number), token(number + 1), now) == FoundLogin(ana, sid)
    assert await rotate(database, token(5), token(6), NOW + timedelta(days=24 + 7, seconds=1)) is Refused.EXPIRED
    assert await rotate(database, token(99), token(100), NOW) is Refused.UNKNOWN


async def test_concurrent_rotation_of_one_token_makes_one_successor(database: Database) -> None:
    users = await make_users(database, 20)
    for number, user in enumerate(users):
        sid = await log_in(database, user, number)
        outcomes = await asyncio.gather(*(rotate(database, token(number), token(1000 + number), NOW) for _ in range(8)))
        assert outcomes == [FoundLogin(user, sid)] * 8
    assert await database.fetchval("select count(*) from refresh_tokens") == 40
    assert await database.fetchval("select count(*) from token_families where revoked_at is not null") == 0


async def test_the_grace_ends_on_time(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    for user, base, late, expected in [
        (ana, 10, timedelta(0), "same"),
        (ben, 20, timedelta(milliseconds=1), "ended"),
    ]:
        sid = await log_in(database, user, base)
        await rotate(database, token(base), token(base + 1), NOW)
        outcome = await rotate(database, token(base), token(base + 1), NOW + REUSE_GRACE + late)
        assert outcome == (FoundLogin(user, sid) if expected == "same" else Reused(user, sid))
    assert await rotate(database, token(11), token(12), NOW) == FoundLogin(ana, await _sid(database, ana))
    assert await rotate(database, token(21), token(22), NOW) is Refused.REVOKED


async def test_a_used_successor_ends_the_grace(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    await log_in(database, ana)
    await rotate(database, token(0), token(1), NOW)
    await rotate(database, token(1), token(2), NOW)
    assert isinstance(await rotate(database, token(0), token(1), NOW), Reused)
    assert await rotate(database, token(2), token(3), NOW) is Refused.REVOKED
    assert await rotate(database, token(0), token(1), NOW) is Refused.REVOKED


async def test_a_thief_and_the_robbed_at_once_never_both_go_on(database: Database) -> None:
    """One brings the old token, the other its successor: whoever is first, the old one has become a copy."""
    for number, user in enumerate(await make_users(database, 20)):
        base = number * 10
        await log_in(database, user, base)
        await rotate(database, token(base), token(base + 1), NOW)
        late = NOW + REUSE_GRACE * 2
        old, new = await asyncio.gather(
            rotate(database, token(base), token(base + 1), late),
            rotate(database, token(base + 1), token(base + 2), late),
        )
        assert isinstance(old, Reused)
        assert new is Refused.REVOKED or isinstance(new, FoundLogin)
        assert await rotate(database, token(base + 2), token(base + 3), late) in {Refused.REVOKED, Refused.UNKNOWN}


async def test_refreshing_and_logging_out_at_once_leaves_nothing_that_refreshes(database: Database) -> None:
    for number, user in enumerate(await make_users(database, 20)):
        base = number * 10
        sid = await log_in(database, user, base)
        await asyncio.gather(
            rotate(database, token(base), token(base + 1), NOW), revoke_login(database, user, sid, NOW)
        )
        for offset in (0, 1):
            outcome = await rotate(database, token(base + offset), token(base + offset + 1), NOW)
            assert outcome in {Refused.REVOKED, Refused.UNKNOWN}


async def test_a_log_in_is_ended_by_its_owner_only(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    sids = [await log_in(database, ana, number) for number in range(3)]
    other = await log_in(database, ben, 9)
    assert await revoke_login(database, ben, sids[0], NOW) == []
    assert await revoke_login(database, ana, sids[0], NOW) == [sids[0]]
    assert await revoke_login(database, ana, sids[0], NOW) == []
    assert sorted(await revoke_all_logins(database, ana, NOW)) == sorted(sids[1:])
    assert await find_login(database, token(9)) == FoundLogin(ben, other)
    assert await find_login(database, token(8)) is None
    assert await rotate(database, token(9), token(10), NOW) == FoundLogin(ben, other)


async def test_nobody_refreshes_for_who_is_deleted(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    await log_in(database, ana)
    await database.execute("update users set deleted_at = now()")
    assert await rotate(database, token(0), token(1), NOW) is Refused.UNKNOWN


async def _sid(database: Database, user: str) -> str:
    return str(await database.fetchval("select id from token_families where user_id = $1", user))
