"""Requests for hugs under concurrency, against real PostgreSQL: whatever happens at once, one thing has happened."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from domain.errors import Conflict, Expired, Invalid, NotFound
from domain.hug_requests import (
    COMMUNITY_HUGS_MAX,
    COMMUNITY_MS,
    DIRECT_MS,
    Deed,
    HugRequest,
    RequestState,
    shown_to_asker,
    shown_to_receiver,
)
from domain.ids import uuid7
from domain.times import from_ms
from hub.handlers.ports import Actor
from protocol.commands import RequestCreate, UserUnblock
from storage.hug_commits import HugCommits, NewHug
from storage.hug_requests import expire_within
from storage.inbox import InboxEvent, load_after
from storage.postgres import Database
from storage.ringing import Ringing
from tests.support.people import NOW_MS, befriend, make_users
from tests.support.requests import Stage, outcome, pairs
from workers.requests import RequestCare

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=20) as database:
        yield database


@pytest.fixture
async def stage(database: Database) -> Stage:
    return Stage(database)


async def test_twenty_answers_at_once_are_one_hug_with_one_reply(stage: Stage) -> None:
    ((ana, ben, request),) = await pairs(stage, 1)
    replies = await asyncio.gather(*(stage.answer(ben, request) for _ in range(20)))
    assert len({reply.hug for reply in replies}) == 1
    assert replies[1:] == replies[:-1]
    assert await stage.kinds(ana) == ["hug.received", "request.answered"]
    assert await stage.stored(request) == ("fulfilled", 1)
    assert set(stage.committed) == {replies[0].hug}
    row = await stage.database.fetchrow("select id, request_id from hugs")
    assert row is not None
    assert (str(row["id"]), str(row["request_id"])) == (replies[0].hug, request)


async def test_yes_and_no_at_once_are_one_of_the_two(stage: Stage) -> None:
    for ana, ben, request in await pairs(stage, 25):
        found = await asyncio.gather(
            outcome(stage.answer(ben, request)), outcome(stage.answer(ben, request, accept=False))
        )
        assert sorted(found) in (["Conflict", "accepted"], ["Conflict", "declined"])
        hugged = found[0] == "accepted"
        assert await stage.stored(request) == (("fulfilled", 1) if hugged else ("declined", 0))
        assert await stage.kinds(ana) == (["hug.received", "request.answered"] if hugged else [])


async def test_an_answer_and_the_withdrawal_at_once_are_one_of_the_two(stage: Stage) -> None:
    for ana, ben, request in await pairs(stage, 25):
        found = await asyncio.gather(outcome(stage.answer(ben, request)), outcome(stage.cancel(ana, request)))
        assert list(found) in (["accepted", "Expired"], ["Expired", "cancelled"])
        hugged = found[0] == "accepted"
        assert await stage.stored(request) == (("fulfilled", 1) if hugged else ("cancelled", 0))
        assert await stage.kinds(ana) == (["hug.received", "request.answered"] if hugged else [])
        assert await stage.kinds(ben) == ["request.received"] + ([] if hugged else ["request.expired"])


async def test_an_answer_in_time_and_the_end_at_once_are_one_of_the_two(stage: Stage) -> None:
    """The worker's clock is ahead of the hub's: to the one the time is up, to the other it is not."""
    asked = await pairs(stage, 25)
    late = from_ms(stage.now_ms + DIRECT_MS)

    async def expire() -> None:
        async with stage.database.transaction() as connection:
            await expire_within(connection, late, 1)

    for ana, ben, request in asked:
        found, _ = await asyncio.gather(outcome(stage.answer(ben, request)), expire())
        state, hugs = await stage.stored(request)
        if found == "accepted":
            assert (state, hugs) == ("fulfilled", 1)
        else:
            assert (found, state, hugs) == ("Expired", "expired", 0)
            assert await stage.kinds(ana) == []


async def test_two_workers_at_once_end_each_request_once(stage: Stage) -> None:
    asked = await pairs(stage, 40)
    for _, ben, request in asked[::2]:
        await stage.answer(ben, request, accept=False)
    await stage.database.execute("update hug_requests set expires_at = now() - interval '1 second'")
    rung: list[InboxEvent] = []

    class Recorded(Ringing):
        async def ring(self, events: Sequence[InboxEvent]) -> None:
            rung.extend(events)

    def care() -> RequestCare:
        return RequestCare(stage.database, Recorded(None, None))  # type: ignore[arg-type]  nothing is looked up

    await asyncio.gather(*(care().expire() for _ in range(4)))
    await care().expire()
    for number, (ana, ben, request) in enumerate(asked):
        has_declined = number % 2 == 0
        assert await stage.kinds(ana) == ["request.expired"]
        assert await stage.kinds(ben) == ["request.received"] + ([] if has_declined else ["request.expired"])
        assert (await stage.stored(request))[0] == "expired"
        assert await stage.state(ana, request) is RequestState.EXPIRED
        assert await stage.state(ben, request) is (RequestState.DECLINED if has_declined else RequestState.EXPIRED)
    assert len(rung) == 40 + 20
    assert {(event.user, event.seq) for event in rung if event.user == asked[0][0]} == {(asked[0][0], 1)}


async def test_twelve_of_the_community_at_once_give_exactly_ten_hugs(stage: Stage) -> None:
    (ana,) = await make_users(stage.database, 1)
    people = await stage.willing(12)
    request = await stage.ask(ana)
    both = [*people, *people]  # each of them twice, as if from two devices
    found = await asyncio.gather(*(outcome(stage.answer(user, request)) for user in both))
    assert found.count("accepted") == 2 * COMMUNITY_HUGS_MAX
    assert found.count("Expired") == 4
    assert await stage.stored(request) == ("fulfilled", COMMUNITY_HUGS_MAX)
    events = [msgspec.json.decode(event.body) for event in await load_after(stage.database, [(ana, 0)], 100)]
    assert [event["type"] for event in events] == ["hug.received", "request.answered"] * COMMUNITY_HUGS_MAX
    answered = events[1::2]
    assert [event["hugs"] for event in answered] == list(range(1, COMMUNITY_HUGS_MAX + 1))
    assert [event["state"] for event in answered] == ["open"] * (COMMUNITY_HUGS_MAX - 1) + ["fulfilled"]
    assert [event["id"] for event in events[::2]] == [event["hug"] for event in answered]
    assert len(set(stage.committed)) == COMMUNITY_HUGS_MAX


async def test_a_block_and_an_answer_at_once_are_one_of_the_two(stage: Stage) -> None:
    for number, (ana, ben, request) in enumerate(await pairs(stage, 30)):
        blocker, blocked = (ana, ben) if number % 2 else (ben, ana)
        found, _ = await asyncio.gather(outcome(stage.answer(ben, request)), stage.block(blocker, blocked))
        assert found in ("accepted", "NotFound")
        expected = ("cancelled" if blocker == ana else "declined", 0)
        assert await stage.stored(request) == (("fulfilled", 1) if found == "accepted" else expected)
        assert await stage.kinds(ana) == (["hug.received", "request.answered"] if found == "accepted" else [])
        assert await stage.kinds(ben) == ["request.received"], "a block tells nobody anything"


async def test_everything_at_once_neither_deadlocks_nor_leaves_anything_half_done(stage: Stage) -> None:
    users = await stage.willing(6)
    await befriend(stage.database, [*users, users[0]][:6])
    for user in users:
        await stage.database.execute("update privacy set who_may_ask = 'everyone' where user_id = $1", user)
    dice = random.Random(13)
    asked: list[tuple[str, str | None, str]] = []

    async def act() -> str:
        one, other = dice.sample(users, 2)
        if dice.random() < 0.3 or not asked:
            to = other if dice.random() < 0.7 else None
            request = uuid7(stage.now_ms)
            asked.append((one, to, request))
            return await outcome(stage.requests.create(Actor(one, "X"), RequestCreate(id=request, to=to)))
        asker, _, request = dice.choice(asked)
        acts = [
            lambda: stage.answer(other, request),
            lambda: stage.answer(other, request, accept=False),
            lambda: stage.send(other, request, asker),
            lambda: stage.cancel(asker, request),
            lambda: stage.block(one, other),
            lambda: stage.friends.unblock(Actor(one, "X"), UserUnblock(user=other)),
        ]
        return await outcome(dice.choices(acts, weights=[4, 2, 4, 1, 1, 2])[0]())

    for _ in range(12):
        found = await asyncio.gather(*(act() for _ in range(25)))
        assert not {"Unavailable", "Refusal", "Forbidden"} & set(found), found
        await stage.expire()
    for asker, to, request in asked:
        row = await stage.database.fetchrow("select state, hugs from hug_requests where id = $1", request)
        count = await stage.database.fetchval("select count(*) from hugs where request_id = $1", request)
        if row is None:
            assert count == 0
            continue
        assert row["hugs"] == count
        assert (row["state"] == "fulfilled") == (count == (1 if to is not None else COMMUNITY_HUGS_MAX))
        told = [msgspec.json.decode(e.body) for e in await load_after(stage.database, [(asker, 0)], 10_000)]
        assert sum(e["type"] == "request.answered" and e["id"] == request for e in told) == count
    for user in users:
        await stage.kinds(user)  # no gap in any inbox


async def test_a_hug_may_be_sent_as_a_hug_and_is_then_the_answer(stage: Stage) -> None:
    ((ana, ben, request),) = await pairs(stage, 1)
    hug = uuid7(NOW_MS)
    first = await stage.send(ben, request, ana, hug)
    assert (first.id, first.state) == (hug, "accepted")
    stage.now_ms += 5_000
    assert await stage.send(ben, request.upper(), ana.upper(), hug.upper()) == first
    answered = await stage.answer(ben, request)
    assert (answered.hug, answered.at) == (hug, first.at)
    with pytest.raises(Conflict, match="another hug already"):
        await stage.send(ben, request, ana)
    with pytest.raises(Conflict, match="answered this request with a hug"):
        await stage.answer(ben, request, accept=False)
    assert await stage.kinds(ana) == ["hug.received", "request.answered"]


async def test_whoever_is_not_asked_cannot_answer(stage: Stage) -> None:
    ((ana, ben, request),) = await pairs(stage, 1)
    (eve,) = await make_users(stage.database, 1)
    for user, what, to in [(eve, request, ana), (ana, request, ben), (ben, uuid7(NOW_MS), ana)]:
        for work in (stage.answer(user, what), stage.answer(user, what, accept=False), stage.send(user, what, to)):
            with pytest.raises(NotFound, match="No such request"):
                await work
    with pytest.raises(NotFound, match="No such request"):
        await stage.cancel(ben, request)
    with pytest.raises(Invalid, match="whoever has asked"):
        await stage.send(ben, request, eve)
    assert await stage.stored(request) == ("open", 0)


async def test_a_hug_whose_id_is_taken_answers_nothing(stage: Stage) -> None:
    (ana, ben, request), (cleo, dan, other) = await pairs(stage, 2)
    taken = await stage.answer(dan, other)
    assert taken.hug is not None
    with pytest.raises(Conflict, match="another hug"):
        await stage.send(ben, request, ana, taken.hug)
    assert await stage.stored(request) == ("open", 0)
    assert await stage.kinds(ana) == []
    assert (await stage.answer(ben, request)).state == "accepted"
    assert await stage.kinds(cleo) == ["hug.received", "request.answered"]


async def test_one_id_sent_with_and_without_the_request_at_once_is_one_hug(stage: Stage) -> None:
    loop = asyncio.get_running_loop()
    for ana, ben, request in await pairs(stage, 20):
        plain = NewHug(uuid7(NOW_MS), ben, ana, "bear", None, None, b'{"type":"hug.received"}', NOW_MS)
        done: asyncio.Future[object] = loop.create_future()
        async with HugCommits(stage.database, lambda _events: None) as commits:
            commits.append(plain, lambda _hug, answer, done=done: done.set_result(answer))  # type: ignore[misc]
            found, committed = await asyncio.gather(outcome(stage.send(ben, request, ana, plain.id)), done)
        assert committed == NOW_MS
        assert found in ("accepted", "Conflict", "Unavailable")
        assert await stage.stored(request) == (("fulfilled", 1) if found == "accepted" else ("open", 0))
        assert await stage.kinds(ana) == ["hug.received"] + (["request.answered"] if found == "accepted" else [])


async def test_what_is_listed_is_what_the_rules_say(stage: Stage) -> None:
    """Every state, before and after its time, as the asker and the receiver see it: SQL and domain agree."""
    ana, ben = await make_users(stage.database, 2)
    for is_community in (False, True):
        for state in RequestState:
            for deed in Deed:
                if is_community and Deed.DECLINED in (deed, state):
                    continue
                request = uuid7(NOW_MS)
                end_ms = NOW_MS + COMMUNITY_MS
                settled = None if state is RequestState.OPEN else from_ms(NOW_MS)
                await stage.database.execute(
                    "insert into hug_requests (id, asker_id, recipient_id, state, created_at, expires_at, settled_at)"
                    " values ($1, $2, $3, $4, $5, $6, $7)",
                    request,
                    ana,
                    None if is_community else ben,
                    str(state),
                    from_ms(NOW_MS),
                    from_ms(end_ms),
                    settled,
                )
                await stage.database.execute(
                    "insert into hug_request_receivers (request_id, user_id, hug_id, declined_at) values ($1, $2, $3, $4)",
                    request,
                    ben,
                    uuid7(NOW_MS) if deed is Deed.HUGGED else None,
                    from_ms(NOW_MS) if deed is Deed.DECLINED else None,
                )
                stored = HugRequest(is_community, state, 0, end_ms)
                for stage.now_ms in (NOW_MS, end_ms - 1, end_ms):
                    assert await stage.state(ana, request) is shown_to_asker(stored, stage.now_ms)
                    if state is not RequestState.DECLINED or deed is Deed.DECLINED:
                        expected = shown_to_receiver(stored, deed, stage.now_ms)
                        assert await stage.state(ben, request) is expected


async def test_after_a_block_is_lifted_nothing_comes_back(stage: Stage) -> None:
    (ana, ben, request), (cleo, dan, other) = await pairs(stage, 2)
    await stage.block(ana, ben)  # who has asked
    await stage.block(dan, cleo)  # who was asked
    for user, blocked in ((ana, ben), (dan, cleo)):
        await stage.friends.unblock(Actor(user, "X"), UserUnblock(user=blocked))
    for user, what in ((ben, request), (dan, other)):
        with pytest.raises(NotFound, match="No such request"):
            await stage.answer(user, what)
        assert await stage.state(user, what) is None
    assert await stage.state(ana, request) is RequestState.CANCELLED
    assert await stage.state(cleo, other) is RequestState.OPEN, "nothing tells that one was blocked"
    stage.now_ms += DIRECT_MS
    with pytest.raises(Expired):
        await stage.cancel(cleo, other)
    assert await stage.state(cleo, other) is RequestState.EXPIRED
