"""`hugmood trace`, as an operator types it, on a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from subprocess import CompletedProcess

import pytest

from domain.ids import uuid7
from domain.times import rfc3339, to_ms
from storage import routes
from storage.postgres import Database
from storage.routes import Routes
from tests.support.local import hugmood
from tests.support.people import NOW_MS, make_users
from tests.support.push_rows import add_delivery, add_device, add_notification

pytestmark = pytest.mark.integration


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def trace(database_url: str, *arguments: str) -> "CompletedProcess[str]":
    return await asyncio.to_thread(partial(hugmood, "trace", *arguments, HUGMOOD_DATABASE_URL=database_url))


async def add_hug(database: Database, sender: str, recipient: str, at: datetime) -> str:
    hug = uuid7(NOW_MS)
    await database.execute(
        "insert into hugs (id, sender_id, recipient_id, seq, kind, message, at) values ($1, $2, $3, 1, 'bear', 'psst', $4)",
        hug,
        sender,
        recipient,
        at,
    )
    return hug


async def test_everything_in_the_order_of_time(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "CUT_EVERY_S", 0.001)
    ana, ben = await make_users(database, 2)
    at = datetime.now(UTC).replace(microsecond=0)
    at_ms = to_ms(at)
    hug = await add_hug(database, ana, ben, at)
    noted = Routes(database, "hub-1")
    noted.note(ben, 1, ["hub-1", "hub-2"], at_ms + 12)
    noted.note(ana, 1, ["hub-3"], at_ms + 13)
    writing = asyncio.create_task(noted.run())
    while not await database.fetchval("select count(*) from routes"):  # noqa: ASYNC110  PostgreSQL tells nobody
        await asyncio.sleep(0.001)
    writing.cancel()
    await asyncio.wait([writing])
    phone = await add_device(database, ben, "Ben's phone")
    push = uuid7(NOW_MS)
    second = timedelta(seconds=1)
    await add_notification(database, ben, 1, "sent", at + second, push=push)
    sent = await add_delivery(
        database,
        ben,
        1,
        at + 10 * second,
        push_id=push,
        device_id=phone,
        state="accepted",
        sent_at=at + 11 * second,
        accepted_at=at + 12 * second,
        answer="200 ok",
    )
    await database.execute(
        "update hugs set acked_at = $1, acked_by = 'laptop', seen_at = $2", at + 1500 * second, at + 1501 * second
    )

    told = await trace(database_url, hug)
    assert told.returncode == 0, told.stderr
    head, *lines = told.stdout.splitlines()
    assert head == f"bear hug {hug} from {ana} to {ben}, whose event 1 it is"
    assert lines[0] == f"{rfc3339(at_ms)}          +0 ms  accepted"
    assert [line.split(None, 3)[3] for line in lines[1:]] == [
        "routed           by hub-1; to hub-1, hub-2",
        f"push_queued      fcm; Ben's phone; {sent}",
        f"push_sent        fcm; Ben's phone; {sent}",
        f"push_accepted    fcm; Ben's phone; 200 ok; {sent}",
        "acked            laptop",
        "seen             the sender was not told",
    ]
    assert [line.split()[1] for line in lines] == [
        "+0",
        "+12",
        "+10,000",
        "+11,000",
        "+12,000",
        "+1,500,000",
        "+1,501,000",
    ]
    assert "psst" not in told.stdout
    assert told.stderr == ""

    data = [json.loads(line) for line in (await trace(database_url, hug, "--json")).stdout.splitlines()]
    assert [step["what"] for step in data] == [line.split()[3] for line in lines]
    assert data[1] == {
        "at": rfc3339(at_ms + 12),
        "what": "routed",
        "detail": "by hub-1",
        "nodes": ["hub-1", "hub-2"],
    }


async def test_what_is_not_known_is_said(database: Database, database_url: str) -> None:
    ana, ben = await make_users(database, 2)
    now = datetime.now(UTC)
    hug = await add_hug(database, ana, ben, now)
    assert "does a worker run?" in (await trace(database_url, hug)).stderr
    await add_notification(database, ben, 1, "suppressed", now, reason="muted")
    muted = await trace(database_url, hug)
    assert "push_suppressed  its sender is muted" in muted.stdout
    assert muted.stderr == ""
    await database.execute("update hugs set at = $1, acked_at = $1", now - timedelta(days=31))
    old = await trace(database_url, hug)
    assert "older than 30 days" in old.stderr
    assert "accepted" in old.stdout

    nobody = uuid7(NOW_MS)
    none = await trace(database_url, nobody)
    assert (none.returncode, none.stderr) == (1, f"There is no hug {nobody}.\n")
    wrong = await trace(database_url, "7")
    assert wrong.returncode == 2
    assert "not an id" in wrong.stderr
