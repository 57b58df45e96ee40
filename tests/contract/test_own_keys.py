"""Secrets of ours, against real PostgreSQL: made once, whoever comes first, and sealed."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from storage.direct import connect
from storage.encryption import KeyRing, UnknownKey
from storage.own_keys import VAPID, load_or_make, token_hash_key, vapid_keys
from storage.postgres import Database
from storage.rotation import SEALED, seal_batch
from tests.support.notes import NEW, OLD

pytestmark = pytest.mark.contract

RING = KeyRing([OLD])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


class Together(Database):
    """The first ten who look for a secret all find that there is none."""

    looked = 0
    barrier = asyncio.Barrier(10)

    async def fetchval(self, sql: str, *args: object) -> object:
        value = await super().fetchval(sql, *args)
        self.looked += 1
        if self.looked <= self.barrier.parties:
            await self.barrier.wait()
        return value


async def test_all_who_come_at_once_have_the_same(database: Database, database_url: str) -> None:
    numbers = count()
    async with Together(database_url, max_size=10) as together:
        made = (load_or_make(together, RING, "x", lambda: f"{next(numbers)}") for _ in range(together.barrier.parties))
        found = await asyncio.gather(*made)
    assert len(set(found)) == 1
    assert next(numbers) == together.barrier.parties, "each of them has made one"
    assert await load_or_make(database, RING, "x", lambda: "another") == found[0]
    assert await load_or_make(database, RING, "y", lambda: "another") == "another"


async def test_the_secrets_of_push(database: Database) -> None:
    key = await token_hash_key(database, RING)
    assert len(key) == 32
    assert await token_hash_key(database, RING) == key
    pair = await vapid_keys(database, RING)
    assert isinstance(pair.private.curve, ec.SECP256R1)
    assert (await vapid_keys(database, RING)).public == pair.public
    for row in await database.fetch("select secret from own_keys"):
        assert row["secret"].startswith(RING.head)
        assert b"PRIVATE KEY" not in row["secret"]


async def test_without_its_key_none_is_made_anew(database: Database) -> None:
    pair = await vapid_keys(database, RING)
    with pytest.raises(UnknownKey, match=r"own_keys\.secret of vapid"):
        await vapid_keys(database, KeyRing([NEW]))
    assert (await vapid_keys(database, RING)).public == pair.public


async def test_they_are_sealed_anew(database: Database, database_url: str) -> None:
    pair = await vapid_keys(database, RING)
    await token_hash_key(database, RING)
    (column,) = (column for column in SEALED if column.table == "own_keys")
    async with connect(database_url) as connection:
        batch = await seal_batch(connection, column, KeyRing([NEW, OLD]), None, 100)
    assert (batch.sealed, batch.missed, batch.unreadable) == (2, 0, [])
    assert (await vapid_keys(database, KeyRing([NEW]))).public == pair.public
    assert await database.fetchval("select secret from own_keys where name = $1", VAPID) is not None
