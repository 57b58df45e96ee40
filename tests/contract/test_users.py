"""Accounts, whole or not at all, and people as others find them, against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.errors import Conflict
from domain.ids import uuid7
from domain.times import from_ms
from storage.openings import Wanted, load_openings
from storage.postgres import Database
from storage.profiles import load_profile
from storage.search import search_profiles
from storage.tokens import NewLogin, revoke_login
from storage.users import (
    Caller,
    NewAccount,
    create_account,
    load_account,
    load_caller,
    load_credential,
)
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def create(
    database: Database, username: str | None, email: str | None = None, name: str = "Ana"
) -> tuple[str, str]:
    user, sid = uuid7(NOW_MS), uuid7(NOW_MS)
    account = NewAccount(
        user=user, name=name, username=username, email=email, password_hash="$2b$" if email else None, at=NOW
    )
    await create_account(database, account, NewLogin(sid, uuid7(1).encode()[:32], NOW + timedelta(days=7)))
    return user, sid


async def test_an_account_is_made_whole_and_can_open_a_session(database: Database) -> None:
    user, sid = await create(database, "ana", "ana@example.org")
    account = await load_account(database, user)
    assert account is not None
    assert (account.username, account.email, account.is_anonymous, account.roles) == (
        "ana",
        "ana@example.org",
        False,
        ["user"],
    )
    credential = await load_credential(database, "ana@example.org")
    assert credential is not None
    assert credential.user == user
    (opening,) = await load_openings(database, [Wanted(user, None, sid)])
    assert opening is not None
    assert (opening.name, opening.head, opening.is_revoked) == ("Ana", 0, False)
    assert await database.fetchval("select count(*) from inbox_heads where user_id = $1", user) == 1
    assert await load_caller(database, user, sid) == Caller("Ana", is_revoked=False)
    await revoke_login(database, user, sid, NOW)
    assert await load_caller(database, user, sid) == Caller("Ana", is_revoked=True)


async def test_anonymous_accounts_have_no_credential(database: Database) -> None:
    user, _ = await create(database, None)
    account = await load_account(database, user)
    assert account is not None
    assert (account.is_anonymous, account.username, account.email) == (True, None, None)
    assert await database.fetchval("select count(*) from credentials") == 0


async def test_a_conflict_leaves_nothing_behind(database: Database) -> None:
    await create(database, "ana", "ana@example.org")
    for username, email, word in [("ana", "b@example.org", "username"), ("ben", "ana@example.org", "e-mail")]:
        with pytest.raises(Conflict, match=word):
            await create(database, username, email)
    for table in ("users", "profiles", "credentials", "inbox_heads", "token_families", "refresh_tokens"):
        assert await database.fetchval(f"select count(*) from {table}") == 1, table  # noqa: S608


async def test_one_of_many_gets_the_name(database: Database) -> None:
    results = await asyncio.gather(
        *(create(database, "ana", f"ana{number}@example.org") for number in range(10)), return_exceptions=True
    )
    assert sum(isinstance(result, tuple) for result in results) == 1
    assert all(isinstance(result, (tuple, Conflict)) for result in results)


async def test_who_is_deleted_is_not_there(database: Database) -> None:
    user, sid = await create(database, "ana", "ana@example.org")
    (ben,) = await make_users(database, 1)
    await database.execute("update users set deleted_at = now() where id = $1", user)
    assert await load_account(database, user) is None
    assert await load_credential(database, "ana@example.org") is None
    assert await load_caller(database, user, sid) is None
    assert await load_profile(database, ben, user) is None
    assert (await search_profiles(database, ben, "ana", None, 10)).profiles == []
