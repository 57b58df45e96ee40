"""Whoever is blocked, deleted or never was: the same answer, from the same statements, so in the same time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from domain.errors import Refusal
from domain.friendships import FriendLimits
from hub.handlers.friends import FriendHandlers
from hub.handlers.marks import MarkHandlers
from hub.handlers.ports import Actor
from hub.handlers.profiles import ProfileHandlers
from protocol.commands import FriendAnswer, FriendEnd, FriendRequest, UserBlock, UserMute, UserUnblock, UserUnmute
from protocol.events import Ok
from storage.postgres import Database
from storage.relations import load_relations
from tests.support.people import NOW_MS, make_users
from tests.support.rest_server import Recorder

pytestmark = pytest.mark.contract

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
REFUSED = ("request", "accept", "decline", "end", "mute", "follow", "person")
ANSWERED_OK = ("unmute", "unfollow", "block", "unblock")

Act = Callable[[str, str], Awaitable[object]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=1) as database:  # one connection: it sees every statement
        yield database


@pytest.fixture
async def sent(database: Database) -> list[str]:
    """Every statement from now on."""
    statements: list[str] = []
    async with database.transaction() as connection:
        connection.add_query_logger(lambda record: statements.append(record.query))
    return statements


def acts(database: Database) -> dict[str, Act]:
    """What somebody can do to somebody else."""
    friends = FriendHandlers(database, Recorder(), lambda: NOW_MS, FriendLimits())
    marks, profiles = MarkHandlers(database, lambda: NOW_MS), ProfileHandlers(database, Recorder())
    return {
        "request": lambda one, other: friends.request(Actor(one, ""), FriendRequest(to=other)),
        "accept": lambda one, other: friends.answer(Actor(one, ""), FriendAnswer(from_=other, accept=True)),
        "decline": lambda one, other: friends.answer(Actor(one, ""), FriendAnswer(from_=other, accept=False)),
        "end": lambda one, other: friends.end(Actor(one, ""), FriendEnd(user=other)),
        "mute": lambda one, other: marks.mute(Actor(one, ""), UserMute(user=other)),
        "unmute": lambda one, other: marks.unmute(Actor(one, ""), UserUnmute(user=other)),
        "follow": lambda one, other: marks.follow(Actor(one, ""), other),
        "unfollow": lambda one, other: marks.unfollow(Actor(one, ""), other),
        "person": lambda one, other: profiles.person(Actor(one, ""), other),
        "block": lambda one, other: friends.block(Actor(one, ""), UserBlock(user=other)),
        "unblock": lambda one, other: friends.unblock(Actor(one, ""), UserUnblock(user=other)),
    }


async def outcome(act: Act, one: str, other: str) -> object:
    try:
        return await act(one, other)
    except Refusal as refusal:
        return type(refusal), str(refusal)


@pytest.mark.parametrize("name", [*REFUSED, *ANSWERED_OK])
async def test_the_same_statements_run_whoever_the_other_is(database: Database, sent: list[str], name: str) -> None:
    ana, blocker, gone, stranger = await make_users(database, 4)
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    act = acts(database)[name]
    await acts(database)["block"](blocker, ana)
    others = [blocker, gone, NOBODY] if name in REFUSED else [blocker, gone, NOBODY, stranger]
    ways: list[tuple[object, list[str]]] = []
    for other in others:
        await asyncio.sleep(0)  # statements are told of by the loop
        sent.clear()
        answer = await outcome(act, ana, other)
        await asyncio.sleep(0)
        ways.append((answer, list(sent)))
    assert all(way == ways[0] for way in ways), ways
    assert ways[0][1], "something was asked"
    assert isinstance(ways[0][0], Ok) is (name in ANSWERED_OK)


async def test_a_hug_asks_the_same_whoever_it_is_for(database: Database, sent: list[str]) -> None:
    ana, blocker = await make_users(database, 2)
    await acts(database)["block"](blocker, ana)
    ways = []
    for other in (blocker, NOBODY):
        await asyncio.sleep(0)
        sent.clear()
        (relation,) = await load_relations(database, [(ana, other)])
        await asyncio.sleep(0)
        ways.append(list(sent))
        assert relation.is_blocked or not relation.exists
    assert len(ways[0]) == 1
    assert ways[0] == ways[1]
