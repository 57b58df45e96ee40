"""Bursts are looked at by one worker at a time, and what a look decides is stored whole or not at all: real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from domain.ids import uuid7
from domain.preferences import Channel
from domain.times import to_ms
from storage.deliveries import NewDelivery, Settled, Verdict, settle
from storage.notifications import Burst, claim_bursts
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.pushes import HUG, Clock, notification, notify

pytestmark = pytest.mark.contract

CLAIMED_S = 30


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def claim(database: Database, clock: Clock, limit: int = 100) -> list[Burst]:
    return await claim_bursts(database, clock.now, until(clock.now), limit)


def until(now: datetime) -> datetime:
    return now + timedelta(seconds=CLAIMED_S)


def delivery(user: str, push: str, clock: Clock, provider: str = "log", kind: str = HUG) -> NewDelivery:
    return NewDelivery(uuid7(clock.ms), push, user, None, provider, kind, 1, 1, b"{}", clock.now + timedelta(hours=1))


async def send(
    database: Database, clock: Clock, bursts: Sequence[Burst], taken: datetime, due_at: datetime | None = None
) -> None:
    """Settle a look at *bursts* that were *taken* then, with a push for seq 1 of each."""
    pushes = [uuid7(clock.ms) for _ in bursts]
    await settle(
        database,
        [Settled(burst, due_at, is_sent=True) for burst in bursts],
        [Verdict(burst.user, 1, burst.channel, "sent", None, push) for burst, push in zip(bursts, pushes, strict=True)],
        [
            delivery(burst.user, push, clock, "email" if burst.channel is Channel.EMAIL else "log", burst.kind)
            for burst, push in zip(bursts, pushes, strict=True)
        ],
        clock.now,
        until(taken),
    )


async def burst_of(database: Database, user: str) -> dict[str, Any]:
    row = await database.fetchrow("select due_at, sent_at, claim from bursts where user_id = $1", user)
    assert row is not None
    return dict(row)


async def sent(database: Database) -> list[str]:
    rows = await database.fetch("select user_id from deliveries order by user_id")
    return [str(row["user_id"]) for row in rows]


async def states(database: Database, user: str) -> dict[tuple[int, str], str]:
    rows = await database.fetch("select seq, channel, state from notifications where user_id = $1", user)
    return {(row["seq"], row["channel"]): row["state"] for row in rows}


async def test_a_look_is_stored_with_all_that_it_decided(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    await notify(database, [notification(ana, seq, clock.now) for seq in (1, 2, 3)], clock.now)
    taken = clock.now
    [burst] = await claim(database, clock)
    assert (burst.user, burst.kind, burst.channel, burst.sent_at_ms) == (ana, HUG, Channel.PUSH, None)
    assert await claim(database, clock) == []

    clock.forward(1)
    push, later = uuid7(clock.ms), clock.now + timedelta(minutes=5)
    verdicts = [
        Verdict(ana, 1, Channel.PUSH, "sent", None, push),
        Verdict(ana, 2, Channel.PUSH, "waiting", "merging"),
        Verdict(ana, 3, Channel.PUSH, "suppressed", "muted"),
    ]
    made = delivery(ana, push, clock)
    await settle(database, [Settled(burst, later, is_sent=True)], verdicts, [made], clock.now, until(taken))
    assert await burst_of(database, ana) == {"due_at": later, "sent_at": clock.now, "claim": None}
    rows = await database.fetch("select state, reason, push_id, decided_at from notifications order by seq")
    assert [(row["state"], row["reason"], row["push_id"] and str(row["push_id"])) for row in rows] == [
        ("sent", None, push),
        ("waiting", "merging", None),
        ("suppressed", "muted", None),
    ]
    assert {row["decided_at"] for row in rows} == {clock.now}
    row = await database.fetchrow("select id, push_id, state, due_at, attempts, created_at, expires_at from deliveries")
    assert row is not None
    assert (str(row["id"]), str(row["push_id"]), row["state"], row["attempts"]) == (made.id, push, "queued", 0)
    assert (row["due_at"], row["created_at"], row["expires_at"]) == (clock.now, clock.now, made.expires_at)

    clock.forward(300)
    [again] = await claim(database, clock)
    assert (again.sent_at_ms, again.claim != burst.claim) == (to_ms(later) - 300_000, True)


async def test_a_look_without_a_push_leaves_the_last_one_on_record(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    await notify(database, [notification(ana, 1, clock.now)], clock.now)
    first = clock.now
    await send(database, clock, await claim(database, clock), clock.now, clock.now + timedelta(seconds=10))
    clock.forward(10)
    [burst] = await claim(database, clock)
    await settle(database, [Settled(burst, None, is_sent=False)], [], [], clock.now, until(clock.now))
    assert await burst_of(database, ana) == {"due_at": None, "sent_at": first, "claim": None}
    clock.forward(3_600)
    assert await claim(database, clock) == []


async def test_nothing_is_stored_of_a_look_that_took_too_long(database: Database, clock: Clock) -> None:
    """Neither a verdict nor a delivery: another worker has the burst, or has decided already."""
    ana, bo = await make_users(database, 2)
    await notify(database, [notification(ana, 1, clock.now), notification(bo, 1, clock.now)], clock.now)
    taken = clock.now
    slow = await claim(database, clock)
    clock.forward(CLAIMED_S)
    second = clock.now
    [stolen] = await claim(database, clock, limit=1)
    assert stolen.user in {ana, bo}
    kept = next(burst for burst in slow if burst.user != stolen.user)
    await send(database, clock, slow, taken)
    assert await sent(database) == [kept.user]
    assert await states(database, stolen.user) == {(1, "push"): "waiting"}
    assert await states(database, kept.user) == {(1, "push"): "sent"}
    assert (await burst_of(database, stolen.user))["due_at"] == until(second)

    await send(database, clock, [stolen], second)
    await send(database, clock, slow, taken)
    await send(database, clock, [stolen], second)
    assert await sent(database) == sorted([ana, bo])


async def test_channels_are_decided_apart(database: Database, clock: Clock) -> None:
    """A lost look at the pushes takes nothing from the mail of the same kind, and the other way round."""
    (ana,) = await make_users(database, 1)
    some = [notification(ana, 1, clock.now, channel=channel) for channel in (Channel.PUSH, Channel.EMAIL)]
    for lost, left in ((Channel.PUSH, "email"), (Channel.EMAIL, "push")):
        await database.execute("truncate notifications, bursts, deliveries")
        await notify(database, some, clock.now)
        taken, bursts = clock.now, await claim(database, clock)
        await database.execute("update bursts set claim = $1 where channel = $2", uuid7(clock.ms), lost)
        await send(database, clock, bursts, taken)
        expected = {(1, "push"): "sent", (1, "email"): "sent"} | {(1, str(lost)): "waiting"}
        assert await states(database, ana) == expected
        rows = await database.fetch("select provider from deliveries")
        assert [row["provider"] == "email" for row in rows] == [left == "email"]


async def test_what_comes_in_during_a_look_is_looked_at_again(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    await notify(database, [notification(ana, 1, clock.now)], clock.now)
    taken = clock.now
    bursts = await claim(database, clock)
    clock.forward(1)
    await notify(database, [notification(ana, 2, clock.now)], clock.now)
    came = clock.now
    clock.forward(1)
    await send(database, clock, bursts, taken, due_at=None)
    assert (await burst_of(database, ana))["due_at"] == came
    assert [burst.sent_at_ms for burst in await claim(database, clock)] == [clock.ms]


async def test_what_comes_in_at_the_same_instant_is_looked_at_again(database: Database, clock: Clock) -> None:
    (ana,) = await make_users(database, 1)
    await notify(database, [notification(ana, 1, clock.now)], clock.now)
    bursts = await claim(database, clock)
    await notify(database, [notification(ana, 2, clock.now)], clock.now)
    await send(database, clock, bursts, clock.now, due_at=clock.now + timedelta(hours=8))
    assert len(await claim(database, clock)) == 1


async def test_who_comes_first_is_looked_at_first(database: Database, clock: Clock) -> None:
    users = await make_users(database, 5)
    for user in reversed(users):
        await notify(database, [notification(user, 1, clock.now)], clock.now)
        clock.forward(1)
    taken = [burst.user for _ in range(3) for burst in await claim(database, clock, limit=2)]
    assert [set(taken[:2]), set(taken[2:4]), set(taken[4:])] == [set(users[3:]), set(users[1:3]), {users[0]}]


async def test_two_workers_never_have_the_same_burst(database: Database, clock: Clock) -> None:
    users = await make_users(database, 100)
    for _ in range(5):
        await notify(database, [notification(user, 1, clock.now) for user in users], clock.now)
        claims = await asyncio.gather(*(claim(database, clock, limit=20) for _ in range(8)))
        taken = [burst.user for some in claims for burst in some]
        while more := await claim(database, clock, limit=20):
            taken += [burst.user for burst in more]
        assert sorted(taken) == users
        clock.forward(CLAIMED_S)


async def test_one_push_comes_of_two_workers_that_decide_at_once(database: Database, clock: Clock) -> None:
    users = await make_users(database, 20)
    await notify(database, [notification(user, 1, clock.now) for user in users], clock.now)
    taken, slow = clock.now, await claim(database, clock)
    clock.forward(CLAIMED_S)
    again, quick = clock.now, await claim(database, clock)
    assert len(slow) == len(quick) == 20
    await asyncio.gather(
        send(database, clock, slow, taken),
        send(database, clock, list(reversed(quick)), again),
        send(database, clock, slow[::-1], taken),
        send(database, clock, quick, again),
    )
    assert await sent(database) == users
