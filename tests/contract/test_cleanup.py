"""What is deleted, and what must stay, against a real PostgreSQL."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from domain.ids import uuid7
from domain.times import to_ms
from storage import cleanup, dead_jobs
from storage.dead_jobs import DeadJob
from storage.postgres import Database
from tests.support.people import make_users

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


async def add_family(database: Database, created_at: datetime) -> str:
    user, family = uuid7(to_ms(NOW)), uuid7(to_ms(NOW))
    await database.execute("insert into users (id, is_anonymous, created_at) values ($1, true, $2)", user, created_at)
    await database.execute(
        "insert into token_families (id, user_id, created_at) values ($1, $2, $3)", family, user, created_at
    )
    return family


async def add_token(database: Database, family: str, expires_at: datetime) -> None:
    digest = hashlib.sha256(f"{family}{expires_at}".encode()).digest()
    await database.execute(
        "insert into refresh_tokens (token_hash, family_id, created_at, expires_at, rotated_at)"
        " values ($1, $2, $3, $4, $3)",
        digest,
        family,
        NOW - timedelta(days=9),
        expires_at,
    )


async def families(database: Database) -> set[str]:
    return {str(row["id"]) for row in await database.fetch("select id from token_families")}


async def test_tokens_go_a_day_after_they_expired_and_empty_families_with_them(database_url: str) -> None:
    async with Database(database_url) as database:
        old = await add_family(database, NOW - timedelta(days=9))
        mixed = await add_family(database, NOW - timedelta(days=9))
        rotated_yesterday = await add_family(database, NOW - timedelta(days=9))
        just_begun = await add_family(database, NOW)
        await add_token(database, old, NOW - timedelta(days=2))
        await add_token(database, mixed, NOW - timedelta(days=2))
        await add_token(database, mixed, NOW + timedelta(days=2))
        await add_token(database, rotated_yesterday, NOW - timedelta(hours=23))
        assert await cleanup.delete_expired_tokens(database, NOW) == (2, 1)
        assert await families(database) == {mixed, rotated_yesterday, just_begun}
        assert await database.fetchval("select count(*) from refresh_tokens") == 2
        assert await cleanup.delete_expired_tokens(database, NOW) == (0, 0)


async def test_more_than_one_batch(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleanup, "BATCH_ROWS", 3)
    async with Database(database_url) as database:
        family = await add_family(database, NOW - timedelta(days=9))
        for hour in range(9):
            await add_token(database, family, NOW - timedelta(days=3, hours=hour))
        assert await cleanup.delete_expired_tokens(database, NOW) == (9, 1)


async def test_a_dead_job_is_one_row_and_goes_in_the_end(database_url: str) -> None:
    def dead(reason: str, enqueued_at: datetime | None) -> DeadJob:
        return DeadJob("care", "care:1", "care.test", enqueued_at, 5, reason, b"payload")

    async with Database(database_url) as database:
        for enqueued_at in (NOW, None):
            await dead_jobs.save(database, dead("first", enqueued_at))
            await dead_jobs.save(database, dead("second\x00" + "x" * 5_000, enqueued_at))
        rows = await database.fetch("select enqueued_at, reason, payload, failed_at from dead_jobs order by id")
        assert [row["enqueued_at"] for row in rows] == [NOW, None]
        assert all(row["reason"].startswith("secondx") for row in rows)
        last = max(row["failed_at"] for row in rows)
        assert await cleanup.delete_old_dead_jobs(database, last) == 0
        assert await cleanup.delete_old_dead_jobs(database, last + timedelta(days=91)) == 2


async def test_devices_go_when_they_were_not_used_for_270_days(database_url: str) -> None:
    async with Database(database_url) as database:
        (ana,) = await make_users(database, 1)
        for days in (269, 270, 271):
            await database.execute(
                "insert into devices (id, user_id, provider, token, token_hash, name, registered_at, used_at)"
                " values ($1, $2, 'fcm', 'token', $3, 'Phone', $4, $5)",
                uuid7(to_ms(NOW)),
                ana,
                hashlib.sha256(str(days).encode()).digest(),
                NOW - timedelta(days=999),
                NOW - timedelta(days=days),
            )
        assert await cleanup.delete_unused_devices(database, NOW) == 1
        assert await cleanup.delete_unused_devices(database, NOW + timedelta(hours=1)) == 1
        assert await database.fetchval("select count(*) from devices") == 1


OLD_PUSHES = {
    "notices": "(user_id, cause, id, at) select $2, n::text, gen_random_uuid(), $1 from generate_series(1, $3) n",
    "routes": "(node, since, until, rung) select 'a', $1, $1, '' from generate_series(1, $3)",
    "notifications": "(user_id, seq, channel, kind, at, expires_at, state, decided_at)"
    " select $2, n, 'push', 'hug.received', $1, $1, 'sent', $1 from generate_series(1, $3) n",
    "deliveries": "(id, push_id, user_id, provider, kind, first_seq, last_seq, content, state, expires_at, created_at)"
    " select gen_random_uuid(), gen_random_uuid(), $2, 'log', 'hug.received', 1, 1, '{}', 'accepted', $1, $1"
    " from generate_series(1, $3)",
    "bursts": "(user_id, kind, channel, sent_at) select $2, 'notice:' || n, 'push', $1 from generate_series(1, $3) n",
    "removed_tokens": "(provider, at) select 'fcm', $1 from generate_series(1, $3)",
}


@pytest.mark.parametrize(("table", "kept"), [(table, 1 if table == "removed_tokens" else 30) for table in OLD_PUSHES])
async def test_what_is_told_of_pushes_goes_in_batches(database_url: str, table: str, kept: int) -> None:
    count = cleanup.BATCH_ROWS + 1
    async with Database(database_url) as database:
        old, new = await make_users(database, 2)
        end = NOW - timedelta(days=kept)
        for user, at in ((old, end - timedelta(seconds=1)), (new, end)):
            await database.execute(
                f"with given as (select $1::timestamptz, $2::uuid, $3::int) insert into {table} {OLD_PUSHES[table]}",
                at,
                user,
                count,
            )
        deleted = await cleanup.delete_old_pushes(database, NOW)
        assert {name: number for name, number in deleted.items() if number} == {table: count}
        assert await database.fetchval(f"select count(*) from {table}") == count  # noqa: S608  names from above


async def test_what_waits_to_be_pushed_stays_however_old_it_is(database_url: str) -> None:
    async with Database(database_url) as database:
        (ana,) = await make_users(database, 1)
        for kind, due, sent in (
            ("waits", NOW, None),
            ("waits again", NOW, 99),
            ("done", None, 99),
            ("never sent", None, None),
        ):
            sent_at = NOW - timedelta(days=sent) if sent is not None else None
            await database.execute("insert into bursts values ($1, $2, 'push', $3, $4)", ana, kind, due, sent_at)
        assert (await cleanup.delete_old_pushes(database, NOW))["bursts"] == 2
        rows = await database.fetch("select kind from bursts order by kind")
        assert [row["kind"] for row in rows] == ["waits", "waits again"]
