"""Deliveries: taken by one sender at a time, in order, for one try; real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.ids import uuid7
from domain.preferences import Channel
from storage.deliveries import (
    NewDelivery,
    Outcome,
    Settled,
    Target,
    Try,
    claim,
    load_superseded,
    load_targets,
    save_outcomes,
    settle,
)
from storage.notifications import claim_bursts
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.pushes import HUG, RING, Clock, add_address, add_device, hash_of, notification, notify

pytestmark = pytest.mark.contract

LEASE = timedelta(seconds=45)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def make(database: Database, clock: Clock, user: str, device: str | None, provider: str = "fcm") -> str:
    """A delivery that is due now; its id."""
    channel = Channel.EMAIL if provider == "email" else Channel.PUSH
    await notify(database, [notification(user, 1, clock.now, channel=channel)], clock.now)
    delivery = uuid7(clock.ms)
    expires_at = clock.now + timedelta(hours=24)
    new = NewDelivery(delivery, uuid7(clock.ms), user, device, provider, HUG, 1, 3, b'{"a": 1}', expires_at)
    bursts = await claim_bursts(database, clock.now, clock.now + LEASE, 100)
    await settle(
        database,
        [Settled(burst, None, is_sent=True) for burst in bursts],
        [],
        [new],
        clock.now,
        clock.now + LEASE,
    )
    return delivery


async def take(database: Database, clock: Clock, provider: str = "fcm", limit: int = 100) -> list[Try]:
    return await claim(database, provider, clock.now, clock.now + LEASE, limit)


async def row_of(database: Database, delivery: str) -> dict[str, Any]:
    row = await database.fetchrow("select * from deliveries where id = $1", delivery)
    assert row is not None
    return dict(row)


async def test_a_try_has_all_that_a_sender_needs(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now, token="abc")
    clock.forward(60)
    delivery = await make(database, clock, ana, device)
    [each] = await take(database, clock)
    assert each.token is not None
    assert RING.open(each.token, "devices", "token", device) == "abc"
    assert (each.id, each.user, each.device, each.kind) == (delivery, ana, device, HUG)
    assert (each.first_seq, each.last_seq, each.content, each.attempts) == (1, 3, b'{"a": 1}', 1)
    assert (each.created_ms, each.expires_ms) == (clock.ms, clock.ms + 86_400_000)
    assert each.token_hash == hash_of("abc")
    row = await row_of(database, delivery)
    assert (row["state"], row["attempts"], row["sent_at"], row["due_at"]) == ("sent", 1, clock.now, clock.now + LEASE)


async def test_a_try_is_nobody_elses_until_its_time_is_up(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now)
    delivery = await make(database, clock, ana, device)
    first = await take(database, clock)
    clock.forward(LEASE.total_seconds() - 0.001)
    assert await take(database, clock) == []
    clock.forward(0.001)
    [again] = await take(database, clock)
    assert (again.id, again.content, again.attempts) == (delivery, first[0].content, 2)


async def test_what_is_not_due_yet_and_what_is_anothers(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now, "apns")
    delivery = await make(database, clock, ana, device, "apns")
    assert await take(database, clock, "fcm") == []
    clock.forward(-0.001)
    assert await take(database, clock, "apns") == []
    clock.forward(0.001)
    assert [each.id for each in await take(database, clock, "apns")] == [delivery]


async def test_who_has_waited_longest_goes_first(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now)
    made = []
    for _ in range(5):
        made.append(await make(database, clock, ana, device))
        clock.forward(1)
    await database.execute("update deliveries set due_at = due_at - interval '1 hour' where id = $1", made[4])
    taken = [each.id for _ in range(3) for each in await take(database, clock, limit=2)]
    assert taken == [made[0], made[4], made[1], made[2], made[3]]


async def test_senders_at_once_share_what_there_is(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    await add_device(database, ana, clock.now)
    made = [await make(database, clock, ana, None, "log") for _ in range(60)]
    for _ in range(4):
        claims = await asyncio.gather(*(take(database, clock, "log", 15) for _ in range(8)))
        taken = [each.id for some in claims for each in some]
        while more := await take(database, clock, "log"):
            taken += [each.id for each in more]
        assert sorted(taken) == sorted(made)
        clock.forward(LEASE.total_seconds())


async def test_a_device_that_went_to_somebody_else_gets_nothing(database: Database, clock: Clock) -> None:
    """Neither under its old id, should that ever move, nor when it is gone."""
    ana, bo = await make_users(database, 2)
    moved, gone, kept = [await add_device(database, ana, clock.now, token=token) for token in "abc"]
    made = {device: await make(database, clock, ana, device) for device in (moved, gone, kept)}
    await database.execute("update devices set user_id = $2 where id = $1", moved, bo)
    await database.execute("delete from devices where id = $1", gone)
    await add_device(database, bo, clock.now, token="b")
    tokens = {each.id: each.token is not None for each in await take(database, clock)}
    assert tokens == {made[moved]: False, made[gone]: False, made[kept]: True}


async def test_a_newer_one_for_the_same_place_replaces_what_waits(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    phone, tablet, of_bo = [
        await add_device(database, user, clock.now, token=token)
        for user, token in ((ana, "phone"), (ana, "tablet"), (bo, "of bo"))
    ]
    places = ((ana, phone), (ana, tablet), (bo, of_bo))
    old = {device: await make(database, clock, user, device) for user, device in places}
    mailed = await make(database, clock, ana, None, "email")
    waiting = [*old.values(), mailed]
    assert await load_superseded(database, waiting) == set()
    clock.forward(1)
    new = await make(database, clock, ana, phone)
    assert await load_superseded(database, [*waiting, new]) == {old[phone]}
    for state, is_replacing in {"accepted": True, "suppressed": False, "dead": False, "failed": False}.items():
        await database.execute("update deliveries set state = $2 where id = $1", new, state)
        assert await load_superseded(database, waiting) == ({old[phone]} if is_replacing else set())
    await database.execute("update deliveries set state = 'queued', kind = 'hug.felt' where id = $1", new)
    assert await load_superseded(database, waiting) == set(), "of something else"


async def test_a_renewed_token_is_the_one_that_is_used(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now, token="old")
    await make(database, clock, ana, device)
    sealed = RING.seal("new", "devices", "token", device)
    await database.execute(
        "update devices set token = $2, token_hash = $3 where id = $1", device, sealed, hash_of("new")
    )
    [each] = await take(database, clock)
    assert (each.token, each.token_hash) == (sealed, hash_of("new"))


async def test_mail_goes_to_the_address_of_now(database: Database, clock: Clock) -> None:
    ana, bo = await make_users(database, 2)
    for user, email in ((ana, "ana@old.example"), (bo, "bo@b.example")):
        await add_address(database, user, email, clock.now)
        await make(database, clock, user, None, "email")
    await database.execute("update credentials set email = 'ana@new.example' where user_id = $1", ana)
    await database.execute("delete from credentials where user_id = $1", bo)
    assert {each.user: each.token for each in await take(database, clock, "email")} == {
        ana: b"ana@new.example",
        bo: None,
    }
    await add_address(database, bo, "bo@c.example", clock.now)
    await make(database, clock, bo, None, "log")
    assert [each.token for each in await take(database, clock, "log")] == [None]


async def test_how_a_try_ended_is_on_record(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now)
    accepted, again, void, dead = [await make(database, clock, ana, device) for _ in range(4)]
    await take(database, clock)
    clock.forward(2)
    due = clock.now + timedelta(seconds=5)
    outcomes = [
        Outcome(accepted, "accepted", answer="200", ref="r1"),
        Outcome(again, "queued", "retry", due, "503"),
        Outcome(void, "queued", "quiet_hours", due, is_void=True),
        Outcome(dead, "dead", "gave_up", answer="500"),
    ]
    await save_outcomes(database, outcomes, clock.now)
    columns = ("state", "reason", "due_at", "answer", "provider_ref", "attempts", "accepted_at")
    rows = {each: await row_of(database, each) for each in (accepted, again, void, dead)}
    assert {each: tuple(row[column] for column in columns) for each, row in rows.items()} == {
        accepted: ("accepted", None, None, "200", "r1", 1, clock.now),
        again: ("queued", "retry", due, "503", None, 1, None),
        void: ("queued", "quiet_hours", due, None, None, 0, None),
        dead: ("dead", "gave_up", None, "500", None, 1, None),
    }
    clock.forward(5)
    assert {each.id: each.attempts for each in await take(database, clock)} == {again: 2, void: 1}
    await save_outcomes(database, [Outcome(again, "accepted")], clock.now)
    row = await row_of(database, again)
    assert (row["answer"], row["provider_ref"], row["reason"]) == ("503", None, None)


@pytest.mark.parametrize("state", ["queued", "accepted", "opened", "suppressed", "expired", "dead", "failed"])
async def test_who_answers_too_late_changes_nothing(database: Database, clock: Clock, state: str) -> None:
    (ana,) = await make_users(database, 1)
    device = await add_device(database, ana, clock.now)
    used = await database.fetchval("select used_at from devices")
    delivery = await make(database, clock, ana, device)
    await take(database, clock)
    await database.execute("update deliveries set state = $1, answer = 'first'", state)
    before = await row_of(database, delivery)
    clock.forward(3 * 86_400)
    late = Outcome(delivery, "accepted", "x", clock.now, "late", "ref", is_void=True)
    await save_outcomes(database, [late, Outcome(uuid7(clock.ms), "accepted")], clock.now)
    assert await row_of(database, delivery) == before
    assert await database.fetchval("select used_at from devices") == used


async def test_an_accepted_push_shows_that_a_device_is_in_use(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    device, other = [await add_device(database, ana, clock.now) for _ in range(2)]
    start = clock.now
    used = "select used_at from devices where id = $1"
    for hours, state, expected in ((23, "accepted", 0), (2, "failed", 0), (1, "accepted", 26), (1, "accepted", 26)):
        clock.forward(hours * 3_600)
        delivery = await make(database, clock, ana, device)
        await take(database, clock)
        await save_outcomes(database, [Outcome(delivery, state)], clock.now)  # type: ignore[arg-type]
        assert await database.fetchval(used, device) == start + timedelta(hours=expected)
    assert await database.fetchval(used, other) == start


async def test_where_users_are_told(database: Database, clock: Clock) -> None:
    ana, bo, cleo = await make_users(database, 3)
    phone = await add_device(database, ana, clock.now, "fcm", language="ar")
    browser = await add_device(database, ana, clock.now, "webpush")
    await add_address(database, ana, "ana@a.example", clock.now)
    await add_address(database, bo, "bo@b.example", clock.now)
    await database.execute("insert into push_preferences (user_id, language, changed_at) values ($1, 'ar', now())", bo)
    await add_device(database, cleo, clock.now)
    found = await load_targets(database, [ana, bo])
    assert sorted(found, key=lambda target: (target.user, target.provider)) == [
        Target(ana, "email", None, "en"),
        Target(ana, "fcm", phone, "ar"),
        Target(ana, "webpush", browser, "en"),
        Target(bo, "email", None, "ar"),
    ]
    assert await load_targets(database, []) == []
