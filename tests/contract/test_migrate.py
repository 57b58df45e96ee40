"""Migrations against a real PostgreSQL: applied once, in order, by one process at a time."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from domain.errors import Unavailable
from domain.ids import uuid7
from storage import direct
from storage import migrate as module
from storage.inbox import NewEvent, append_within
from storage.migrate import FOLDER, SchemaMismatch, check, load_migrations, migrate
from storage.notifications import load_arrived, load_unnotified
from storage.postgres import Database
from tests.support.people import NOW_MS

pytestmark = pytest.mark.contract


@pytest.fixture
async def empty_url(database_url: str) -> AsyncIterator[str]:
    """A database without any table, on the same server."""
    parts = urlsplit(database_url)
    name = f"{parts.path.strip('/')}_empty"
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"create database {name} template template0")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of migrations that a test may add to."""
    copy = tmp_path / "migrations"
    shutil.copytree(FOLDER, copy)
    return copy


@pytest.fixture
def before_pushes(folder: Path) -> Path:
    """Migrations up to the one before pushes."""
    for path in sorted(folder.glob("*.sql"))[4:]:
        path.unlink()
    return folder


def add(folder: Path, name: str, sql: str) -> None:
    (folder / f"{len(load_migrations(folder)) + 1:04}_{name}.sql").write_text(sql)


async def test_many_at_once_apply_each_file_once(empty_url: str) -> None:
    results = await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    names = [f"{each.version:04}_{each.name}" for each in load_migrations()]
    assert sorted(results, key=len) == [[], [], [], names]
    async with Database(empty_url) as database:
        await check(database)
        assert await database.fetchval("select count(*) from schema_migrations") == len(names)
        assert await database.fetchval("select count(*) from pg_inherits where inhparent = 'inbox'::regclass") >= 4
        assert await database.fetchval("select count(*) from pg_inherits where inhparent = 'moods'::regclass") >= 5


async def test_an_older_schema_is_refused_until_migrated(empty_url: str, folder: Path) -> None:
    async with Database(empty_url) as database:
        with pytest.raises(SchemaMismatch, match=r"version 0.*hugmood migrate"):
            await check(database)
        await migrate(empty_url)
        add(folder, "second", "create table second (id integer)")
        with pytest.raises(SchemaMismatch, match="hugmood migrate"):
            await check(database, folder)
        assert [name[5:] for name in await migrate(empty_url, folder)] == ["second"]
        await check(database, folder)


async def test_a_newer_schema_is_refused(empty_url: str, folder: Path) -> None:
    add(folder, "second", "create table second (id integer)")
    await migrate(empty_url, folder)
    async with Database(empty_url) as database:
        with pytest.raises(SchemaMismatch, match="newer than this code"):
            await check(database)
    with pytest.raises(SchemaMismatch, match="newer than this code"):
        await migrate(empty_url)


async def test_a_changed_file_is_refused(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder)
    first = folder / "0001_foundation.sql"
    first.write_text(first.read_text() + "\n-- afterthought\n")
    with pytest.raises(SchemaMismatch, match="0001_foundation was changed"):
        await migrate(empty_url, folder)
    async with Database(empty_url) as database:
        with pytest.raises(SchemaMismatch, match="0001_foundation was changed"):
            await check(database, folder)


async def test_a_file_that_fails_leaves_nothing(empty_url: str, folder: Path) -> None:
    add(folder, "broken", "create table half (id integer); select 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_url, folder)
    async with Database(empty_url) as database:
        await check(database)  # the files before it are applied
        assert await database.fetchval("select to_regclass('half') is null")
    assert await migrate(empty_url) == []  # and the lock is free


async def test_an_extension_that_is_not_installed_is_named(empty_url: str, folder: Path) -> None:
    add(folder, "more", "create extension no_such_extension")
    with pytest.raises(SchemaMismatch, match=r"no_such_extension.*contrib"):
        await migrate(empty_url, folder)


@pytest.mark.parametrize("name", ["0003_gap.sql", "0001_twice.sql", "2_short.sql", "0002-dash.sql"])
def test_files_are_numbered_without_gaps(folder: Path, name: str) -> None:
    for path in sorted(folder.glob("*.sql"))[1:]:
        path.unlink()
    (folder / name).write_text("select 1")
    with pytest.raises(SchemaMismatch, match="number the files"):
        load_migrations(folder)


async def test_a_locked_table_is_waited_for(empty_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(module, "LOCK_PAUSE_S", 0.01)
    await migrate(empty_url, folder)
    add(folder, "second", "alter table users add column second integer")
    async with Database(empty_url) as database:
        async with database.transaction() as connection:
            await connection.execute("lock table users in access share mode")
            with pytest.raises(Unavailable, match="lock"):
                await migrate(empty_url, folder)
        assert len(await migrate(empty_url, folder)) == 1


async def test_another_migrator_is_not_waited_for_endlessly(empty_url: str) -> None:
    async with direct.connect(empty_url) as one, direct.connect(empty_url) as other:
        async with direct.advisory_lock(one, module.LOCK_KEY):
            with pytest.raises(Unavailable, match="Another process"):
                async with direct.advisory_lock(other, module.LOCK_KEY, wait_s=0.3):
                    pytest.fail("two hold the lock")
        async with direct.advisory_lock(other, module.LOCK_KEY, wait_s=0.3):
            pass


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "nonsense"])
async def test_a_server_that_is_not_there_is_named_plainly(url: str) -> None:
    with pytest.raises(Unavailable, match="Cannot connect to PostgreSQL"):
        await migrate(url)


async def test_nobody_is_pushed_what_came_before_pushes(empty_url: str, before_pushes: Path) -> None:
    await migrate(empty_url, before_pushes)
    async with Database(empty_url) as database:
        ana, bo, cleo = sorted(uuid7(NOW_MS) for _ in range(3))
        await database.execute(
            "insert into users (id, username, created_at) select u, left(md5(u::text), 24), now() from unnest($1::uuid[]) u",
            [ana, bo, cleo],
        )
        for user, seq, acked in ((ana, 3, 1), (bo, 2, 2), (cleo, 0, 0)):
            await database.execute("insert into inbox_heads values ($1, $2, $3)", user, seq, acked)
            await database.execute(
                "insert into inbox (user_id, seq, kind, body, at) select $1, s, 'hug.received', '{}', now() from generate_series(1, $2) s",
                user,
                seq,
            )
    await migrate(empty_url)
    async with Database(empty_url) as database:
        assert await load_unnotified(database, "00000000-0000-0000-0000-000000000000", 10) == ([], None)
        assert (await load_arrived(database, [ana, bo, cleo])).through == {}
        async with database.transaction() as connection:
            await append_within(connection, [NewEvent(user, "hug.received", b"{}") for user in (ana, bo, cleo)])
        arrived = (await load_arrived(database, [ana, bo, cleo])).events
        assert [(event.user, event.seq) for event in arrived] == [(ana, 4), (bo, 3), (cleo, 1)]
