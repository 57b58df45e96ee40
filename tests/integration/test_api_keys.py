"""`hugmood api-keys`, as an operator types it, on a real PostgreSQL."""

import asyncio
import hashlib
import re
from datetime import UTC, datetime
from functools import partial
from subprocess import CompletedProcess

import pytest

from domain.ids import uuid7
from storage.api_keys import find_holder
from storage.postgres import Database
from tests.support.local import hugmood
from tests.support.people import NOW_MS

pytestmark = pytest.mark.integration

SCOPE = "notifications.send"


async def api_keys(database_url: str, *arguments: str) -> "CompletedProcess[str]":
    return await asyncio.to_thread(partial(hugmood, "api-keys", *arguments, HUGMOOD_DATABASE_URL=database_url))


async def test_a_key_is_shown_once_and_opens_until_it_is_revoked(database_url: str) -> None:
    async with Database(database_url) as database:
        assert (await api_keys(database_url, "list")).stderr == "There is none.\n"
        made = await api_keys(database_url, "new", "The shop", "--scope", SCOPE, "--scope", SCOPE)
        assert made.returncode == 0, made.stderr
        key = made.stdout.removesuffix("\n")
        assert re.fullmatch(r"hm_[A-Za-z0-9_-]{43}", key)
        assert "only now" in made.stderr
        assert key not in made.stderr
        row = await database.fetchrow("select id::text, name, key_hash, scopes, used_at from api_keys")
        assert row is not None
        assert tuple(row)[1:] == ("The shop", hashlib.sha256(key.encode()).digest(), [SCOPE], None)

        listed = await api_keys(database_url, "list")
        assert listed.stdout.startswith(f"{row['id']}  The shop  {SCOPE}  made 20")
        assert "never used" in listed.stdout
        assert key not in listed.stdout + listed.stderr
        holder = await find_holder(database, key, datetime(2026, 5, 4, 3, 2, tzinfo=UTC))
        assert holder is not None
        assert holder.key == row["id"]
        assert "used 2026-05-04 03:02" in (await api_keys(database_url, "list")).stdout

        for _ in range(2):
            revoked = await api_keys(database_url, "revoke", row["id"].upper())
            assert revoked.stdout == f"Key {row['id']}, The shop, opens nothing any more.\n"
        assert "revoked 20" in (await api_keys(database_url, "list")).stdout
        assert await find_holder(database, key, datetime.now(UTC)) is None
        nobody = uuid7(NOW_MS)
        none = await api_keys(database_url, "revoke", nobody)
        assert (none.returncode, none.stderr) == (1, f"There is no key {nobody}.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new", "shop"], "--scope"),
        (["new", "shop", "--scope", "everything"], "notifications.send"),
        (["new", "", "--scope", SCOPE], "1 to 64"),
        (["new", "x" * 65, "--scope", SCOPE], "1 to 64"),
        (["new", "a\nb", "--scope", SCOPE], "1 to 64"),
        (["revoke", "7"], "not an id"),
    ],
)
async def test_what_cannot_be_typed(database_url: str, arguments: list[str], said: str) -> None:
    done = await api_keys(database_url, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    async with Database(database_url) as database:
        assert await database.fetchval("select count(*) from api_keys") == 0
