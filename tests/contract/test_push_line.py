"""The way to one provider, on real PostgreSQL: what is tried, how often, and what is on record of it."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.preferences import Preferences
from domain.presence import Rank
from domain.quiet_hours import QuietHours
from tests.support.push_desk import (
    ACCEPTED,
    AT_ONCE,
    BUSY,
    FRESH_S,
    GONE,
    RETRY_S,
    SILENT,
    Desk,
    Scripted,
    is_blocked,
    is_state,
    until,
    until_so,
)
from tests.support.push_rig import Rig, rig_on
from tests.support.pushes import ack, prefer
from workers.push import breaker, sending
from workers.push.outgoing import Answer, Verdict
from workers.push.sending import ATTEMPTS

pytestmark = pytest.mark.contract


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that no test is about."""
    monkeypatch.setattr(sending, "IDLE_S", 0.01)
    monkeypatch.setattr(sending, "AWAY_S", 0.01)
    monkeypatch.setattr(breaker, "PAUSE_MIN_S", 0.05)
    monkeypatch.setattr(breaker, "PAUSE_MAX_S", 0.1)


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with rig_on(database_url, redis_url) as rig:
        yield rig


@pytest.fixture
def desk(rig: Rig) -> Desk:
    return Desk(rig, Scripted())


async def test_what_is_accepted_is_sent_once(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    async with desk.open():
        assert await desk.until(delivery, "accepted") == ("accepted", None, 1)
        rig.clock.forward(3_600)
        other = await desk.push(bo, ana)
        await desk.until(other, "accepted")
    assert [each.id for each in desk.provider.seen] == [delivery, other]
    device = await rig.database.fetchval("select id from devices")
    first = desk.provider.seen[0]
    assert (first.user, first.to, first.ttl_s) == (ana, str(device), 86_400)
    assert first.content.data["delivery"] == delivery
    row = await rig.database.fetchrow("select * from deliveries where id = $1", delivery)
    assert row is not None
    assert (row["answer"], row["provider_ref"], row["due_at"]) == ("200", "r", None)
    assert desk.counts.tries == {("fcm", "accepted"): 2}


async def test_a_retry_is_the_same_push_again_not_sooner_than_asked_for(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.answers += [Answer(verdict=Verdict.RETRY, detail="429", retry_after_s=120.0)]
    async with desk.open():
        assert await desk.until(delivery, "queued", "accepted") == ("queued", "retry", 1)
        assert 120 < await desk.due_in_s(delivery) <= 120 + RETRY_S
        rig.clock.forward(120)
        [other] = await desk.push_to(1)
        await desk.until(other, "accepted")
        assert len(desk.provider.seen) == 2
        rig.clock.forward(RETRY_S)
        assert await desk.until(delivery, "accepted") == ("accepted", None, 2)
    first, _, again = desk.provider.seen
    assert (again.id, again.content, again.to) == (first.id, first.content, first.to)
    assert again.ttl_s == 86_400 - 125


async def test_pauses_grow_and_after_five_tries_it_is_given_up(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.answers += [BUSY] * (ATTEMPTS - 1) + [SILENT]
    async with desk.open():
        for attempt in range(1, ATTEMPTS):
            await until(lambda attempt=attempt: is_state(desk, delivery, ("queued", "retry", attempt)))  # type: ignore[misc]
            due_in_s = await desk.due_in_s(delivery)
            assert 0 < due_in_s <= min(600, RETRY_S * 4 ** (attempt - 1))
            rig.clock.forward(due_in_s + 0.001)
        assert await desk.until(delivery, "dead", "accepted") == ("dead", "gave_up", ATTEMPTS)
        rig.clock.forward(86_000)
    assert {each.id for each in desk.provider.seen} == {delivery}
    assert len(desk.provider.seen) == ATTEMPTS
    assert desk.counts.tries == {("fcm", "retry"): ATTEMPTS - 1, ("fcm", "silent"): 1}


async def test_nothing_is_tried_when_it_is_worth_nothing_any_more(rig: Rig, desk: Desk) -> None:
    late, over = await desk.push_to(2)
    desk.provider.answers += [BUSY, Answer(verdict=Verdict.RETRY, retry_after_s=86_400)]
    async with desk.open():
        await until_so(lambda: len(desk.provider.seen) == 2)
        states = {await desk.until(late, "queued", "expired"), await desk.until(over, "queued", "expired")}
        assert states == {("queued", "retry", 1), ("expired", "expired", 1)}
        rig.clock.forward(86_400)
        assert await desk.until(late, "expired") == ("expired", "expired", 1)
        assert await desk.until(over, "expired") == ("expired", "expired", 1)
    assert len(desk.provider.seen) == 2


async def test_a_dead_token_goes_and_its_push_with_it(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    rig.clock.forward(60)
    delivery = await desk.push(bo, ana)
    desk.provider.answers += [GONE]
    async with desk.open():
        assert await desk.until(delivery, "dead") == ("dead", "token_gone", 1)
        await until_so(lambda: desk.counts.removed["fcm"] == 1)
    assert await rig.database.fetchval("select count(*) from devices") == 0


async def test_a_token_that_was_registered_after_it_died_stays(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    answer = Answer(verdict=Verdict.GONE, gone_since_ms=rig.clock() - 60_000)
    desk.provider.answers += [answer]
    async with desk.open():
        assert await desk.until(delivery, "dead") == ("dead", "token_gone", 1)
    assert await rig.database.fetchval("select count(*) from devices") == 1
    assert desk.counts.held_back == {}


@pytest.mark.parametrize(("verdict", "misconfigured"), [(Verdict.MISCONFIGURED, {"fcm": 1}), (Verdict.REFUSED, {})])
async def test_what_can_never_be_sent_is_not_tried_again_and_the_token_stays(
    rig: Rig, desk: Desk, verdict: Verdict, misconfigured: dict[str, int]
) -> None:
    delivery, other = await desk.push_to(2)
    desk.provider.answers += [Answer(verdict=verdict, detail="403")]
    async with desk.open():
        states = {await desk.until(each, "failed", "accepted") for each in (delivery, other)}
        assert states == {("failed", str(verdict), 1), ("accepted", None, 1)}
        rig.clock.forward(3_600)
        assert len(desk.provider.seen) == 2
    assert await rig.database.fetchval("select count(*) from devices") == 2
    assert desk.counts.misconfigured == misconfigured


async def test_no_more_are_under_way_than_the_provider_takes(rig: Rig, desk: Desk) -> None:
    made = await desk.push_to(13)
    desk.provider.is_open.clear()
    async with desk.open():
        await until_so(lambda: desk.provider.flying == AT_ONCE)
        desk.provider.is_open.set()
        for each in made:
            await desk.until(each, "accepted")
    assert desk.provider.most_flying == AT_ONCE
    assert sorted(each.id for each in desk.provider.seen) == sorted(made)


async def test_nothing_but_probes_while_a_provider_is_away_and_everything_when_it_is_back(rig: Rig, desk: Desk) -> None:
    made = await desk.push_to(20)
    desk.provider.usual = SILENT
    async with desk.open():
        await until_so(lambda: desk.counts.open_breakers.get("fcm", False) and desk.provider.flying == 0)
        at_opening = len(desk.provider.seen)
        assert at_opening <= breaker.OPEN_AFTER + 2 * AT_ONCE
        desk.provider.most_flying = 0
        for _ in range(8):  # probes, far more than the tries of one push
            rig.clock.forward(60)
            before = len(desk.provider.seen)
            await until_so(lambda before=before: len(desk.provider.seen) > before)  # type: ignore[misc]
        assert desk.provider.most_flying == 1
        states = [await desk.state(each) for each in made]
        assert {state for state, _, _ in states} <= {"queued", "sent"}
        assert max(attempts for _, _, attempts in states) <= 2
        desk.provider.usual = ACCEPTED

        async def is_over() -> bool:
            rig.clock.forward(30)
            return {each.state for each in await rig.pushed()} == {"accepted"}

        await until(is_over)
        await until_so(lambda: not desk.counts.open_breakers["fcm"])
    assert len({each.id for each in desk.provider.seen if each.id in made}) == 20


async def test_refused_credentials_cost_no_push_and_are_an_alarm(rig: Rig, desk: Desk) -> None:
    """Whoever is to mend them may take an hour: then everything goes out, however often it was refused."""
    refused = Answer(verdict=Verdict.MISCONFIGURED, detail="401 UNAUTHENTICATED", is_of_all=True)
    made = await desk.push_to(8)
    desk.provider.usual = refused
    async with desk.open():
        for _ in range(3 * ATTEMPTS):
            before = len(desk.provider.seen)
            rig.clock.forward(60)
            await until_so(lambda before=before: len(desk.provider.seen) > before)  # type: ignore[misc]
        assert {(await desk.state(each))[0] for each in made} <= {"queued", "sent"}
        desk.provider.usual = ACCEPTED

        async def is_over() -> bool:
            rig.clock.forward(30)
            return {each.state for each in await rig.pushed()} == {"accepted"}

        await until(is_over)
    assert desk.counts.misconfigured["fcm"] >= 3 * ATTEMPTS
    assert await rig.database.fetchval("select count(*) from devices") == 8


async def test_what_was_taken_just_before_a_provider_went_away_is_not_sent_into_the_void(rig: Rig, desk: Desk) -> None:
    """The claim waits for a lock while what is under way fails: what it then brings goes back but for a probe."""
    desk.provider.in_flight_max = 8
    desk.provider.usual = SILENT
    desk.provider.is_open.clear()
    first = await desk.push_to(breaker.OPEN_AFTER)
    async with desk.open():
        await until_so(lambda: desk.provider.flying == len(first))
        async with rig.database.transaction() as connection:
            await connection.execute("lock table deliveries in share row exclusive mode")
            await connection.execute(
                "insert into deliveries (id, push_id, user_id, device_id, provider, kind, first_seq, last_seq, content, state,"
                " due_at, expires_at, created_at) select gen_random_uuid(), push_id, user_id, device_id, provider, kind, first_seq,"
                " last_seq, content, 'queued', created_at, expires_at, created_at from deliveries"
            )
            await until(lambda: is_blocked(rig))
            desk.provider.is_open.set()
            await until_so(lambda: desk.provider.flying == 0)
            desk.provider.is_open.clear()
            desk.provider.most_flying = 0

        async def is_probed() -> bool:
            rig.clock.forward(0.1)
            return desk.provider.flying > 0

        await until(is_probed)
        begun = desk.provider.most_flying
        desk.provider.is_open.set()
    assert begun == 1


async def test_an_ack_before_another_try_ends_it(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.answers += [BUSY]
    async with desk.open():
        await desk.until(delivery, "queued")
        await ack(rig.database, ana, 1)
        rig.clock.forward(RETRY_S)
        assert await desk.until(delivery, "suppressed") == ("suppressed", "acked", 1)
    assert len(desk.provider.seen) == 1


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("insert into mutes values ($1, $2, null, now())", "muted"),
        ("insert into blocks values ($2, $1, now())", "blocked"),
        ("update hugs set undone_at = now() where $1::uuid <> $2::uuid", "undone"),
        ("update hugs set seen_at = now() where $1::uuid <> $2::uuid", "read"),
        ("delete from devices where user_id = $1 and $1::uuid <> $2::uuid", "no_device"),
        ("update devices set user_id = $2 where user_id = $1", "no_device"),
    ],
)
async def test_what_has_waited_is_asked_about_again(rig: Rig, desk: Desk, statement: str, reason: str) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    rig.clock.forward(FRESH_S)
    await rig.database.execute(statement, ana, bo)
    async with desk.open():
        assert await desk.until(delivery, "suppressed", "accepted") == ("suppressed", reason, 0)
    assert desk.provider.seen == []


async def test_quiet_hours_that_have_begun_meanwhile_put_it_off(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.answers += [BUSY]
    async with desk.open():
        await desk.until(delivery, "queued")
        start, end = rig.clock.now - timedelta(hours=1), (rig.clock.now + timedelta(hours=2)).replace(microsecond=0)
        hours = QuietHours(start.time().replace(microsecond=0), end.time(), "UTC")
        await prefer(rig.database, ana, Preferences(quiet_hours=hours), rig.clock.now)
        rig.clock.forward(RETRY_S)
        await until(lambda: is_state(desk, delivery, ("queued", "quiet_hours", 1)))
        due_in_s = await desk.due_in_s(delivery)
        assert due_in_s == pytest.approx((end - rig.clock.now).total_seconds())
        rig.clock.forward(due_in_s)
        assert await desk.until(delivery, "accepted") == ("accepted", None, 2)


async def test_who_is_not_to_be_disturbed_meanwhile_is_told_later(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    await rig.connect(Rank.DO_NOT_DISTURB, ana)
    rig.clock.forward(FRESH_S)
    async with desk.open():
        await until(lambda: is_state(desk, delivery, ("queued", "do_not_disturb", 0)))
        await rig.disconnect(ana)
        rig.clock.forward(30)
        assert await desk.until(delivery, "accepted") == ("accepted", None, 1)
