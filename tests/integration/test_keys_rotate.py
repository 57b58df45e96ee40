"""`hugmood keys rotate` on a real PostgreSQL, while others write and edit notes."""

import asyncio
import random
import re
from collections.abc import Sequence
from functools import partial
from subprocess import CompletedProcess

import asyncpg
import pytest

from storage import dead_jobs, keys
from storage.dead_jobs import DeadJob
from storage.direct import connect
from storage.encryption import KeyRing
from storage.encryption_keys import EncryptionKey
from storage.jobs import encode_job, open_pool
from storage.mood_queue import FIELD, encode_mood, shard_of
from storage.postgres import Database
from storage.queues import Queue
from tests.support.local import hugmood
from tests.support.notes import (
    LOST,
    NEW,
    OLD,
    OLDEST,
    Place,
    add_notes,
    load_notes,
    make_partitions,
    mood_at,
    place,
    sealed,
)

pytestmark = pytest.mark.integration

RING = KeyRing([NEW, OLD, OLDEST])
BEFORE = KeyRing([OLD, OLDEST])
LONG_AGO = KeyRing([OLDEST])
MOODS = 105_000  # one in 21 without a note
WRITERS = 3
STEPS_MIN = 100


async def rotate(
    database_url: str, *arguments: str, ring: Sequence[EncryptionKey], redis_url: str = ""
) -> "CompletedProcess[str]":
    lines = ",".join(key.line for key in ring)
    settings = {"HUGMOOD_DATABASE_URL": database_url, "HUGMOOD_ENCRYPTION_KEYS": lines, "HUGMOOD_REDIS_URL": redis_url}
    return await asyncio.to_thread(partial(hugmood, "keys", "rotate", *arguments, within_s=300, **settings))


async def add_old_notes(connection: asyncpg.Connection) -> dict[Place, str]:
    """Half of them under each of two keys, and some moods without a note; what they say."""
    await make_partitions(connection)
    rings = (*(BEFORE, LONG_AGO) * 10, None)
    notes = [(place(number), rings[number % len(rings)], f"note {number} ☕") for number in range(MOODS)]
    await add_notes(connection, [(at, ring and sealed(ring, at, note)) for at, ring, note in notes])
    await connection.execute("analyze moods")
    return {at: note for at, ring, note in notes if ring}


class Writer:
    """Somebody who edits notes and adds new ones, on a hub that seals with the old key or on one with the new one."""

    def __init__(self, number: int, known: Sequence[Place]) -> None:
        self._number = number
        self._draw = random.Random(number)
        self._mine = list(known[number::WRITERS])  # no two write the same note
        self.said: dict[Place, str] = {}  # what is stored, as far as they know
        self.is_over = False

    async def write(self, database_url: str) -> None:
        """Until `is_over`, and at least so many times."""
        connection = await asyncpg.connect(database_url)
        try:
            step = 0
            while not self.is_over or step < STEPS_MIN:
                await self._step(connection, step)
                step += 1
        finally:
            await connection.close()

    async def _step(self, connection: asyncpg.Connection, step: int) -> None:
        ring = self._draw.choice((BEFORE, BEFORE, RING))
        note = f"writer {self._number}, step {step}"
        if self._draw.random() < 0.3:
            at = place(MOODS + step * WRITERS + self._number)
            await add_notes(connection, [(at, sealed(ring, at, note))])
            self._mine.append(at)
        else:
            at = self._draw.choice(self._mine)
            async with connection.transaction():
                await connection.execute(
                    "select from moods where (user_id, felt_at, id) = ($1, $2, $3) for update", *at
                )
                await asyncio.sleep(self._draw.random() / 500)  # the row is held for a moment
                await connection.execute(
                    "update moods set note = $4, edited_at = now() where (user_id, felt_at, id) = ($1, $2, $3)",
                    *at,
                    sealed(ring, at, note),
                )
        self.said[at] = note


@pytest.mark.timeout(240)  # 100,000 notes
async def test_no_note_is_lost_while_others_write(database_url: str, redis_url: str) -> None:
    async with connect(database_url) as connection:
        said = await add_old_notes(connection)
        writers = [Writer(number, list(said)) for number in range(WRITERS)]
        writing = [asyncio.create_task(writer.write(database_url)) for writer in writers]
        try:
            first = await rotate(database_url, "--wait-ms", "0", "--batch", "200", ring=[NEW, OLD, OLDEST])
        finally:
            for writer in writers:
                writer.is_over = True
            await asyncio.gather(*writing)
        assert first.returncode in {0, 1}, first.stderr  # 1: a hub with the old key wrote in the end
        for writer in writers:
            said |= writer.said
        stored = {at[2]: note for at, note in said.items()}
        anew = re.search(r"moods.note: ([0-9,]+) sealed anew with new", first.stderr)
        assert anew is not None
        assert int(anew[1].replace(",", "")) > MOODS / 2

        second = await rotate(database_url, ring=[NEW, OLD, OLDEST], redis_url=redis_url)
        assert second.returncode == 0, second.stderr
        assert await load_notes(connection, KeyRing([NEW])) == (stored, {NEW.id: len(stored)})
        assert second.stdout.splitlines() == [
            f"new: {len(stored):,} texts; the newest key",
            "old: 0 texts; no longer in use: it may be removed from the list",
            "oldest: 0 texts; no longer in use: it may be removed from the list",
        ]
        third = await rotate(database_url, ring=[NEW])
        assert (third.returncode, third.stderr.splitlines()) == (
            0,
            [f"{column}: 0 sealed anew with new" for column in ("moods.note", "devices.token", "own_keys.secret")],
        )


async def test_a_dry_run_counts_and_changes_nothing(database_url: str) -> None:
    async with connect(database_url) as connection:
        await make_partitions(connection)
        rings = (RING, BEFORE, BEFORE, LONG_AGO, KeyRing([LOST]))
        places = [place(number) for number in range(len(rings))]
        await add_notes(connection, [(at, sealed(ring, at, "x")) for at, ring in zip(places, rings, strict=True)])
        await add_notes(connection, [(place(90), b""), (place(91), b"\x01\x7fshort"), (place(92), None)])
        before = await connection.fetch("select * from moods order by id")
        done = await rotate(database_url, "--dry-run", ring=[NEW, OLD, OLDEST])
        assert done.returncode == 0, done.stderr
        assert await connection.fetch("select * from moods order by id") == before
        lines = {line.partition(":")[0]: line for line in done.stdout.splitlines()}
        assert {name: line.split()[1] for name, line in lines.items()} == {
            "new": "1",
            "old": "2",
            "oldest": "1",
            "lost": "1",
            "?": "2",
        }
        assert "cannot be read" in lines["lost"]


async def test_what_cannot_be_read_is_left_and_told(database_url: str) -> None:
    async with connect(database_url) as connection:
        await make_partitions(connection)
        good, lost = place(1), place(2)
        envelope = sealed(KeyRing([LOST]), lost, "x")
        await add_notes(connection, [(good, sealed(BEFORE, good, "good")), (lost, envelope)])
        done = await rotate(database_url, ring=[NEW, OLD])
        assert done.returncode == 1
        assert f"moods.note of {lost[2]} is encrypted with the key lost" in done.stderr
        assert "lost: 1 texts; not in the list" in done.stdout
        assert await connection.fetchval("select note from moods where id = $1", lost[2]) == envelope
        found = await rotate(database_url, ring=[NEW, OLD, LOST])
        assert found.returncode == 0, found.stderr
        assert await load_notes(connection, KeyRing([NEW])) == ({good[2]: "good", lost[2]: "x"}, {NEW.id: 2})


async def test_a_key_that_a_dead_job_needs_is_not_given_up(database_url: str) -> None:
    payload = encode_job({"f": "moods.save", "a": [sealed(BEFORE, place(1), "x")], "k": {}, "et": 1})
    async with Database(database_url) as database:
        await dead_jobs.save(database, DeadJob(Queue.MOODS, "1", "moods.save", None, 1, "bad", payload))
        done = await rotate(database_url, ring=[NEW, OLD, OLDEST])
    assert done.returncode == 0
    assert [line.partition("; ")[2][:20] for line in done.stdout.splitlines()] == [
        "the newest key",
        "still needed by dead",
        "no longer in use, un",
    ]


async def test_a_key_that_waiting_moods_need_is_not_given_up(database_url: str, redis_url: str) -> None:
    waiting = mood_at(place(1), sealed(BEFORE, place(1), "x"))
    stream = keys.mood_stream(shard_of(waiting.user))
    async with open_pool(redis_url) as redis:
        for data in (b"no mood", encode_mood(waiting)):
            await redis.xadd(stream, {FIELD: data})
        done = await rotate(database_url, ring=[NEW, OLD, OLDEST], redis_url=redis_url)
        assert done.returncode == 1
        assert [line.partition("; ")[2][:23] for line in done.stdout.splitlines()] == [
            "the newest key",
            "still needed by moods t",
            "no longer in use: it ma",
        ]
        await redis.delete(stream)
    done = await rotate(database_url, ring=[NEW, OLD, OLDEST], redis_url=redis_url)
    assert done.returncode == 0
    assert "still" not in done.stdout


async def test_without_keys_nothing_begins(database_url: str) -> None:
    done = await rotate(database_url, "--data", "/nonexistent", ring=[])
    assert done.returncode == 2
    assert "HUGMOOD_ENCRYPTION_KEYS is missing" in done.stderr
    assert len(done.stderr.splitlines()) == 1
