"""What waits, or was pushed and not acked since, with all that is known of it: real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from domain.preferences import Channel
from domain.times import to_ms
from storage import notifications as module
from storage.notifications import ALL_SEQS, Pending, load_pending
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.pushes import HUG, Clock, ack, bring_hug, notification, notify

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def hugged(database: Database, clock: Clock, count: int) -> tuple[str, str]:
    """Bo has hugged Ana so often, and each hug waits to be pushed."""
    ana, bo = await make_users(database, 2)
    seqs = [await bring_hug(database, bo, ana, clock.now) for _ in range(count)]
    await notify(database, [notification(ana, seq, clock.now, actor=bo) for seq in seqs], clock.now)
    return ana, bo


async def pending(
    database: Database, user: str, kind: str = HUG, span: tuple[int, int] = ALL_SEQS, channel: str = "push"
) -> list[Pending]:
    return await load_pending(database, [user], [kind], [channel], [span])


async def seqs(database: Database, user: str, span: tuple[int, int] = ALL_SEQS) -> list[int]:
    return [each.seq for each in await pending(database, user, span=span)]


async def set_state(database: Database, state: str, *seqs: int) -> None:
    await database.execute("update notifications set state = $1 where seq = any($2::bigint[])", state, list(seqs))


async def test_all_that_is_known_of_it(database: Database, clock: Clock) -> None:
    ana, bo = await hugged(database, clock, 1)
    [each] = await pending(database, ana)
    assert each == Pending(
        ana,
        1,
        HUG,
        Channel.PUSH,
        bo,
        clock.ms,
        clock.ms + 86_400_000,
        is_waiting=True,
        is_acked=False,
        is_read=False,
        is_undone=False,
        is_own_doing=False,
        body=await database.fetchval("select body from inbox"),
    )


async def test_the_latest_come_first_and_only_so_many(
    database: Database, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana, _ = await hugged(database, clock, 6)
    assert await seqs(database, ana) == [6, 5, 4, 3, 2, 1]
    assert await seqs(database, ana, (2, 4)) == [4, 3, 2]
    assert await seqs(database, ana, (7, 9)) == []
    monkeypatch.setattr(module, "PENDING_MAX", 2)
    assert await seqs(database, ana) == [6, 5]
    assert await seqs(database, ana, (1, 4)) == [4, 3]


async def test_what_is_decided_is_over_and_what_was_pushed_is_until_it_is_acked(
    database: Database, clock: Clock
) -> None:
    ana, _ = await hugged(database, clock, 6)
    await set_state(database, "sent", 1, 2, 3)
    await set_state(database, "suppressed", 4)
    await set_state(database, "expired", 5)
    assert [(each.seq, each.is_waiting) for each in await pending(database, ana)] == [
        (6, True),
        (3, False),
        (2, False),
        (1, False),
    ]
    await ack(database, ana, 2)
    assert await seqs(database, ana) == [6, 3]
    await ack(database, ana, 6)
    assert [(each.seq, each.is_acked) for each in await pending(database, ana)] == [(6, True)]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into notification_reads values ($1, 2, now())",
        "insert into notification_marks (user_id, seq, read_at) values ($1, 1, now()), ($1, 2, now())",
        "insert into notification_marks (user_id, seq, deleted_at) values ($1, 1, now()), ($1, 2, now())",
        "update hugs set seen_at = now() where recipient_id = $1 and seq <= 2",
    ],
)
async def test_every_way_to_have_read_it(database: Database, clock: Clock, statement: str) -> None:
    ana, _ = await hugged(database, clock, 3)
    await database.execute(statement, ana)
    assert {each.seq: each.is_read for each in await pending(database, ana)} == {3: False, 2: True, 1: True}


async def test_marks_that_are_neither_read_nor_deleted_or_somebody_elses(database: Database, clock: Clock) -> None:
    ana, bo = await hugged(database, clock, 2)
    await database.execute("insert into notification_marks (user_id, seq) values ($1, 1)", ana)
    await database.execute("insert into notification_reads values ($1, 9, now())", bo)
    await database.execute("insert into notification_marks (user_id, seq, read_at) values ($1, 2, now())", bo)
    assert [each.is_read for each in await pending(database, ana)] == [False, False]


async def test_a_hug_that_was_taken_back(database: Database, clock: Clock) -> None:
    ana, _ = await hugged(database, clock, 2)
    await database.execute("update hugs set undone_at = now() where seq = 2")
    assert [(each.seq, each.is_undone) for each in await pending(database, ana)] == [(2, True), (1, False)]


async def test_a_hug_is_the_matter_of_its_own_event_alone(database: Database, clock: Clock) -> None:
    """An event of another kind has the number of no hug; a hug that was seen says nothing of it."""
    ana, bo = await hugged(database, clock, 1)
    await database.execute("update hugs set seq = 2, seen_at = now(), undone_at = now()")
    await notify(database, [notification(ana, 2, clock.now, "hug.felt", actor=bo)], clock.now)
    [felt] = await pending(database, ana, "hug.felt")
    assert (felt.is_read, felt.is_undone) == (False, False)


async def test_whose_doing_a_friendship_is(database: Database, clock: Clock) -> None:
    ana, bo, cleo = await make_users(database, 3)
    for asker, other in ((ana, bo), (cleo, ana)):
        low, high = sorted((asker, other))
        await database.execute("insert into friendships values ($1, $2, 'accepted', $3, now())", low, high, asker)
    kind = "friend.accepted"
    some = [notification(ana, 1, clock.now, kind, actor=bo), notification(ana, 2, clock.now, kind, actor=cleo)]
    await notify(database, some, clock.now)
    assert {each.actor: each.is_own_doing for each in await pending(database, ana, kind)} == {bo: False, cleo: True}
    await database.execute("delete from friendships")
    assert [each.is_own_doing for each in await pending(database, ana, kind)] == [False, False]


async def test_an_event_that_is_gone_has_no_body(database: Database, clock: Clock) -> None:
    ana, _ = await hugged(database, clock, 2)
    await database.execute("delete from inbox where seq = 1")
    assert [each.body is None for each in await pending(database, ana)] == [False, True]


async def test_users_kinds_and_channels_are_kept_apart(database: Database, clock: Clock) -> None:
    ana, bo = await hugged(database, clock, 1)
    some = [
        notification(ana, 2, clock.now, "hug.felt"),
        notification(ana, 3, clock.now, channel=Channel.EMAIL),
        notification(bo, 4, clock.now),
    ]
    await notify(database, some, clock.now)
    asked = await load_pending(
        database,
        [bo, ana, ana, bo],
        [HUG, "hug.felt", HUG, "hug.felt"],
        ["push", "push", "email", "push"],
        [ALL_SEQS] * 4,
    )
    assert sorted((each.seq, each.user) for each in asked) == [(2, ana), (3, ana), (4, bo)]
    assert [each.at_ms for each in asked] == [to_ms(clock.now)] * 3
