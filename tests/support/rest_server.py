"""REST under a real uvicorn, on real PostgreSQL and Valkey. Only the way out to sockets is recorded instead of gone."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import msgspec
import uvicorn
from starlette.types import ASGIApp

from domain.friendships import NO_LIMITS, FriendLimits
from domain.hug_requests import NO_REQUEST_LIMITS, RequestLimits
from domain.ids import uuid7
from hub.api.app import ApiServices, build_api
from hub.care import load_shipped
from hub.handlers.accounts import AccountHandlers
from hub.handlers.devices import DeviceHandlers
from hub.handlers.friends import FriendHandlers
from hub.handlers.group_views import GroupViews
from hub.handlers.groups import GroupHandlers
from hub.handlers.hugs import HugHandlers
from hub.handlers.marks import MarkHandlers
from hub.handlers.moments import MomentHandlers
from hub.handlers.mood_changes import MoodChangeHandlers
from hub.handlers.moods import MoodHandlers
from hub.handlers.notices import NoticeHandlers
from hub.handlers.notifications import NotificationHandlers
from hub.handlers.preferences import PreferenceHandlers
from hub.handlers.profiles import ProfileHandlers
from hub.handlers.requests import RequestHandlers
from hub.handlers.streaks import StreakHandlers
from hub.handlers.table import Handlers
from hub.node import Node
from hub.passwords import Passwords
from hub.relations import Relations
from hub.rooms import Rooms
from hub.sweep import Sweep
from hub.tasks import Tasks
from hub.tokens import TokenVerifier
from protocol.events import Message
from storage.directory import Directory
from storage.doorbell import Doorbell, Listener
from storage.encryption import KeyRing
from storage.group_commits import GroupCommits
from storage.hug_commits import HugCommits
from storage.inbox import InboxEvent
from storage.jobs import JobQueue, open_pool
from storage.limits import Limits
from storage.mood_queue import MoodQueue
from storage.postgres import Database
from storage.presence import Presence
from storage.receipts import Receipts
from storage.redis import RedisLink
from tests.support.keys import KEY
from tests.support.people import Hidden

SECRET = b"a secret of thirty-two bytes, or more"
CHEAP = 4  # bcrypt's least cost


class Clock:
    """Unix ms that a test may move ahead."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


class Recorder:
    """Implements `Delivery`: writes down what it was given."""

    def __init__(self) -> None:
        self.rung: list[InboxEvent] = []
        self.told: list[tuple[list[str], Message]] = []
        self.turned: list[tuple[str, str, bool | None]] = []
        self.privacy: list[str] = []
        self.presence: list[str] = []
        self.names: list[tuple[str, str]] = []

    def ring(self, events: Sequence[InboxEvent]) -> None:
        self.rung.extend(events)

    def tell(self, users: Sequence[str], event: Message, skip: str | None = None) -> None:
        self.told.append((list(users), event))

    def relation_changed(self, one: str, other: str, *, are_friends: bool | None) -> None:
        self.turned.append((one, other, are_friends))

    def privacy_changed(self, user: str) -> None:
        self.privacy.append(user)

    def presence_changed(self, user: str) -> None:
        self.presence.append(user)

    def renamed(self, user: str, name: str) -> None:
        self.names.append((user, name))

    def events(self, user: str) -> list[dict[str, Any]]:
        """What was rung to *user*, in order, without times."""
        events = [msgspec.json.decode(event.body) for event in self.rung if event.user == user]
        return [{key: value for key, value in event.items() if key != "at"} for event in events]


class User:
    """Somebody who is logged in."""

    def __init__(self, server: "RestServer", answer: dict[str, Any]) -> None:
        self._server = server
        self.id: str = answer["user"]["id"]
        self.name: str = answer["user"]["name"]
        self.access: str = answer["access_token"]
        self.refresh: str = answer["refresh_token"]

    async def call(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return await self._server.call(method, path, body, token=self.access, **params)

    async def get(self, path: str, **params: Any) -> Any:
        """The decoded answer of a call that must succeed."""
        response = await self.call("GET", path, **params)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.call("POST", path, body)


class RestServer:
    """A running server and what stands behind it."""

    def __init__(self, url: str, http: httpx.AsyncClient, database: Database, delivery: Recorder, clock: Clock) -> None:
        self.url = url
        self.http = http
        self.database = database
        self.delivery = delivery
        self.clock = clock
        self.statuses: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.ended: list[tuple[str, str]] = []  # (user, sid)

    def logins_ended(self, user: str, sids: Sequence[str]) -> None:
        self.ended += [(user, sid) for sid in sids]

    async def shown(self, _asker: str, users: Sequence[str]) -> dict[str, str]:
        self.asked.append(list(users))
        return {user: self.statuses[user] for user in users if user in self.statuses}

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **params: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return await self.http.request(method, path, json=body, headers=headers, params=params)

    async def user(self, name: str) -> User:
        """A new anonymous user."""
        response = await self.call("POST", "/v1/auth/anonymous", {"name": name})
        assert response.status_code == 201, response.text
        return User(self, response.json())

    async def users(self, *names: str) -> list[User]:
        return [await self.user(name) for name in names]

    async def registered(self, username: str, password: str = "correct horse") -> User:  # noqa: S107  a test's
        body = {"email": f"{username}@example.org", "username": username, "password": password}
        response = await self.call("POST", "/v1/auth/register", body)
        assert response.status_code == 201, response.text
        return User(self, response.json())

    async def befriend(self, one: User, other: User) -> None:
        for asker, asked in ((one, other), (other, one)):
            response = await asker.post("/v1/friends/requests", {"to": asked.id})
            assert response.status_code == 200, response.text

    async def hug(self, sender: User, recipient: User, **fields: Any) -> str:
        hug = uuid7(self.clock())
        body = {"id": hug, "to": recipient.id, "kind": "warm", **fields}
        response = await sender.post("/v1/hugs", body)
        assert response.status_code == 200, response.text
        return hug


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """*app* under uvicorn on a free port; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, loop="none", lifespan="off", ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listening]))
    try:
        while not server.started:  # noqa: ASYNC110  uvicorn has nothing to wait for
            await asyncio.sleep(0)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def rest_server(
    database_url: str,
    redis_url: str,
    *,
    limits_on: bool = False,
    friend_limits: FriendLimits = NO_LIMITS,
    request_limits: RequestLimits = NO_REQUEST_LIMITS,
    follows_max: int = 0,
    webpush_hosts: Collection[str] = (),
    allowed_origins: Sequence[str] = (),
) -> AsyncIterator[RestServer]:
    """Everything a hub has for REST."""
    clock, delivery = Clock(), Recorder()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(database_url))
        redis = RedisLink(redis_url)
        await stack.enter_async_context(redis)
        passwords = await stack.enter_async_context(Passwords(CHEAP))
        receipts = await stack.enter_async_context(Receipts(database, Hidden(), clock, lambda _receipts, _now_ms: None))
        commits = await stack.enter_async_context(HugCommits(database, delivery.ring))
        limits = Limits(redis, clock, is_on=limits_on)
        relations = Relations(database, Sweep(), lambda: False)
        doorbell = Doorbell(redis, "rest")
        presence = Presence(redis, database, Directory(redis, "rest"), doorbell, lambda _sight: None)
        rooms = Rooms(Node("rest"), doorbell, Listener(redis_url, redis, "rest"), clock)
        group_commits = GroupCommits(database, clock, lambda change: delivery.ring(change.events), presence.invisible)
        requests = RequestHandlers(database, delivery, presence.shown, clock, request_limits)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20))
        tasks = await stack.enter_async_context(Tasks())
        jobs, ring = JobQueue(await stack.enter_async_context(open_pool(redis_url))), KeyRing([KEY])
        server = RestServer("", http, database, delivery, clock)
        services = ApiServices(
            database=database,
            verifier=TokenVerifier(SECRET),
            limits=limits,
            clock=clock,
            handlers=Handlers(
                accounts=AccountHandlers(database, passwords, limits, SECRET, clock, server.logins_ended),
                profiles=ProfileHandlers(database, delivery),
                friends=FriendHandlers(database, delivery, clock, friend_limits),
                moments=MomentHandlers(database, delivery, clock),
                mood_changes=MoodChangeHandlers(database, ring, delivery, clock),
                moods=MoodHandlers(database, MoodQueue(redis, jobs, tasks.start), ring, limits, clock),
                streaks=StreakHandlers(database, delivery, clock),
                preferences=PreferenceHandlers(database, clock),
                notifications=NotificationHandlers(database, delivery, clock),
                notices=NoticeHandlers(database, delivery, clock),
                devices=DeviceHandlers(database, ring, clock, webpush_hosts),
                hugs=HugHandlers(relations, commits, receipts, delivery, clock, fulfil=requests.fulfil),
                requests=requests,
                marks=MarkHandlers(database, clock, follows_max),
                groups=GroupHandlers(
                    database,
                    group_commits,
                    GroupViews(database, presence, clock),
                    rooms,
                    relations,
                    limits,
                    clock,
                    limits_on=limits_on,
                ),
            ),
            statuses=server.shown,
            care=load_shipped(),
            allowed_origins=allowed_origins,
        )
        server.url = await stack.enter_async_context(serving(build_api(services)))
        http.base_url = httpx.URL(server.url)
        yield server
