"""Requests for hugs under concurrency, against real PostgreSQL: whatever happens at once, one thing has happened."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Sequence

import msgspec
import pytest

from domain.errors import Conflict, Expired, Invalid, NotFound, Refusal
from domain.friendships import NO_LIMITS
from domain.hug_requests import (
    COMMUNITY_HUGS_MAX,
    COMMUNITY_MS,
    DIRECT_MS,
    NO_REQUEST_LIMITS,
    Deed,
    HugRequest,
    RequestLimits,
    RequestState,
    shown_to_asker,
    shown_to_receiver,
)
from domain.ids import uuid7
from domain.times import from_ms
from hub.handlers.friends import FriendHandlers
from hub.handlers.ports import Actor
from hub.handlers.requests import RequestHandlers
from protocol.commands import HugSend, RequestAnswer, RequestCancel, RequestCreate, UserBlock, UserUnblock
from protocol.events import Ok
from storage.hug_request_lists import load_hug_request
from storage.hug_requests import expire_within
from storage.inbox import InboxEvent, load_after
from storage.postgres import Database
from storage.ringing import Ringing
from tests.support.people import NOW_MS, befriend, make_users
from tests.support.rest_server import Recorder
from workers.requests import RequestCare

pytestmark = pytest.mark.contract


class Stage:
    """Two hubs' worth of handlers on one database, and a clock that a test may move."""

    def __init__(self, database: Database, limits: RequestLimits = NO_REQUEST_LIMITS) -> None:
        self.database = database
        self.now_ms = NOW_MS
        self.online: dict[str, str] = {}
        self.delivery = Recorder()
        self.committed: list[str] = []
        self.requests = RequestHandlers(database, self.delivery, self._shown, lambda: self.now_ms, limits)
        self.requests.on_committed.append(lambda hugs: self.committed.extend(hug[0] for hug in hugs))
        self.friends = FriendHandlers(database, self.delivery, lambda: self.now_ms, NO_LIMITS)

    async def _shown(self, users: Sequence[str]) -> dict[str, str]:
        return {user: self.online[user] for user in users if user in self.online}

    async def ask(self, asker: str, to: str | None = None) -> str:
        request = uuid7(self.now_ms)
        await self.requests.create(Actor(asker, "Ana"), RequestCreate(id=request, to=to))
        return request

    async def answer(self, user: str, request: str, *, accept: bool = True) -> Ok:
        return await self.requests.answer(Actor(user, "Ben"), RequestAnswer(id=request, accept=accept))

    async def send(self, user: str, request: str, to: str, hug: str | None = None) -> Ok:
        command = HugSend(id=hug or uuid7(self.now_ms), to=to, kind="bear", request=request)
        return await self.requests.fulfil(Actor(user, "Ben"), command)

    async def cancel(self, asker: str, request: str) -> Ok:
        return await self.requests.cancel(Actor(asker, "Ana"), RequestCancel(id=request))

    async def block(self, user: str, other: str) -> Ok:
        return await self.friends.block(Actor(user, "X"), UserBlock(user=other))

    async def expire(self) -> int:
        async with self.database.transaction() as connection:
            return len(await expire_within(connection, from_ms(self.now_ms), 500))

    async def stored(self, request: str) -> tuple[str, int]:
        row = await self.database.fetchrow("select state, hugs from hug_requests where id = $1", request)
        assert row is not None
        return row["state"], row["hugs"]

    async def state(self, user: str, request: str) -> RequestState | None:
        record = await load_hug_request(self.database, user, request, from_ms(self.now_ms))
        return record.state if record is not None else None

    async def kinds(self, user: str) -> list[str]:
        events = await load_after(self.database, [(user, 0)], 1_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [msgspec.json.decode(event.body)["type"] for event in events]

    async def willing(self, count: int) -> list[str]:
        users = await make_users(self.database, count)
        await self.database.execute(
            "insert into privacy (user_id, who_may_hug, who_sees_online, who_finds, who_befriends, takes_community_requests)"
            " select u, 'friends', 'friends', 'everyone', 'everyone', true from unnest($1::uuid[]) u",
            users,
        )
        return users


async def outcome(work: Awaitable[Ok]) -> str:
    """What the command came to: its `state`, or the name of its refusal."""
    try:
        return (await work).state or ""
    except Refusal as refusal:
        return type(refusal).__name__


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=20) as database:
        yield database


@pytest.fixture
async def stage(database: Database) -> Stage:
    return Stage(database)


async def pairs(stage: Stage, count: int) -> list[tuple[str, str, str]]:
    """Friends, and a request of the first to the second of each."""
    users = await make_users(stage.database, 2 * count)
    found = []
    for ana, ben in zip(users[::2], users[1::2], strict=True):
        await befriend(stage.database, [ana, ben])
        found.append((ana, ben, await stage.ask(ana, ben)))
    return found


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


async def test_asking_twice_at_once_is_asking_once(stage: Stage) -> None:
    ana, ben = await make_users(stage.database, 2)
    await befriend(stage.database, [ana, ben])
    await stage.willing(3)
    for to in (ben, None):
        command = RequestCreate(id=uuid7(NOW_MS), to=to)
        replies = await asyncio.gather(*(stage.requests.create(Actor(ana, "Ana"), command) for _ in range(10)))
        assert replies[1:] == replies[:-1]
        with pytest.raises(Conflict, match="another request"):
            await stage.requests.create(Actor(ana, "Ana"), RequestCreate(id=command.id, to=None if to else ben))
    assert await stage.kinds(ben) == ["request.received"]
    assert await stage.database.fetchval("select count(*) from inbox where kind = 'request.received'") == 4


async def test_requests_of_one_asker_at_once_do_not_pass_the_limits(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    for limits, to, most in [
        (RequestLimits(an_hour=4, community_open=0), ben, 4),
        (RequestLimits(an_hour=0, community_open=2), None, 2),
        (NO_REQUEST_LIMITS, ben, 50),
    ]:
        stage = Stage(database, limits)
        found = await asyncio.gather(
            *(
                outcome(stage.requests.create(Actor(ana, "A"), RequestCreate(id=uuid7(NOW_MS), to=to)))
                for _ in range(60)
            )
        )
        assert (found.count("open"), found.count("RateLimited")) == (most, 60 - most)
        await database.execute("delete from hug_requests")


async def test_the_community_is_asked_online_first_and_never_across_a_block(stage: Stage) -> None:
    people = await stage.willing(206)
    ana, blocked, blocker, gone, *others = people
    await stage.block(ana, blocked)
    await stage.block(blocker, ana)
    await stage.database.execute("update users set deleted_at = now() where id = $1", gone)
    (unwilling,) = await make_users(stage.database, 1)
    online, away = others[50:90], others[90:120]
    stage.online = dict.fromkeys(online, "online") | dict.fromkeys(away, "away") | {blocked: "online", ana: "online"}
    request = await stage.ask(ana)
    rows = await stage.database.fetch("select user_id from hug_request_receivers where request_id = $1", request)
    told = {str(row["user_id"]) for row in rows}
    assert len(told) == 200
    assert told >= {*online, *away}
    assert not told & {ana, blocked, blocker, gone, unwilling}
    inboxes = await stage.database.fetch("select user_id, seq from inbox where kind = 'request.received'")
    assert {str(row["user_id"]) for row in inboxes} == told == {event.user for event in stage.delivery.rung}


async def test_a_sample_of_many_is_spread_over_all(stage: Stage) -> None:
    people = await stage.willing(3_000)
    (ana,) = await make_users(stage.database, 1)
    rows: set[str] = set()
    for _ in range(5):
        request = await stage.ask(ana)
        found = await stage.database.fetch("select user_id from hug_request_receivers where request_id = $1", request)
        assert 100 <= len(found) <= 200
        rows |= {str(row["user_id"]) for row in found}
    assert len(rows) > 400, "not always the same people"
    thirds = [people[:1_000], people[1_000:2_000], people[2_000:]]
    assert all(rows & set(third) for third in thirds)


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
