"""Handlers of requests for hugs on a real database, with a clock and a presence that a test may set."""

from collections.abc import Awaitable, Sequence

import msgspec

from domain.errors import Refusal
from domain.friendships import NO_LIMITS
from domain.hug_requests import (
    NO_REQUEST_LIMITS,
    RequestLimits,
    RequestState,
)
from domain.ids import uuid7
from domain.times import from_ms
from hub.handlers.friends import FriendHandlers
from hub.handlers.ports import Actor
from hub.handlers.requests import RequestHandlers
from protocol.commands import HugSend, RequestAnswer, RequestCancel, RequestCreate, UserBlock
from protocol.events import Ok
from storage.hug_request_lists import load_hug_request
from storage.hug_requests import expire_within
from storage.inbox import load_after
from storage.postgres import Database
from tests.support.people import NOW_MS, befriend, make_users
from tests.support.rest_server import Recorder


class Stage:
    """What a hub has for requests; its clock stands still."""

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


async def pairs(stage: Stage, count: int) -> list[tuple[str, str, str]]:
    """Friends, and a request of the first to the second of each."""
    users = await make_users(stage.database, 2 * count)
    found = []
    for ana, ben in zip(users[::2], users[1::2], strict=True):
        await befriend(stage.database, [ana, ben])
        found.append((ana, ben, await stage.ask(ana, ben)))
    return found
