"""People whose pushes a test looks at: one of each sort again and again, with their devices, preferences and phones."""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
from msgspec import Struct, field

from tests.chaos.phones import Phone, now_ms, phones_elsewhere
from tests.chaos.stack import Stack
from tests.chaos.swarm import Hug, Person, Plan, Swarm, new_id
from tests.support import push_model
from tests.support.fake_push import FakePush
from tests.support.push_model import CONNECTED, DO_NOT_DISTURB, OFFLINE

HOUR_MS = 3_600_000

# What they have to be pushed to; who is not in CONNECTING is away all the time.
SORTS: dict[str, tuple[str, ...]] = {
    "fcm": ("fcm",),
    "apns": ("apns",),
    "webpush": ("webpush",),
    "two_devices": ("fcm", "webpush"),
    "acking": ("fcm",),
    "silent": ("apns",),
    "stopped": ("fcm",),  # the process that holds their sockets is
    "returning": ("webpush",),  # comes in the middle and acks from then on
    "quiet": ("fcm",),
    "night": ("apns",),  # quiet hours that end in the middle
    "muting": ("fcm",),
    "blocking": ("webpush",),  # when all is sent, and before quiet hours end
    "undisturbed": ("apns",),
    "woken": ("fcm", "apns"),  # do not disturb, and then away
    "off": ("webpush",),
    "deviceless": (),
}
# Their provider, what it says of their tokens, and whether these are dead by that. None of them is ever told anything.
BROKEN: dict[str, tuple[str, str, bool]] = {
    "unregistered": ("fcm", "UNREGISTERED", True),
    "of_another_sender": ("fcm", "SENDER_ID_MISMATCH", False),
    "expired": ("apns", "ExpiredToken", True),
    "of_another_app": ("apns", "DeviceTokenNotForTopic", False),
    "unsubscribed": ("webpush", "410", True),
    "unknown": ("webpush", "404", True),
    "forbidden": ("webpush", "403", False),
}
CONNECTING = {"acking": True, "silent": False, "undisturbed": False, "woken": False}  # do they ack?
MUTED = 4  # of those who hug


class Member(Struct, kw_only=True, eq=False):
    """One of the crew, and what is known of them. Times in Unix ms. *devices*: what a push goes to, by provider.

    *muted*, *blocked*: since when whom. *presence*: what it became, and when.
    """

    person: Person
    sort: str
    shows_names: bool
    devices: dict[str, str] = field(default_factory=dict)
    quiet: list[tuple[int, int]] = field(default_factory=list)
    muted: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    presence: list[tuple[int, str]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.person.id

    def as_model(self) -> push_model.Person:
        """For the slow model."""
        return push_model.Person(
            id=self.id,
            devices=dict.fromkeys(self.devices, 0),
            off=frozenset({"hugs"} if self.sort == "off" else ()),
            quiet=self.quiet,
            presence=self.presence,
            muted=self.muted,
            blocked=self.blocked,
        )


class Crew:
    """Everybody of a test: those who hug, and the *members* who are hugged."""

    def __init__(self, stack: Stack, fakes: FakePush, people: Sequence[Person], sorts: Sequence[str]) -> None:
        """*sorts*: one for each member; the people left over hug."""
        self._stack = stack
        self._fakes = fakes
        self.members = [
            Member(person=person, sort=sort, shows_names=number % 2 == 0)
            for number, (sort, person) in enumerate(zip(sorts, people, strict=False))
        ]
        self.senders = list(people[len(sorts) :])
        self.phones: dict[str, Phone] = {}

    def of(self, *sorts: str) -> list[Member]:
        return [member for member in self.members if member.sort in sorts]

    def plan(self, total: int, over_s: float, chance: random.Random) -> Plan:
        """*total* hugs spread evenly over *over_s* seconds, to everybody."""
        hugs: dict[str, list[Hug]] = {sender.id: [] for sender in self.senders}
        for number in range(total):
            sender = self.senders[number % len(self.senders)]
            to = self.members[number % len(self.members)] if number < len(self.members) else chance.choice(self.members)
            hugs[sender.id].append(Hug(new_id(), to.id, over_s * number / total, "bear"))
        return Plan(hugs, {sender.id: [] for sender in self.senders})

    async def settle(self, night_ends_ms: int, blocking_ends_ms: int) -> None:
        """Devices, preferences and mutes of everybody. *…_ends_ms*: the quiet hours of these sorts."""
        async with aiohttp.ClientSession(self._stack.url) as session:
            vapid = (await _call(session, "GET", "/v1/push/key", self.senders[0]))["key"]
            for member in self.members:
                for provider in SORTS[member.sort] if member.sort in SORTS else BROKEN[member.sort][:1]:
                    await self._register(session, member, provider, vapid)
                if member.shows_names:
                    await _call(session, "PATCH", "/v1/me/preferences", member.person, {"preview": "name"})
            for member in self.of(*BROKEN):
                provider, code, _ = BROKEN[member.sort]
                await self._fakes.break_(provider, member.devices[provider], code)
            for member in self.of("off"):
                change = {"categories": {"hugs": {"push": False}}}
                await _call(session, "PATCH", "/v1/me/preferences", member.person, change)
            for member in self.of("muting"):
                for sender in self.senders[:MUTED]:
                    await _call(session, "POST", "/v1/mutes", member.person, {"user": sender.id})
                    member.muted[sender.id] = now_ms()
        ends = {"quiet": now_ms() + HOUR_MS, "night": night_ends_ms, "blocking": blocking_ends_ms}
        await self._be_quiet({member: ends[member.sort] for member in self.of(*ends)})

    async def _register(self, session: aiohttp.ClientSession, member: Member, provider: str, vapid: str) -> None:
        device: dict[str, Any] = {"provider": provider}
        if provider == "webpush":
            device["subscription"] = json.loads(await self._fakes.subscribe(vapid))
            member.devices[provider] = device["subscription"]["endpoint"]
        else:
            device["token"] = member.devices[provider] = os.urandom(32).hex()
        await _call(session, "POST", "/v1/me/devices", member.person, device)

    async def _be_quiet(self, ends: dict[Member, int]) -> None:
        """People choose whole minutes; a test cannot wait for one."""
        connection = await asyncpg.connect(self._stack.running()["database_url"])
        try:
            for member, end_ms in ends.items():
                end = datetime.fromtimestamp(end_ms / 1000, UTC)
                start = end - timedelta(hours=3)
                member.quiet = [(end_ms - 3 * HOUR_MS, end_ms)]
                await connection.execute(
                    "insert into push_preferences (user_id, quiet_start, quiet_end, timezone, changed_at)"
                    " values ($1, $2, $3, 'UTC', now()) on conflict (user_id) do update"
                    " set quiet_start = excluded.quiet_start, quiet_end = excluded.quiet_end, timezone = 'UTC'",
                    member.id,
                    start.time(),
                    end.time(),
                )
        finally:
            await connection.close()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Whoever is online from the beginning is; a process is stopped with the sockets of some."""
        async with AsyncExitStack() as stack:
            for member in self.members:
                if member.sort in CONNECTING:
                    await self._connect(member, acks=CONNECTING[member.sort])
            stopped = self.of("stopped")
            tokens = [member.person.access_token for member in stopped]
            pid = await stack.enter_async_context(phones_elsewhere(self._stack.url, tokens))
            os.kill(pid, signal.SIGSTOP)
            for member in stopped:
                member.presence.append((now_ms(), CONNECTED))
            stack.push_async_callback(self._disconnect)
            yield

    async def _connect(self, member: Member, *, acks: bool) -> None:
        is_dnd = member.sort in {"undisturbed", "woken"}
        status = "do_not_disturb" if is_dnd else "online"
        phone = self.phones[member.id] = Phone(self._stack.url, member.person.access_token, acks=acks, status=status)
        member.presence.append((await phone.start(), DO_NOT_DISTURB if is_dnd else CONNECTED))

    async def _disconnect(self) -> None:
        await asyncio.gather(*(phone.stop() for phone in self.phones.values()))

    async def come_back(self) -> None:
        """The returning, who ack."""
        await asyncio.gather(*(self._connect(member, acks=True) for member in self.of("returning")))

    async def wake(self) -> None:
        """Whoever was not to be disturbed for a while goes."""
        for member in self.of("woken"):
            member.presence.append((now_ms(), OFFLINE))  # a push may come before the socket has said good-bye
            await self.phones[member.id].stop()

    async def block(self) -> None:
        """The blocking block some of those who hugged them."""
        async with aiohttp.ClientSession(self._stack.url) as session:
            for member in self.of("blocking"):
                for sender in self.senders[:MUTED]:
                    await _call(session, "POST", "/v1/blocks", member.person, {"user": sender.id})
                    member.blocked[sender.id] = now_ms()


@asynccontextmanager
async def hugging(stack: Stack, crew: Crew, plan: Plan) -> AsyncIterator[Swarm]:
    """Those who hug do, from now to the end of the block."""
    swarm = Swarm(stack.url, crew.senders, plan)
    swarm.start()
    try:
        yield swarm
    finally:
        await swarm.stop()


async def all_accepted(swarm: Swarm, within_s: float) -> None:
    """Until every hug is answered ok. Raises: TimeoutError."""
    async with asyncio.timeout(within_s):
        while not all(sender.is_done() for sender in swarm.members):  # noqa: ASYNC110  a condition over many books
            await asyncio.sleep(0.1)


def accepted(swarm: Swarm, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """Id, sender and recipient of each hug that was answered ok."""
    for sender in swarm.members:
        for hug in plan.hugs[sender.person.id]:
            if hug.id in sender.accepted:
                yield hug.id, sender.person.id, hug.to


async def _call(session: aiohttp.ClientSession, method: str, path: str, person: Person, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with session.request(method, path, json=body, headers=headers) as response:
        assert response.status < 300, f"{method} {path}: {response.status} {await response.text()}"
        return await response.json()
