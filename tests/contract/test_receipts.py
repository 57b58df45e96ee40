"""Acks and reading marks against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from domain.ids import uuid7
from domain.times import to_ms
from storage.hug_commits import HugCommits, NewHug
from storage.hugs import HugRecord, load_hug
from storage.postgres import Database
from storage.privacy import save_privacy
from storage.receipts import Receipt, Receipts
from tests.support.people import NOW_MS, Hidden, make_users

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
        async with Receipts(database, Hidden(), lambda: NOW_MS, on_delivered) as receipts:
            receipts.ack(bo, seq, "phone")
    assert sorted(receipt.hug for receipt in delivered) == sorted(ids)
    assert {receipt.sender for receipt in delivered} == {ana}
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 5


async def test_an_ack_never_passes_the_head(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    await send(database, ana, bo, 2)
    async with Receipts(database, Hidden(), lambda: NOW_MS, lambda _receipts, _now_ms: None) as receipts:
        receipts.ack(bo, 1_000, "phone")
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 2


async def test_seen_counts_once_and_only_for_the_recipient(database: Database) -> None:
    ana, bo, cleo = await make_users(database, 3)
    ids = await send(database, ana, bo, 2)
    receipts = Receipts(database, Hidden(), lambda: NOW_MS, lambda _receipts, _now_ms: None)
    assert await receipts.mark_seen(cleo, ids, NOW_MS) == []
    assert {receipt.hug for receipt in await receipts.mark_seen(bo, [*ids, uuid7(NOW_MS)], NOW_MS)} == set(ids)
    assert await receipts.mark_seen(bo, ids, NOW_MS) == []


async def acked(database: Database, hidden: Hidden, user: str, seq: int) -> list[str]:
    """What the senders are told of an ack."""
    told: list[str] = []
    async with Receipts(
        database, hidden, lambda: NOW_MS + 1, lambda some, _: told.extend(r.hug for r in some)
    ) as receipts:
        receipts.ack(user, seq, "phone")
    return told


async def seen(database: Database, hidden: Hidden, user: str, *hugs: str) -> list[str]:
    """What the senders are told when *user* has read *hugs*."""
    receipts = Receipts(database, hidden, lambda: NOW_MS, lambda _receipts, _now_ms: None)
    return [receipt.hug for receipt in await receipts.mark_seen(user, hugs, NOW_MS + 2)]


async def view(database: Database, user: str, hug: str) -> HugRecord:
    record = await load_hug(database, user, hug)
    assert record is not None
    return record


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize("recipient_shares", [True, False])
@pytest.mark.parametrize("sender_shares", [True, False])
async def test_the_sender_may_know_where_both_share_and_the_recipient_does_not_hide(
    database: Database, sender_shares: bool, recipient_shares: bool, is_hidden: bool
) -> None:
    ana, bo = await make_users(database, 2)
    await save_privacy(database, ana, {"shares_receipts": sender_shares})
    await save_privacy(database, bo, {"shares_receipts": recipient_shares})
    (hug,) = await send(database, ana, bo, 1)
    hidden = Hidden()
    hidden.elsewhere = {bo} if is_hidden else set()
    may_know = sender_shares and recipient_shares and not is_hidden

    assert await acked(database, hidden, bo, 1) == ([hug] if may_know else [])
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 1
    assert (await view(database, ana, hug)).delivered_ms == (NOW_MS + 1 if may_know else None)

    assert await seen(database, hidden, bo, hug) == ([hug] if may_know else [])
    assert (await view(database, ana, hug)).seen_ms == (NOW_MS + 2 if may_know else None)
    assert (await view(database, bo, hug)).seen_ms == NOW_MS + 2, "the recipient knows what they have done"


async def test_what_was_done_in_hiding_is_never_told(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    first, second, third = await send(database, ana, bo, 3)
    hidden = Hidden()
    hidden.here = {bo}
    assert await acked(database, hidden, bo, 2) == []
    assert await seen(database, hidden, bo, first) == []
    hidden.here = set()
    assert await acked(database, hidden, bo, 3) == [third]
    assert await seen(database, hidden, bo, first, second) == [second], "but what is seen openly has been delivered"
    records = [await view(database, ana, hug) for hug in (first, second, third)]
    assert [(record.delivered_ms, record.seen_ms) for record in records] == [
        (None, None),
        (NOW_MS + 2, NOW_MS + 2),
        (NOW_MS + 1, None),
    ]


async def test_who_acks_in_hiding_and_goes_before_it_is_written_is_not_told(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    await send(database, ana, bo, 1)
    told: list[Receipt] = []
    hidden = Hidden()
    async with Receipts(database, hidden, lambda: NOW_MS, lambda some, _: told.extend(some)) as receipts:
        hidden.here = {bo}
        receipts.ack(bo, 1, "phone")
        hidden.here = set()
    assert told == []
    assert await database.fetchval("select acked_seq from inbox_heads where user_id = $1", bo) == 1


async def test_a_block_ends_receipts_towards_the_blocked(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    hugs = await send(database, ana, bo, 2)
    back = await send(database, bo, ana, 1)
    await database.execute("insert into blocks (user_id, blocked_id, created_at) values ($1, $2, now())", bo, ana)
    assert await acked(database, Hidden(), bo, 1) == []
    assert await seen(database, Hidden(), bo, *hugs) == []
    assert await acked(database, Hidden(), ana, 1) == back, "who has blocked may know"


async def acks_of(database: Database, *hugs: str) -> list[tuple[int | None, str | None]]:
    """When each was acked and by which device, as its recipient may know it."""
    rows = await database.fetch("select acked_at, acked_by from hugs where id = any($1::uuid[]) order by seq", hugs)
    return [(row["acked_at"] and to_ms(row["acked_at"]), row["acked_by"]) for row in rows]


@pytest.mark.parametrize("why", ["nothing is told", "hidden", "not shared", "not shared by the sender", "blocked"])
async def test_the_recipient_may_always_know_when_a_device_had_it(database: Database, why: str) -> None:
    ana, bo = await make_users(database, 2)
    first, second, taken_back, later = await send(database, ana, bo, 4)
    await database.execute("update hugs set undone_at = now() where id = $1", taken_back)
    hidden = Hidden()
    if why == "hidden":
        hidden.here = {bo}
    elif why == "blocked":
        await database.execute("insert into blocks (user_id, blocked_id, created_at) values ($1, $2, now())", bo, ana)
    elif why != "nothing is told":
        await save_privacy(database, bo if why == "not shared" else ana, {"shares_receipts": False})
    told = await acked(database, hidden, bo, 3)
    assert told == ([first, second] if why == "nothing is told" else [])
    at = NOW_MS + 1
    assert await acks_of(database, first, second, taken_back, later) == [(at, "phone")] * 3 + [(None, None)]
    assert (await view(database, ana, taken_back)).delivered_ms is None


async def test_a_hug_was_first_acked_once(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    hugs = await send(database, ana, bo, 4)
    now_ms = NOW_MS
    async with Receipts(database, Hidden(), lambda: now_ms, lambda _receipts, _now_ms: None) as receipts:
        receipts.ack(bo, 1, "laptop")
        receipts.ack(bo, 2, "phone")  # in the same write: it has both
        receipts.ack(bo, 1, "watch")
    now_ms = NOW_MS + 5_000
    async with Receipts(database, Hidden(), lambda: now_ms, lambda _receipts, _now_ms: None) as receipts:
        receipts.ack(bo, 3, None)
    now_ms = NOW_MS + 9_000
    async with Receipts(database, Hidden(), lambda: now_ms, lambda _receipts, _now_ms: None) as receipts:
        receipts.ack(bo, 2, "watch")
        receipts.ack(bo, 4, "watch")
    assert await acks_of(database, *hugs) == [
        (NOW_MS, "phone"),
        (NOW_MS, "phone"),
        (NOW_MS + 5_000, None),
        (NOW_MS + 9_000, "watch"),
    ]


async def test_what_was_delivered_by_being_seen_is_not_told_again(database: Database) -> None:
    ana, bo = await make_users(database, 2)
    (hug,) = await send(database, ana, bo, 1)
    assert await seen(database, Hidden(), bo, hug) == [hug]
    assert await acked(database, Hidden(), bo, 1) == []
    assert (await view(database, ana, hug)).delivered_ms == NOW_MS + 2
    assert await acks_of(database, hug) == [(NOW_MS + 1, "phone")]


async def test_two_nodes_to_which_the_same_people_ack_do_not_lock_each_other_out(database: Database) -> None:
    ana, *people = await make_users(database, 6)
    hugs = [(await send(database, ana, user, 1))[0] for user in people]

    async def ack(users: Sequence[str]) -> None:
        async with Receipts(database, Hidden(), lambda: NOW_MS, lambda _receipts, _now_ms: None) as receipts:
            for user in users:
                receipts.ack(user, 1, "phone")

    async with database.transaction() as connection:
        await connection.execute("select from hugs where id = $1 for update", hugs[2])
        nodes = [asyncio.create_task(ack(users)) for users in (people, people[::-1])]
        while await database.fetchval("select count(*) from pg_locks where not granted") < 2:  # noqa: ASYNC110  PostgreSQL tells nobody
            await asyncio.sleep(0.01)
    await asyncio.gather(*nodes)
    assert await acks_of(database, *hugs) == [(NOW_MS, "phone")] * 5
