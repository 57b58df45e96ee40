"""Friendships and blocks under concurrency, against real PostgreSQL."""

import asyncio
import random
from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.errors import Conflict, Forbidden, NotFound, Refusal
from domain.friendships import NO_LIMITS, FriendLimits, Friendship
from domain.times import from_ms
from hub.handlers.friends import FriendHandlers
from hub.handlers.marks import MarkHandlers
from hub.handlers.ports import Actor
from protocol.commands import FriendAnswer, FriendEnd, FriendRequest, UserBlock, UserUnblock
from protocol.events import Ok
from storage.inbox import NewEvent, load_after
from storage.pairs import locked_pair
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users
from tests.support.rest_server import Recorder

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=10) as database:
        yield database


def handlers(database: Database, limits: FriendLimits = NO_LIMITS) -> tuple[FriendHandlers, Recorder]:
    delivery = Recorder()
    return FriendHandlers(database, delivery, lambda: NOW_MS, limits), delivery


async def kinds(database: Database, user: str) -> list[str]:
    events = await load_after(database, [(user, 0)], 1_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [msgspec.json.decode(event.body)["type"] for event in events]


async def test_a_pair_is_seen_alike_from_both_sides(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    for stored, mirrored in [
        (Friendship.REQUESTED, Friendship.INCOMING),
        (Friendship.FRIENDS, Friendship.FRIENDS),
        (Friendship.NONE, Friendship.NONE),
        (Friendship.INCOMING, Friendship.REQUESTED),
    ]:
        async with locked_pair(database, ana, ben) as pair:
            await pair.save_friendship(stored, NOW)
        async with locked_pair(database, ana, ben) as pair:
            assert pair.friendship is stored
        async with locked_pair(database, ben, ana) as pair:
            assert pair.friendship is mirrored


async def test_an_exception_undoes_everything(database: Database) -> None:
    ana, ben = await make_users(database, 2)

    async def change_our_mind() -> None:
        async with locked_pair(database, ana, ben) as pair:
            await pair.save_friendship(Friendship.FRIENDS, NOW)
            await pair.count_request(NOW)
            await pair.append([NewEvent(ben, "friend.accepted", b"{}")])
            raise Forbidden("no more room")

    with pytest.raises(Forbidden):
        await change_our_mind()
    async with locked_pair(database, ana, ben) as pair:
        assert pair.friendship is Friendship.NONE
        assert await pair.count_request(NOW) == (1, NOW_MS)
    assert await kinds(database, ben) == []


async def test_who_does_not_exist_acts_no_more_and_is_nobody_to_others(database: Database) -> None:
    ana, gone = await make_users(database, 2)
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    for nobody in (gone, "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"):
        with pytest.raises(NotFound, match="No such user"):
            await locked_pair(database, nobody, ana).__aenter__()
        async with locked_pair(database, ana, nobody) as pair:
            assert not pair.relation.exists
            await pair.save_block(NOW)
    assert await database.fetchval("select count(*) from blocks") == 0


@pytest.mark.parametrize("is_back", [False, True])
async def test_a_block_ends_follows_and_friendship_both_ways(database: Database, is_back: bool) -> None:
    ana, ben, eve = await make_users(database, 3)
    for one, other in ((ana, ben), (ben, ana), (ana, eve), (eve, ben)):
        async with locked_pair(database, one, other) as pair:
            await pair.save_friendship(Friendship.FRIENDS, NOW)
            await pair.save_follow(NOW)
    async with locked_pair(database, *((ben, ana) if is_back else (ana, ben))) as pair:
        await pair.save_block(NOW)
    follows = await database.fetch("select user_id, followed_id from follows")
    assert {(str(one), str(other)) for one, other in follows} == {(ana, eve), (eve, ben)}
    assert await database.fetchval("select count(*) from friendships") == 2


async def test_crossing_requests_always_make_one_friendship(database: Database) -> None:
    friends, delivery = handlers(database)
    users = await make_users(database, 100)
    for ana, ben in zip(users[::2], users[1::2], strict=True):
        answers = await asyncio.gather(
            friends.request(Actor(ana, "Ana"), FriendRequest(to=ben)),
            friends.request(Actor(ben, "Ben"), FriendRequest(to=ana)),
        )
        assert sorted(answer.state or "" for answer in answers) == ["accepted", "requested"]
        asked = next(other for other, answer in zip((ben, ana), answers, strict=True) if answer.state == "requested")
        asker = ana if asked == ben else ben
        assert await kinds(database, asked) == ["friend.requested", "friend.accepted"]
        assert await kinds(database, asker) == ["friend.accepted"]
    assert await database.fetchval("select count(*) from friendships where state = 'accepted'") == 50
    assert len(delivery.turned) == 50


async def test_fifty_times_the_same_request_at_once_is_one(database: Database) -> None:
    friends, delivery = handlers(database, FriendLimits(requests_a_day=1))
    ana, ben = await make_users(database, 2)
    command = FriendRequest(to=ben)
    answers = await asyncio.gather(*(friends.request(Actor(ana, "Ana"), command) for _ in range(50)))
    assert {answer.state for answer in answers} == {"requested"}
    assert await kinds(database, ben) == ["friend.requested"]
    assert len(delivery.rung) == 1


async def test_everybody_with_everybody_at_once_neither_deadlocks_nor_passes_the_limit(database: Database) -> None:
    friends, _ = handlers(database, FriendLimits(friends=3, requests_a_day=0))
    users = await make_users(database, 8)
    pairs = [(one, other) for one in users for other in users if one != other]
    random.Random(7).shuffle(pairs)
    answers = await asyncio.gather(
        *(friends.request(Actor(one, "A"), FriendRequest(to=other)) for one, other in pairs), return_exceptions=True
    )
    assert all(isinstance(answer, (Ok, Forbidden)) for answer in answers), answers
    counts = await database.fetch(
        "select u.id, (select count(*) from friendships f where u.id in (f.low_id, f.high_id) and f.state = 'accepted')"
        " as friends from users u"
    )
    assert max(row["friends"] for row in counts) == 3


async def test_blocks_requests_and_follows_at_once_leave_only_blocks(database: Database) -> None:
    marks = MarkHandlers(database, lambda: NOW_MS)
    friends, _ = handlers(database)
    users = await make_users(database, 60)
    for ana, ben in zip(users[::2], users[1::2], strict=True):
        results = await asyncio.gather(
            friends.request(Actor(ana, "Ana"), FriendRequest(to=ben)),
            friends.block(Actor(ben, "Ben"), UserBlock(user=ana)),
            friends.block(Actor(ana, "Ana"), UserBlock(user=ben)),
            marks.follow(Actor(ben, "Ben"), ana),
            return_exceptions=True,
        )
        assert all(isinstance(result, (Ok, NotFound)) for result in results), results
        assert all(isinstance(result, Ok) for result in results[1:3]), "who is blocked can block too"
    assert await database.fetchval("select count(*) from blocks") == 60
    assert await database.fetchval("select count(*) from friendships") == 0
    assert await database.fetchval("select count(*) from follows") == 0


async def test_whatever_happens_at_once_the_inboxes_tell_what_is_stored(database: Database) -> None:
    """Random acts of four people; at the end, who is whose friend is what their events add up to."""
    friends, _ = handlers(database)
    users = await make_users(database, 4)
    dice = random.Random(11)

    async def act() -> Ok | Refusal:
        one, other = dice.sample(users, 2)
        actor = Actor(one, "X")
        acts = [
            lambda: friends.request(actor, FriendRequest(to=other)),
            lambda: friends.answer(actor, FriendAnswer(from_=other, accept=True)),
            lambda: friends.answer(actor, FriendAnswer(from_=other, accept=False)),
            lambda: friends.end(actor, FriendEnd(user=other)),
            lambda: friends.unblock(actor, UserUnblock(user=other)),
        ]
        try:
            return await dice.choice(acts)()
        except (NotFound, Conflict) as refusal:
            return refusal

    for _ in range(15):
        await asyncio.gather(*(act() for _ in range(20)))
    rows = await database.fetch("select low_id, high_id from friendships where state = 'accepted'")
    stored = {frozenset((str(low), str(high))) for low, high in rows}
    for user in users:
        befriended: dict[str, int] = {}
        for event in await load_after(database, [(user, 0)], 10_000):
            body = msgspec.json.decode(event.body)
            if body["type"] == "friend.accepted":
                befriended[body["user"]["id"]] = event.seq
            elif body["type"] == "friend.ended":
                assert befriended.pop(body["user"], None) is not None, "only a friendship that was told of can end"
        for other in users:
            if frozenset((user, other)) in stored:
                assert other in befriended
