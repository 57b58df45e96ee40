"""Sealing anew, batch by batch, against a real PostgreSQL: what comes in between wins."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.ids import uuid7
from storage.direct import connect
from storage.encryption import KeyRing
from storage.postgres import Database
from storage.rotation import SEALED, count_keys, seal_batch
from tests.support.notes import NEW, OLD, add_notes, load_notes, make_partitions, place, sealed
from tests.support.people import NOW_MS, make_users
from tests.support.servers import run

pytestmark = pytest.mark.contract

RING = KeyRing([NEW, OLD])
BEFORE = KeyRing([OLD])
NOTE, TOKEN, SECRET = SEALED


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """To a database with ten old notes."""
    async with connect(database_url) as one:
        await make_partitions(one)
        places = [place(number) for number in range(10)]
        await add_notes(one, [(at, sealed(BEFORE, at, f"note {number}")) for number, at in enumerate(places)])
        yield one


async def test_it_goes_on_where_it_ended_and_is_over_once(connection: asyncpg.Connection) -> None:
    first = await seal_batch(connection, NOTE, RING, None, 4)
    assert (first.sealed, first.missed, first.unreadable) == (4, 0, [])
    second = await seal_batch(connection, NOTE, RING, first.last, 4)
    assert second.sealed == 4
    again = await seal_batch(connection, NOTE, RING, None, 4)  # after an interruption
    assert again.sealed == 2
    over = await seal_batch(connection, NOTE, RING, again.last, 4)
    assert (over.last, over.sealed) == (None, 0)
    notes, keys = await load_notes(connection, KeyRing([NEW]))
    assert set(notes.values()) == {f"note {number}" for number in range(10)}
    assert keys == {NEW.id: 10}


async def test_an_edit_between_reading_and_writing_stays(connection: asyncpg.Connection, database_url: str) -> None:
    edited, gone = place(3), place(4)

    async def edit() -> None:
        async with connect(database_url) as other:
            envelope = sealed(BEFORE, edited, "edited")
            assert await other.execute("update moods set note = $2 where id = $1", edited[2], envelope) == "UPDATE 1"
            assert await other.execute("delete from moods where id = $1", gone[2]) == "DELETE 1"

    class Interrupted(KeyRing):
        """Its first use, which is after the rows were read, gives way to the edit."""

        is_done = False

        def open(self, envelope: bytes, table: str, column: str, row_id: str) -> str:
            if not self.is_done:
                self.is_done = True
                run(edit())
            return super().open(envelope, table, column, row_id)

    batch = await seal_batch(connection, NOTE, Interrupted([NEW, OLD]), None, 100)
    assert (batch.sealed, batch.missed) == (8, 2)
    notes, keys = await load_notes(connection, RING)
    assert notes[edited[2]] == "edited"
    assert gone[2] not in notes
    assert keys == {NEW.id: 8, OLD.id: 1}
    assert (await seal_batch(connection, NOTE, RING, None, 100)).sealed == 1
    assert (await load_notes(connection, RING))[0][edited[2]] == "edited"


async def test_it_waits_for_nobody(connection: asyncpg.Connection, database_url: str) -> None:
    held = place(5)
    async with connect(database_url) as other:
        async with other.transaction():
            await other.execute("update moods set valence = 0 where id = $1", held[2])
            batch = await seal_batch(connection, NOTE, RING, None, 100)
            assert (batch.sealed, batch.missed) == (9, 1)
        assert (await seal_batch(connection, NOTE, RING, None, 100)).sealed == 1
    row = await connection.fetchrow("select valence, note from moods where id = $1", held[2])
    assert row["valence"] == 0
    assert RING.open(row["note"], "moods", "note", held[2]) == "note 5"


async def test_what_is_no_envelope_is_left(connection: asyncpg.Connection) -> None:
    at, other = place(11), place(12)
    await add_notes(connection, [(at, b"in the clear"), (other, sealed(BEFORE, at, "of another mood"))])
    batch = await seal_batch(connection, NOTE, RING, None, 100)
    assert batch.sealed == 10
    assert len(batch.unreadable) == 2
    assert await connection.fetchval("select note from moods where id = $1", at[2]) == b"in the clear"


async def test_tokens_of_devices_and_our_own_secrets_are_sealed_anew(database_url: str) -> None:
    async with Database(database_url) as database:
        ana, ben = await make_users(database, 2)
    devices = {uuid7(NOW_MS): user for user in (ana, ben)}
    async with connect(database_url) as connection:
        for device, user in devices.items():
            await connection.execute(
                "insert into devices (id, user_id, provider, token, token_hash, name, registered_at, used_at)"
                " values ($1, $2, 'fcm', $3, $4, 'phone', now(), now())",
                device,
                user,
                BEFORE.seal(f"token of {user}", "devices", "token", device),
                device.encode()[:32],
            )
        for name in ("vapid", "token_hash"):
            envelope = BEFORE.seal(f"secret {name}", "own_keys", "secret", name)
            await connection.execute("insert into own_keys values ($1, $2, now())", name, envelope)
        for column in (TOKEN, SECRET):
            assert await count_keys(connection, column) == {OLD.id: 2}
            first = await seal_batch(connection, column, RING, None, 1)
            second = await seal_batch(connection, column, RING, first.last, 1)
            assert (first.sealed, second.sealed, first.unreadable) == (1, 1, [])
            assert (await seal_batch(connection, column, RING, second.last, 1)).last is None
            assert await count_keys(connection, column) == {NEW.id: 2}
        newest = KeyRing([NEW])
        for row in await connection.fetch("select id::text, user_id::text, token from devices"):
            assert newest.open(row["token"], "devices", "token", row["id"]) == f"token of {row['user_id']}"
        for row in await connection.fetch("select name, secret from own_keys"):
            assert newest.open(row["secret"], "own_keys", "secret", row["name"]) == f"secret {row['name']}"
