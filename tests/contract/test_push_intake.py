"""Events of the inbox on their way to become notifications, against real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest

from domain.ids import uuid7
from domain.preferences import Channel
from storage.hug_commits import HugCommits, NewHug
from storage.notifications import EVENTS_MAX, Intake, claim_bursts, load_arrived, load_unnotified, save_arrived
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.pushes import Clock, ack, bring_hug, notification, notify

pytestmark = pytest.mark.contract

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=12) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def fill(database: Database, user: str, count: int) -> None:
    """So many events in an inbox that has nothing."""
    await database.execute(
        "insert into inbox (user_id, seq, kind, body, at) select $1, s, 'hug.received', '{}', now() from generate_series(1, $2) s",
        user,
        count,
    )
    await database.execute("update inbox_heads set seq = $2 where user_id = $1", user, count)


async def take_in(database: Database, users: list[str], clock: Clock) -> Intake:
    """One look, as a worker makes it."""
    intake = await load_arrived(database, users)
    news = [notification(event.user, event.seq, event.at, event.kind) for event in intake.events]
    await save_arrived(database, news, intake.through, clock.now)
    return intake


async def stored(database: Database, user: str) -> list[int]:
    rows = await database.fetch("select seq from notifications where user_id = $1 order by seq", user)
    return [row["seq"] for row in rows]


async def notified(database: Database, user: str) -> int:
    seq: int = await database.fetchval("select notified_seq from inbox_heads where user_id = $1", user)
    return seq


async def test_what_is_new_is_taken_in_once_and_in_order(database: Database, clock: Clock) -> None:
    ana, bo, cleo = await make_users(database, 3)
    for sender in (bo, cleo, bo):
        await bring_hug(database, sender, ana, clock.now)
    await bring_hug(database, ana, bo, clock.now)
    intake = await take_in(database, [ana, bo, cleo], clock)
    assert [(event.user, event.seq, event.at) for event in intake.events] == [
        (ana, 1, clock.now),
        (ana, 2, clock.now),
        (ana, 3, clock.now),
        (bo, 1, clock.now),
    ]
    assert (intake.through, intake.is_more) == ({ana: 3, bo: 1}, False)
    assert await take_in(database, [ana, bo, cleo], clock) == Intake([], {}, is_more=False)
    await bring_hug(database, bo, ana, clock.now)
    assert [event.seq for event in (await take_in(database, [ana], clock)).events] == [4]
    assert await stored(database, ana) == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [EVENTS_MAX - 1, EVENTS_MAX, EVENTS_MAX + 1, 2 * EVENTS_MAX])
async def test_more_than_is_read_at_once_comes_with_the_next_look(database: Database, clock: Clock, count: int) -> None:
    ana, bo = await make_users(database, 2)
    await fill(database, ana, count)
    await fill(database, bo, 1)
    looks = [await take_in(database, [ana, bo], clock)]
    while looks[-1].is_more:
        looks.append(await take_in(database, [ana, bo], clock))
    assert all(len(look.events) <= EVENTS_MAX + 1 for look in looks)
    assert await stored(database, ana) == list(range(1, count + 1))
    assert (await notified(database, ana), await notified(database, bo)) == (count, 1)


async def test_what_was_acked_meanwhile_is_nobodys_news(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    for _ in range(4):
        await bring_hug(database, bo, ana, clock.now)
    await ack(database, ana, 3)
    assert [event.seq for event in (await take_in(database, [ana], clock)).events] == [4]
    await bring_hug(database, bo, ana, clock.now)
    await ack(database, ana, 5)
    assert await take_in(database, [ana], clock) == Intake([], {}, is_more=False)
    assert await stored(database, ana) == [4]


async def test_what_is_out_of_retention_holds_nothing_up(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    await fill(database, ana, 5)
    await fill(database, bo, 5)
    await database.execute("delete from inbox where user_id = $1 or seq <= 3", ana)
    intake = await take_in(database, [ana, bo], clock)
    assert [(event.user, event.seq) for event in intake.events] == [(bo, 4), (bo, 5)]
    assert (await notified(database, ana), await notified(database, bo)) == (5, 5)
    assert await load_unnotified(database, NOBODY, 10) == ([], None)


async def test_who_reads_late_takes_nothing_back(database: Database, clock: Clock) -> None:
    """Two workers: the one that has read less stores after the other."""
    ana, bo = await make_users(database, 2)
    await bring_hug(database, bo, ana, clock.now)
    early = await load_arrived(database, [ana])
    await bring_hug(database, bo, ana, clock.now)
    await take_in(database, [ana], clock)
    news = [notification(event.user, event.seq, event.at) for event in early.events]
    await save_arrived(database, news, early.through, clock.now)
    assert (await notified(database, ana), await stored(database, ana)) == (2, [1, 2])


async def test_nobody_is_marked_beyond_what_is_there(database: Database, clock: Clock) -> None:
    """A restored database may have less than a worker has read."""
    ana, bo = await make_users(database, 2)
    await bring_hug(database, bo, ana, clock.now)
    await save_arrived(database, [], {ana: 9, bo: 9}, clock.now)
    assert (await notified(database, ana), await notified(database, bo)) == (1, 0)


async def test_a_notification_wakes_its_burst_at_once_and_puts_off_none(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    await notify(database, [notification(ana, 1, clock.now), notification(ana, 2, clock.now)], clock.now)
    early = clock.now
    clock.forward(5)
    mail = notification(ana, 3, clock.now, channel=Channel.EMAIL)
    await notify(database, [notification(ana, 3, clock.now), mail, notification(bo, 1, clock.now)], clock.now)
    rows = await database.fetch("select user_id, channel, due_at from bursts order by user_id, channel")
    assert [(str(row["user_id"]), row["channel"], row["due_at"]) for row in rows] == [
        (ana, "email", clock.now),
        (ana, "push", early),
        (bo, "push", clock.now),
    ]
    await database.execute("update bursts set due_at = $1", clock.now + timedelta(hours=1))
    await notify(database, [notification(ana, 4, clock.now)], clock.now)
    due = "select due_at from bursts where user_id = $1 and channel = $2"
    assert await database.fetchval(due, ana, "push") == clock.now
    assert await database.fetchval(due, ana, "email") == clock.now + timedelta(hours=1)


async def test_what_cannot_be_stored_is_not_passed(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    await bring_hug(database, bo, ana, clock.now)
    await database.execute("alter table notifications add check (kind <> 'hug.received') not valid")
    with pytest.raises(Exception, match="notifications"):
        await take_in(database, [ana], clock)
    assert await notified(database, ana) == 0
    assert await database.fetchval("select count(*) from bursts") == 0


async def test_the_sweep_finds_who_has_news_page_by_page(database: Database, clock: Clock) -> None:
    users = await make_users(database, 7)
    with_news = [users[0], users[3], users[6]]
    for user in with_news:
        await bring_hug(database, users[1], user, clock.now)
    await bring_hug(database, users[1], users[5], clock.now)
    await ack(database, users[5], 1)
    found: list[str] = []
    after: str | None = NOBODY
    while after is not None:
        some, after = await load_unnotified(database, after, 2)
        found += some
    assert found == with_news
    await take_in(database, users, clock)
    assert await load_unnotified(database, NOBODY, 10) == ([], None)


async def test_workers_and_hubs_at_once_lose_nothing_and_do_not_lock_each_other_out(
    database: Database, clock: Clock
) -> None:
    users = await make_users(database, 12)
    random = Random(1)
    loop = asyncio.get_running_loop()
    is_over = False

    async def send(commits: HugCommits) -> None:
        for _ in range(12):
            answers: list[asyncio.Future[object]] = []
            for _ in range(20):
                sender, recipient = random.sample(users, 2)
                future: asyncio.Future[object] = loop.create_future()
                body = b'{"type":"hug.received"}'
                hug = NewHug(uuid7(clock.ms), sender, recipient, "bear", None, None, body, clock.ms)
                commits.append(hug, lambda _hug, answer, future=future: future.set_result(answer))
                answers.append(future)
            assert not [answer for answer in await asyncio.gather(*answers) if isinstance(answer, Exception)]

    async def work() -> None:
        while not is_over:
            some = random.sample(users, 8)
            await take_in(database, some, clock)
            await claim_bursts(database, clock.now, clock.now, 50)

    async with HugCommits(database, lambda _: None) as one, HugCommits(database, lambda _: None) as other:
        workers = [asyncio.create_task(work()) for _ in range(4)]
        await asyncio.gather(send(one), send(other))
        is_over = True
        await asyncio.gather(*workers)
    await take_in(database, users, clock)
    lost = await database.fetchval(
        "select count(*) from inbox i left join notifications n using (user_id, seq) where n.seq is null"
    )
    assert lost == 0
    assert await database.fetchval("select count(*) from notifications") == 2 * 12 * 20
    assert await load_unnotified(database, NOBODY, 100) == ([], None)
    assert await database.fetchval("select deadlocks from pg_stat_database where datname = current_database()") == 0
