"""Devices, against real PostgreSQL: whose a token is, what a log-out takes along, and how many there are."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from domain.devices import DEVICES_MAX
from domain.errors import Unauthenticated, Unavailable
from domain.ids import uuid7
from domain.times import from_ms
from storage.devices import TOKEN, DeviceRecord, Registration, delete_device, hash_token, load_devices, save_device
from storage.encryption import KeyRing
from storage.postgres import Database
from storage.tokens import NewLogin, Reused, create_login, revoke_all_logins, revoke_login, rotate
from tests.support.keys import KEY
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

RING = KeyRing([KEY])
NOW = from_ms(NOW_MS)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


def hashed(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def log_in(database: Database, user: str) -> str:
    sid = uuid7(NOW_MS)
    await create_login(database, user, NewLogin(sid, hashed(sid), NOW + timedelta(days=7)), NOW)
    return sid


async def register(
    database: Database, user: str, sid: str, token: str, at: datetime = NOW, name: str | None = None
) -> DeviceRecord:
    registration = Registration(
        user=user,
        sid=sid,
        provider="fcm",
        token=token,
        token_hash=hash_token(b"key", token),
        name=name,
        usual_name="Phone",
        language="en",
    )
    return await save_device(database, RING, registration, at)


async def tokens(database: Database, user: str) -> list[str]:
    rows = await database.fetch("select id, token from devices where user_id = $1", user)
    return sorted(RING.open(row["token"], *TOKEN, str(row["id"])) for row in rows)


async def test_the_same_token_again_is_the_same_device(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    sid = await log_in(database, ana)
    first = await register(database, ana, sid, "token")
    assert (first.name, first.registered_ms, first.used_ms) == ("Phone", NOW_MS, NOW_MS)
    renamed = await register(database, ana, sid, "token", NOW + timedelta(hours=1), "My phone")
    assert (renamed.id, renamed.registered_ms, renamed.used_ms) == (first.id, NOW_MS, NOW_MS + 3_600_000)
    assert (await register(database, ana, sid, "token", NOW + timedelta(hours=2))).name == "My phone"
    assert await tokens(database, ana) == ["token"]
    assert len(await load_devices(database, ana)) == 1


async def test_a_token_moves_to_who_registered_it_last(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    of_ana, of_ben = await log_in(database, ana), await log_in(database, ben)
    first = await register(database, ana, of_ana, "token", name="Ana's own")
    moved = await register(database, ben, of_ben, "token", NOW + timedelta(hours=1))
    assert moved.id != first.id, "what is on its way to the former one must not reach it"
    assert (moved.name, moved.registered_ms) == ("Phone", NOW_MS + 3_600_000)
    assert await load_devices(database, ana) == []
    assert await tokens(database, ben) == ["token"]
    await delete_device(database, ana, moved.id)
    assert await tokens(database, ben) == ["token"]


async def test_the_same_token_at_once_is_one_device(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    logins = {user: await log_in(database, user) for user in (ana, ben)}
    found = await asyncio.gather(*(register(database, ana, logins[ana], "token") for _ in range(8)))
    assert len({device.id for device in found}) == 1

    async def try_to(user: str) -> bool:
        try:
            await register(database, user, logins[user], "token")
        except Unavailable:
            return False
        return True

    for _ in range(5):
        came = await asyncio.gather(*(try_to(user) for user in (ana, ben) for _ in range(4)))
        assert any(came)
        assert len(await tokens(database, ana) + await tokens(database, ben)) == 1


async def test_of_too_many_the_one_longest_unused_goes(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    sid = await log_in(database, ana)
    await register(database, ben, await log_in(database, ben), "of Ben", NOW - timedelta(days=9))
    for number in range(DEVICES_MAX):
        await register(database, ana, sid, f"token {number}", NOW + timedelta(minutes=number))
    await register(database, ana, sid, "token 0", NOW + timedelta(hours=1))
    assert len(await tokens(database, ana)) == DEVICES_MAX
    await register(database, ana, sid, "one more", NOW + timedelta(hours=2))
    left = await tokens(database, ana)
    assert len(left) == DEVICES_MAX
    assert {"token 0", "one more"} <= set(left)
    assert "token 1" not in left
    many = [f"at once {number}" for number in range(30)]
    await asyncio.gather(*(register(database, ana, sid, token, NOW + timedelta(hours=3)) for token in many))
    assert len(await tokens(database, ana)) == DEVICES_MAX
    assert await tokens(database, ben) == ["of Ben"]


async def test_who_logs_out_takes_the_devices_of_that_log_in_along(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    phone, tablet, other = await log_in(database, ana), await log_in(database, ana), await log_in(database, ben)
    await register(database, ana, phone, "phone")
    await register(database, ana, tablet, "tablet")
    await register(database, ben, other, "of Ben")
    assert await revoke_login(database, ben, phone, NOW) == []
    assert await revoke_login(database, ana, phone, NOW) == [phone]
    assert await tokens(database, ana) == ["tablet"]
    with pytest.raises(Unauthenticated):
        await register(database, ana, phone, "phone")
    await register(database, ana, tablet, "phone")
    await database.execute("delete from token_families where id = $1", tablet)
    assert await tokens(database, ana) == ["phone", "tablet"], "who stays away for weeks is still told"
    await revoke_all_logins(database, ana, NOW)
    assert await tokens(database, ana) == []
    assert await tokens(database, ben) == ["of Ben"]


async def test_a_device_that_came_by_a_stolen_log_in_goes_with_it(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    sid = await log_in(database, ana)
    await register(database, ana, sid, "of the thief")
    await rotate(database, hashed(sid), hashed("next"), NOW)
    late = NOW + timedelta(minutes=1)
    assert isinstance(await rotate(database, hashed(sid), hashed("next"), late), Reused)
    assert await tokens(database, ana) == []


async def test_no_device_slips_past_a_log_out(database: Database) -> None:
    (ana,) = await make_users(database, 1)

    async def try_to(sid: str, token: str) -> None:
        with suppress(Unauthenticated):
            await register(database, ana, sid, token)

    for round_ in range(20):
        sid = await log_in(database, ana)
        await asyncio.gather(
            *(try_to(sid, f"{round_} {number}") for number in range(3)), revoke_login(database, ana, sid, NOW)
        )
        assert await tokens(database, ana) == []


async def test_tokens_are_nowhere_in_the_clear(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    await register(database, ana, await log_in(database, ana), "a token in the clear")
    row = await database.fetchrow("select token, token_hash from devices")
    assert row is not None
    assert b"in the clear" not in row["token"]
    assert row["token_hash"] == hash_token(b"key", "a token in the clear") != hash_token(b"x", "a token in the clear")
