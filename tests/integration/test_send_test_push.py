"""`hugmood send-test-push`, as an operator types it: a real PostgreSQL, in which a test does what a worker would."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import msgspec
import pytest

from domain.ids import uuid7
from storage.postgres import Database
from tests.support.local import hugmood, running
from tests.support.people import NOW_MS, make_users
from tests.support.push_rows import add_delivery, add_device, add_notification
from tests.support.servers import temporary_folder

pytestmark = pytest.mark.integration

NOW = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


class Test:
    """The command, run beside what a worker does."""

    __test__ = False

    def __init__(self, database_url: str, user: str, within: str = "40") -> None:
        call = partial(hugmood, "send-test-push", user, "--within", within, HUGMOOD_DATABASE_URL=database_url)
        self._done = asyncio.create_task(asyncio.to_thread(call))

    async def made(self, database: Database) -> int:
        """The seq of the notification, once it is there."""
        while (seq := await database.fetchval("select max(seq) from inbox where kind = 'notification'")) is None:
            assert not self._done.done(), await self._done
            await asyncio.sleep(0.01)
        return int(seq)

    async def said(self) -> "CompletedProcess[str]":
        return await self._done


async def test_each_device_is_told_of(database: Database, database_url: str) -> None:
    (ana,) = await make_users(database, 1)
    username = await database.fetchval("select username from users")
    phone, tablet = await add_device(database, ana, "Ana's phone"), await add_device(database, ana, "Tablet", "apns")
    test = Test(database_url, username.upper())
    seq = await test.made(database)
    event = msgspec.json.decode(await database.fetchval("select body from inbox where seq = $1", seq))
    assert (event["title"], event["about"], event["category"]) == ("Test from HugMood", "notice", "hugs")

    push = uuid7(NOW_MS)
    async with database.transaction() as connection:  # the command sees both at once
        whole: Any = connection
        await add_notification(whole, ana, seq, "sent", NOW, push=push, kind="notice:a")
        of = {"push_id": push, "kind": "notice:a"}
        await add_delivery(whole, ana, seq, NOW, device_id=phone, state="accepted", answer="200 projects/a", **of)
        await add_delivery(
            whole, ana, seq, NOW, device_id=tablet, provider="apns", state="dead", answer="410 Unregistered", **of
        )
    done = await test.said()
    assert done.stdout.splitlines() == [
        "Ana's phone (fcm): accepted; 200 projects/a",
        "Tablet (apns): dead; 410 Unregistered",
    ]
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("suppressed", "switched_off", "Not pushed: the channel or the category is switched off."),
        ("suppressed", "no_device", "Not pushed: no device is registered, or no address is known."),
        ("waiting", "quiet_hours", "Not pushed yet: quiet hours. It waits until 2026-05-04T04:02:00.000Z."),
        ("expired", None, "Not pushed: it was worth nothing any more."),
    ],
)
async def test_why_not(database: Database, database_url: str, state: str, reason: str | None, said: str) -> None:
    (ana,) = await make_users(database, 1)
    test = Test(database_url, ana)
    seq = await test.made(database)
    await database.execute(
        "insert into bursts (user_id, kind, channel, due_at) values ($1, 'notice:a', 'push', $2)",
        ana,
        NOW + timedelta(hours=1),
    )
    await add_notification(database, ana, seq, state, NOW, reason=reason, kind="notice:a")
    done = await test.said()
    assert done.stdout.splitlines() == [said, "No device of this user can be pushed to: none is registered."]
    assert done.returncode == 1


async def test_what_a_connected_device_has_is_not_pushed(database: Database, database_url: str) -> None:
    (ana,) = await make_users(database, 1)
    await add_device(database, ana, "phone")
    test = Test(database_url, ana)
    seq = await test.made(database)
    await database.execute("update inbox_heads set acked_seq = $1", seq)
    done = await test.said()
    assert (done.returncode, done.stdout) == (0, "Not pushed: a connected device has it already.\n")


async def test_when_nobody_looks(database: Database, database_url: str) -> None:
    (ana,) = await make_users(database, 1)
    phone = await add_device(database, ana, "phone")
    done = await Test(database_url, ana, within="0.1").said()
    assert done.returncode == 1
    assert "no worker has looked at it" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    await add_notification(database, ana, 2, "waiting", NOW, kind="notice:a")
    undecided = await Test(database_url, ana, within="0.1").said()
    assert undecided.stdout == "Not pushed yet: nothing is decided. It waits.\n"
    await database.execute("delete from notifications")
    await add_notification(database, ana, 3, "sent", NOW, push=uuid7(NOW_MS), kind="notice:a")
    await add_delivery(database, ana, 3, NOW, device_id=phone, kind="notice:a", attempts=1, answer="503")
    stuck = await Test(database_url, ana, within="0.1").said()
    assert (stuck.returncode, stuck.stdout) == (1, "phone (fcm): queued, and not done yet; 503\n")


async def test_who_is_not_there(database: Database, database_url: str, tmp_path: Path) -> None:
    (ana,) = await make_users(database, 1)
    await database.execute("update users set deleted_at = now()")
    for nobody in (ana, "nobody"):
        done = await Test(database_url, nobody).said()
        assert (done.returncode, done.stderr) == (1, f"There is no user {nobody}.\n")
    missing = await asyncio.to_thread(hugmood, "send-test-push", "ana", "--data", tmp_path / "none")
    assert missing.returncode == 2
    assert await database.fetchval("select count(*) from notices") == 0


def test_by_way_of_a_real_worker() -> None:
    with temporary_folder() as folder, running(folder, settings={"HUGMOOD_PUSH_LOG": "on"}) as up:
        out = folder / "people.jsonl"
        made = hugmood("people", "make", "--count", "1", "--friends", "0", "--data", up.data, "--out", out)
        assert made.returncode == 0, made.stderr
        person = json.loads(out.read_bytes())
        done = hugmood("send-test-push", person["username"], "--data", up.data, "--within", "40")
        assert done.stdout.startswith("log: accepted"), done.stdout + done.stderr + up.output
        assert len(done.stdout.splitlines()) == 1
        assert done.returncode == 0
        assert up.stop() == 0
        idle = hugmood("send-test-push", person["username"], "--data", up.data)
        assert idle.returncode == 1
        assert "no worker would send it" in idle.stderr
