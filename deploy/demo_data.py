"""Writes invented people with their friends, hugs and moods to a database: one circle of friends after the other.

Invariant: the same world gives the same rows, whatever else the database holds; a circle's people are there with all that
they did, or (the last one of a run that was interrupted) with a part of it.
"""

import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from typing import IO

import asyncpg
import msgspec
from msgspec import Struct

from deploy.children import CannotStart
from deploy.demo.bonds import CIRCLE, DemoHug, friends, hugs
from deploy.demo.entries import DAY_MS, DemoEntry, entries_of
from deploy.demo.people import Person, drawing, person
from deploy.people import PersonLine
from domain.ids import uuid7
from domain.moods import local_date, zone
from domain.privacy import Audience, Privacy
from domain.streaks import counts
from domain.times import from_ms
from hub.passwords import Passwords
from hub.tokens import issue_access_token
from storage.bulk import NewPerson, save_friendships, save_people
from storage.bulk_history import PastHug, save_choices, save_hugs, save_moods
from storage.direct import connect
from storage.encryption import KeyRing
from storage.mood_queue import QueuedMood
from storage.partitions import make_months
from storage.postgres import Database
from storage.streak_book import rebuild_books

MANY_USERS = 20  # more than somebody registers who only tries it out
SAID_EVERY_S = 1.0

_AUDIENCES = {"private": Audience.NOBODY, "friends": Audience.FRIENDS, "public": Audience.EVERYONE}


class World(Struct, frozen=True, kw_only=True):
    """What to invent: *users* people and what they did on the *days* dates up to *until_ms*."""

    users: int
    days: int
    seed: int
    until_ms: int

    @property
    def begins_ms(self) -> int:
        """When their accounts were made."""
        return self.until_ms - (self.days + 1) * DAY_MS


class Access(Struct, frozen=True, kw_only=True):
    """What lets them be spoken for."""

    secret: bytes
    token_ttl_s: int
    password: str | None


class Made(Struct):
    """How much is written so far."""

    users: int = 0
    friendships: int = 0
    hugs: int = 0
    moods: int = 0


async def make_demo(
    database_url: str, world: World, access: Access, ring: KeyRing, out: IO[bytes], say: Callable[[str], None]
) -> Made:
    """Write all, and a line for each person to *out*. Raises: CannotStart, Unavailable."""
    password_hash = None
    if access.password is not None:
        async with Passwords() as passwords:
            password_hash = await passwords.hash(access.password)
    made, started = Made(), time.monotonic()
    said = started
    async with connect(database_url) as connection, Database(database_url, max_size=1) as database:
        await _refuse_again(connection, world)
        await make_months(connection, from_ms(world.begins_ms - DAY_MS).date(), from_ms(world.until_ms + DAY_MS).date())
        for first in range(0, world.users, CIRCLE):
            circle = _Circle(world, first)
            await circle.save(connection, ring, password_hash, made)
            await rebuild_books(database, circle.ids, from_ms(world.until_ms))
            circle.write(out, access)
            now = time.monotonic()
            if now - said >= SAID_EVERY_S:
                said = now
                say(_progress(made, world, now - started))
        await connection.execute("analyze users, profiles, friendships, hugs, moods, mood_ids, streaks")
    say(f"{made.users:,} people, {made.friendships:,} friendships, {made.hugs:,} hugs, {made.moods:,} moods")
    return made


async def check_is_new(connection: asyncpg.Connection) -> None:
    """Raises: CannotStart if people seem to use this database already."""
    if await connection.fetchval("select count(*) from (select from users limit $1) u", MANY_USERS + 1) > MANY_USERS:
        raise CannotStart(
            f"There are more than {MANY_USERS} users in this database already, and invented ones could not be told from "
            "them: add --anyway if you mean it."
        )


async def _refuse_again(connection: asyncpg.Connection, world: World) -> None:
    if await connection.fetchval("select exists (select from users where username = $1)", _username(world, 0)):
        raise CannotStart(f"The people of the seed {world.seed} are in this database already: choose another --seed.")


class _Circle:
    """Some consecutive people who may know each other, in memory."""

    def __init__(self, world: World, first: int) -> None:
        self._world = world
        self._numbers = range(first, min(first + CIRCLE, world.users))
        self._people = {number: person(world.seed, number) for number in self._numbers}
        self._accounts = {number: _account(world, who) for number, who in self._people.items()}
        self._pairs = list(friends(world.seed, self._numbers.start, self._numbers.stop))

    @property
    def ids(self) -> list[str]:
        """Of all its people."""
        return [account.id for account in self._accounts.values()]

    async def save(self, connection: asyncpg.Connection, ring: KeyRing, password_hash: str | None, made: Made) -> None:
        """Everything but streaks. Counts into *made*."""
        begins_ms = self._world.begins_ms
        await save_people(connection, list(self._accounts.values()), begins_ms, password_hash)
        await save_choices(connection, {self._id(number): _privacy(who) for number, who in self._people.items()})
        await save_friendships(connection, [(self._id(low), self._id(high)) for low, high in self._pairs], begins_ms)
        past = list(self._hugs())
        await save_hugs(connection, past)
        made.users += len(self._people)
        made.friendships += len(self._pairs)
        made.hugs += len(past)
        for who in self._people.values():
            moods = [_mood(entry, self._id(who.user), ring) for entry in self._entries(who)]
            await save_moods(connection, moods)
            made.moods += len(moods)

    def write(self, out: IO[bytes], access: Access) -> None:
        """A line for each of them, as `hugmood people make` writes it."""
        now_ms = time.time_ns() // 1_000_000
        known: dict[int, list[str]] = {number: [] for number in self._numbers}
        for low, high in self._pairs:
            known[low].append(self._id(high))
            known[high].append(self._id(low))
        for number, account in self._accounts.items():
            token = issue_access_token(access.secret, account.id, account.sid, ["user"], now_ms, access.token_ttl_s)
            line = PersonLine(
                id=account.id,
                name=account.name,
                username=account.username,
                email=account.email,
                access_token=token,
                friends=known[number],
                password=access.password,
            )
            out.write(msgspec.json.encode(line) + b"\n")

    def _id(self, number: int) -> str:
        return self._accounts[number].id

    def _entries(self, who: Person) -> Iterator[DemoEntry]:
        return entries_of(self._world.seed, who, self._world.days, self._world.until_ms)

    def _hugs(self) -> Iterator[PastHug]:
        """In the order in which they were sent, which is that of everybody's inbox."""
        sent: list[DemoHug] = []
        for pair in self._pairs:
            sent += hugs(self._world.seed, pair, self._world.days, self._world.until_ms)
        heads: Counter[int] = Counter()
        for hug in sorted(sent, key=lambda hug: (hug.at_ms, hug.id)):
            heads[hug.recipient] += 1
            yield PastHug(
                id=hug.id,
                sender=self._id(hug.sender),
                recipient=self._id(hug.recipient),
                seq=heads[hug.recipient],
                kind=hug.kind,
                message=hug.message,
                at_ms=hug.at_ms,
                delivered_ms=hug.delivered_ms,
                seen_ms=hug.seen_ms,
            )


def _account(world: World, who: Person) -> NewPerson:
    draw = drawing(world.seed, who.user, "account")
    username = _username(world, who.user)
    return NewPerson(
        id=uuid7(world.begins_ms, draw.getrandbits(80)),
        sid=uuid7(world.begins_ms, draw.getrandbits(80)),
        username=username,
        name=who.name,
        email=f"{username}@people.invalid",
    )


def _username(world: World, number: int) -> str:
    name = person(world.seed, number).name.partition(" ")[0]
    plain = unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode().lower()
    return f"{plain}_{world.seed}_{number}"


def _privacy(who: Person) -> Privacy:
    return Privacy(who_sees_moods=_AUDIENCES[who.visibility])


def _mood(entry: DemoEntry, user: str, ring: KeyRing) -> QueuedMood:
    day = local_date(entry.felt_at_ms, entry.timezone)
    received_at = from_ms(entry.received_at_ms)
    return QueuedMood(
        id=entry.id,
        user=user,
        mood=entry.mood,
        valence=entry.valence,
        arousal=entry.arousal,
        intensity=entry.intensity,
        note=ring.seal(entry.note, "moods", "note", entry.id) if entry.note is not None else None,
        tags=list(entry.tags),
        factors=msgspec.json.encode(entry.factors).decode() if entry.factors else None,
        visibility=entry.visibility,
        felt_ms=entry.felt_at_ms,
        timezone=entry.timezone,
        day=day.toordinal(),
        is_timely=counts(day, zone(entry.timezone), received_at, device_clock=received_at),
        received_ms=entry.received_at_ms,
    )


def _progress(made: Made, world: World, seconds: float) -> str:
    left = seconds / made.users * (world.users - made.users)
    return f"{made.users:,} of {world.users:,} people, {made.moods:,} moods, {made.moods / seconds:,.0f} a second; about {left:,.0f} s left"
