"""The way to one provider when workers end, PostgreSQL is in the way, or what it is given is strange."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from domain.times import rfc3339
from protocol.events import AccountNotice
from storage import postgres
from tests.support.push_desk import (
    AT_ONCE,
    BUSY,
    RETRY_S,
    Desk,
    Scripted,
    until,
    until_so,
)
from tests.support.push_rig import Rig, rig_on
from tests.support.pushes import ack, add_address, add_device
from workers.push import breaker, sending
from workers.push.outgoing import Answer, Outgoing, Verdict
from workers.push.sending import ATTEMPTS, CLAIMED_FOR

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


async def test_a_line_that_ends_waits_for_what_is_under_way(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.is_open.clear()
    running = asyncio.create_task(desk.line.run())
    await until_so(lambda: desk.provider.flying == 1)
    running.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert desk.provider.entered == 1
    desk.provider.is_open.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await desk.state(delivery), desk.provider.entered) == (("accepted", None, 1), 0)


async def test_what_a_line_could_not_finish_comes_again_with_the_same_id_and_content(
    rig: Rig, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SEND_MAX_S", 0.01)
    made = await desk.push_to(6)
    desk.provider.is_open.clear()
    async with desk.open():
        await until_so(lambda: desk.provider.flying == AT_ONCE)
    states = sorted([await desk.state(each) for each in made], key=lambda state: state[0])
    assert [state for state, _, _ in states] == ["queued"] * 2 + ["sent"] * 4
    assert [attempts for _, _, attempts in states] == [0, 0, 1, 1, 1, 1]

    other = Desk(rig, Scripted())
    rig.clock.forward(CLAIMED_FOR.total_seconds())
    async with other.open():
        for each in made:
            await other.until(each, "accepted")
    first = {each.id: each.content for each in desk.provider.seen}
    again = {each.id: each.content for each in other.provider.seen}
    assert len(other.provider.seen) == 6
    assert first.items() <= again.items()


async def test_who_never_hears_the_end_of_it_stops_after_five_tries(
    rig: Rig, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that die during the try, each time."""
    monkeypatch.setattr(sending, "SEND_MAX_S", 0.01)
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    desk.provider.is_open.clear()
    for attempt in range(1, ATTEMPTS + 1):
        async with desk.open():
            await until_so(lambda attempt=attempt: len(desk.provider.seen) == attempt)  # type: ignore[misc]
        rig.clock.forward(CLAIMED_FOR.total_seconds())
    async with desk.open():
        assert await desk.until(delivery, "dead") == ("dead", "no_answer", ATTEMPTS)
    assert len(desk.provider.seen) == ATTEMPTS


async def test_an_answer_is_written_when_postgres_is_back(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent once, though what came of it could not be written for longer than a try may take."""
    monkeypatch.setattr(postgres, "STATEMENT_TIMEOUT_MS", 200)
    async with rig_on(database_url, redis_url) as rig:
        desk = Desk(rig, Scripted())
        ana, bo = await rig.friends(2)
        delivery = await desk.push(bo, ana)
        desk.provider.is_open.clear()
        async with desk.open():
            await until_so(lambda: desk.provider.flying == 1)
            async with rig.database.transaction() as connection:
                await connection.execute("lock table deliveries in share mode")
                desk.provider.is_open.set()
                await until_so(lambda: desk.provider.flying == 0)
                await until(lambda: _is_asked_after(rig, 0))
                first = await _asked_at(rig)
                await until(lambda: _is_asked_after(rig, first))
                rig.clock.forward(CLAIMED_FOR.total_seconds())
            assert await desk.until(delivery, "accepted") == ("accepted", None, 1)
        assert len(desk.provider.seen) == 1


async def _asked_at(rig: Rig) -> float:
    """When the writer has last begun to write."""
    seconds: float = await rig.database.fetchval(
        "select coalesce(extract(epoch from max(query_start)), 0)::float8 from pg_stat_activity where query like $1",
        "%set state = e.state%",
    )
    return seconds


async def _is_asked_after(rig: Rig, first: float) -> bool:
    return await _asked_at(rig) > first


async def test_an_answer_that_cannot_be_stored_as_it_is_holds_up_no_other(rig: Rig, desk: Desk) -> None:
    made = await desk.push_to(3)
    desk.provider.answers += [Answer(verdict=Verdict.ACCEPTED, detail="a\x00b", ref="\ud800")]
    async with desk.open():
        for each in made:
            await desk.until(each, "accepted")


async def test_a_provider_that_breaks_its_promise_harms_no_other_push(rig: Rig, desk: Desk) -> None:
    made = await desk.push_to(3)

    class Broken(Scripted):
        async def send(self, outgoing: Outgoing) -> Answer:
            if outgoing.id == made[0]:
                raise RuntimeError("a bug")
            return await super().send(outgoing)

    desk = Desk(rig, Broken())
    async with desk.open():
        for each in made[1:]:
            await desk.until(each, "accepted")
        assert (await desk.state(made[0]))[0] == "sent"


async def test_a_token_that_cannot_be_read_is_on_record(rig: Rig, desk: Desk) -> None:
    ana, bo = await rig.friends(2)
    delivery = await desk.push(bo, ana)
    await rig.database.execute("update devices set token = '\\x00'")
    async with desk.open():
        assert await desk.until(delivery, "failed") == ("failed", "unreadable_token", 1)
    assert desk.provider.seen == []


async def test_an_address_that_is_gone_is_written_to_by_nobody(rig: Rig) -> None:
    desk = Desk(rig, Scripted("email"))
    [ana] = await rig.friends(1)
    await add_address(rig.database, ana, "ana@a.example", rig.clock.now)
    await rig.bring(ana, AccountNotice(at=rfc3339(rig.clock()), about="password_changed"))
    [mail] = [each for each in await rig.look() if each.provider == "email"]
    await rig.database.execute("delete from credentials")
    async with desk.open():
        assert await desk.until(mail.id, "suppressed", "accepted") == ("suppressed", "no_device", 0)


async def test_a_mail_about_the_account_is_tried_again_though_a_device_has_acked(rig: Rig) -> None:
    """Maybe somebody else holds it."""
    desk = Desk(rig, Scripted("email"))
    desk.provider.answers += [BUSY]
    [ana] = await rig.friends(1)
    await add_address(rig.database, ana, "ana@a.example", rig.clock.now)
    await rig.bring(ana, AccountNotice(at=rfc3339(rig.clock()), about="password_changed"))
    [mail] = [each for each in await rig.look() if each.provider == "email"]
    async with desk.open():
        await desk.until(mail.id, "queued")
        await ack(rig.database, ana, 1)
        rig.clock.forward(RETRY_S)
        assert await desk.until(mail.id, "suppressed", "accepted") == ("accepted", None, 2)


async def test_a_newer_push_takes_the_place_of_one_that_waits(rig: Rig, desk: Desk) -> None:
    """It says all that the older one says: who was away with the provider is told once."""
    ana, bo = await rig.friends(2)
    await add_device(rig.database, bo, rig.clock.now)
    old = await desk.push(bo, ana)
    desk.provider.answers += [BUSY]
    async with desk.open():
        await desk.until(old, "queued")
        rig.clock.forward(0.001)
        new = await desk.push(bo, ana)
        await desk.until(new, "accepted")
        rig.clock.forward(RETRY_S)
        assert (await desk.until(old, "suppressed", "accepted"))[0] == "suppressed"
    assert [each.content.data["count"] for each in desk.provider.seen] == ["1", "2"]
