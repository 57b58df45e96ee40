"""`hugmood demo-data`, as one would type it, on a real PostgreSQL."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from deploy.demo.entries import entries
from domain.streaks import DAY, streak
from domain.times import from_ms, to_ms
from hub.passwords import Passwords
from hub.tokens import TokenVerifier
from storage.encryption import KeyRing
from storage.postgres import Database
from storage.streak_book import load_book, load_outages
from tests.support.keys import KEY
from tests.support.local import hugmood
from tests.support.servers import Databases

pytestmark = pytest.mark.integration

SECRET = "a secret of at least thirty-two bytes"
PASSWORD = "correct horse battery staple"
USERS, DAYS = 50, 45  # three circles, over a part of three months
UNTIL = date(2025, 3, 1)
TABLES = {
    "users": "id",
    "profiles": "user_id",
    "privacy": "user_id",
    "friendships": "low_id, high_id",
    "hugs": "id",
    "inbox_heads": "user_id",
    "mood_ids": "id",
    "moods": "id",
}


async def demo(database_url: str, out: Path, *arguments: object) -> "CompletedProcess[str]":
    settings = {
        "HUGMOOD_DATABASE_URL": database_url,
        "HUGMOOD_SECRET": SECRET,
        "HUGMOOD_ENCRYPTION_KEYS": KEY.line,
    }
    given = ["demo-data", "--out", str(out), *map(str, arguments)]
    return await asyncio.to_thread(partial(hugmood, *given, within_s=300, **settings))


async def load(database: Database, table: str) -> list[dict[str, Any]]:
    """All rows; notes as they read."""
    ring = KeyRing([KEY])
    rows = [dict(row) for row in await database.fetch(f"select * from {table} order by {TABLES[table]}")]  # noqa: S608
    for row in rows:
        if row.get("note") is not None:
            row["note"] = ring.open(row["note"], "moods", "note", str(row["id"]))
    return rows


def read_lines(out: Path) -> list[dict[str, Any]]:
    """What was written, which nobody else may read."""
    assert out.stat().st_mode & 0o077 == 0
    return [json.loads(line) for line in out.read_bytes().splitlines()]


async def test_what_is_written_is_what_was_invented_and_the_same_again(databases: Databases, tmp_path: Path) -> None:
    arguments = ("--users", USERS, "--days", DAYS, "--seed", 7, "--until", UNTIL, "--password", PASSWORD)
    with databases.fresh() as url, databases.fresh() as other_url:
        for database_url, name in ((url, "one"), (other_url, "other")):
            done = await demo(database_url, tmp_path / name, *arguments)
            assert done.returncode == 0, done.stderr
            assert done.stderr.splitlines()[-2].startswith(f"{USERS} people, ")
        async with Database(url) as database, Database(other_url) as other:
            for table in TABLES:
                rows = await load(database, table)
                assert rows
                assert rows == await load(other, table), table
            await check_moods(database)
            await check_hugs(database)
            await check_streaks(database)
            await check_lines(database, read_lines(tmp_path / "one"))


async def check_moods(database: Database) -> None:
    """Each entry of the generator is one row; who logs too late has no day for it."""
    until_ms = to_ms(datetime.combine(UNTIL + DAY, datetime.min.time(), UTC))
    invented = {entry.id: entry for entry in entries(7, USERS, DAYS, until_ms)}
    rows = {str(row["id"]): row for row in await load(database, "moods")}
    assert rows.keys() == invented.keys()
    late = 0
    for mood_id, entry in invented.items():
        row = rows[mood_id]
        assert (row["mood"], row["note"], tuple(row["tags"])) == (entry.mood, entry.note, entry.tags)
        assert (row["valence"], row["arousal"]) == pytest.approx((entry.valence, entry.arousal))
        assert json.loads(row["factors"] or "{}") == entry.factors
        assert (row["felt_at"], row["received_at"]) == (from_ms(entry.felt_at_ms), from_ms(entry.received_at_ms))
        is_in_time = row["received_at"].date() - row["local_date"] <= timedelta(days=1)
        assert row["in_streak"] or not is_in_time
        late += not row["in_streak"]
    assert 0 < late < len(rows) / 10


async def check_hugs(database: Database) -> None:
    """Between friends, and numbered as the inboxes say."""
    pairs = {frozenset((row["low_id"], row["high_id"])) for row in await load(database, "friendships")}
    rows = await load(database, "hugs")
    assert all({row["sender_id"], row["recipient_id"]} in pairs for row in rows)
    received: dict[Any, list[int]] = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        received.setdefault(row["recipient_id"], []).append(row["seq"])
    for numbers in received.values():
        assert numbers == list(range(1, len(numbers) + 1))
    heads = {row["user_id"]: (row["seq"], row["acked_seq"]) for row in await load(database, "inbox_heads")}
    assert heads == {user: (len(received.get(user, [])),) * 2 for user in heads}


async def check_streaks(database: Database) -> None:
    """The longest run of each is that of the stored rows."""
    logged: dict[str, set[date]] = {}
    for row in await load(database, "moods"):
        if row["in_streak"]:
            logged.setdefault(str(row["user_id"]), set()).add(row["local_date"])
    stored = await database.fetch("select user_id, longest from streaks")
    assert {str(row["user_id"]) for row in stored} == logged.keys()
    for row in stored:
        user = str(row["user_id"])
        book = await load_book(database, user)
        assert book is not None
        assert book.logged == logged[user]
        given = (book.free | await load_outages(database)) - book.logged
        assert row["longest"] == streak(book.logged, book.spent | given, set(), UNTIL).longest


async def check_lines(database: Database, lines: Sequence[dict[str, Any]]) -> None:
    """The lines let each be spoken for."""
    users = {str(row["id"]): row["username"] for row in await load(database, "users")}
    assert {line["id"]: line["username"] for line in lines} == users
    verifier = TokenVerifier(SECRET.encode())
    assert all(verifier.verify(line["access_token"], 0).user == line["id"] for line in lines)
    known = Counter(frozenset((line["id"], friend)) for line in lines for friend in line["friends"])
    assert set(known.values()) == {2}
    assert len(known) == await database.fetchval("select count(*) from friendships where state = 'accepted'")
    hashes = await database.fetch("select distinct password_hash from credentials")
    async with Passwords() as passwords:
        assert await passwords.is_right(PASSWORD, hashes[0]["password_hash"])


async def test_a_database_in_use_is_left_alone(database_url: str, tmp_path: Path) -> None:
    assert (await demo(database_url, tmp_path / "a", "--users", 21, "--days", 2)).returncode == 0
    refused = await demo(database_url, tmp_path / "b", "--users", 2, "--days", 2, "--seed", 2)
    assert refused.returncode == 2
    assert "--anyway" in refused.stderr
    assert not (tmp_path / "b").exists()
    again = await demo(database_url, tmp_path / "b", "--users", 2, "--days", 2, "--anyway")
    assert again.returncode == 2
    assert "choose another --seed" in again.stderr
    done = await demo(database_url, tmp_path / "b", "--users", 2, "--days", 2, "--seed", 2, "--anyway")
    assert done.returncode == 0, done.stderr
    async with Database(database_url) as database:
        assert await database.fetchval("select count(*) from users") == 23


async def test_a_day_that_is_not_over_cannot_be_the_last(database_url: str, tmp_path: Path) -> None:
    tomorrow = datetime.now(UTC).date() + DAY
    done = await demo(database_url, tmp_path / "a", "--users", 2, "--days", 2, "--until", tomorrow)
    assert (done.returncode, done.stderr) == (2, f"hugmood demo-data: {tomorrow} is not over yet (in UTC).\n")
