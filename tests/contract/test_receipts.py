"""Acks and reading marks against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from domain.ids import uuid7
from storage.hug_commits import HugCommits, NewHug
from storage.postgres import Database
from storage.receipts import Receipt, Receipts
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def send(database: Database, sender: str, recipient: str, count: int) -> list[str]:
    ids = [uuid7(NOW_MS) for _ in range(count)]
    left = asyncio.Semaphore(0)
    async with HugCommits(database, lambda _events: None) as commits:
        for hug_id in ids:
            commits.append(
                NewHug(hug_id, sender, recipient, "bear", None, None, b"{}", NOW_MS),
                lambda _hug, _answer: left.release(),
            )
        for _ in ids:
            await left.acquire()
    return ids


async def test_an_ack_is_cumulative_and_each_hug_is_delivered_once(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    ids = await send(database, ana, bo, 5)
    delivered: list[Receipt] = []

    def on_delivered(receipts: Sequence[Receipt], _now_ms: int) -> None:
        delivered.extend(receipts)

    for seq in (3, 2, 5, 5):
        async with Receipts(database, lambda: NOW_MS, on_delivered) as receipts:
            receipts.ack(bo, seq)
    assert sorted(receipt.hug for receipt in delivered) == sorted(ids)
    assert {receipt.sender for receipt in delivered} == {ana}
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 5


async def test_an_ack_never_passes_the_head(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    await send(database, ana, bo, 2)
    async with Receipts(database, lambda: NOW_MS, lambda _receipts, _now_ms: None) as receipts:
        receipts.ack(bo, 1_000)
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 2


async def test_seen_counts_once_and_only_for_the_recipient(database: Database) -> None:
    ana, bo, cleo = await make_users(database, 3)
    ids = await send(database, ana, bo, 2)
    receipts = Receipts(database, lambda: NOW_MS, lambda _receipts, _now_ms: None)
    assert await receipts.mark_seen(cleo, ids, NOW_MS) == []
    assert {receipt.hug for receipt in await receipts.mark_seen(bo, [*ids, uuid7(NOW_MS)], NOW_MS)} == set(ids)
    assert await receipts.mark_seen(bo, ids, NOW_MS) == []
