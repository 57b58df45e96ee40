"""Makes accounts in bulk, with tokens, as JSON lines: the people of tests and load runs.

Friends form a ring: the K nearest, K/2 on each side, and the one opposite for an odd K.
"""

import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from deploy.children import CannotStart
from domain.accounts import check_password
from domain.ids import uuid7
from hub.passwords import Passwords
from hub.tokens import issue_access_token
from storage.bulk import NewPerson, save_friendships, save_people
from storage.direct import connect

BATCH = 5_000
FRIENDS_MAX = 1_000
NAMES = ("Ana", "Ben", "Chidi", "Dora", "Emil", "Fatima", "Goran", "Hana", "Iker", "Jun", "Kofi", "Lea", "Mira", "Noor")


class PersonLine(Struct, frozen=True, omit_defaults=True):
    """One line of the file. *password* only if they can log in."""

    id: str
    name: str
    username: str
    email: str
    access_token: str
    friends: list[str]
    password: str | None = None


class Crowd(Struct, frozen=True, kw_only=True):
    """What to make. *token_ttl_s*: how long the access tokens are good for."""

    count: int
    friends: int
    token_ttl_s: int
    password: str | None

    def check(self) -> None:
        """Raises: CannotStart; Invalid or TooLarge for the password."""
        if self.friends > min(FRIENDS_MAX, self.count - 1):
            raise CannotStart(
                f"Each of {self.count} people can have at most {min(FRIENDS_MAX, self.count - 1)} friends."
            )
        if self.friends % 2 and self.count % 2:
            raise CannotStart(
                "An odd number of people cannot have an odd number of friends each: change one of the two."
            )
        if self.password is not None:
            check_password(self.password)


async def make_people(
    database_url: str, secret: bytes, crowd: Crowd, out: IO[bytes], say: Callable[[str], None]
) -> None:
    """Write all to the database, then their lines to *out*. Raises: CannotStart, Unavailable."""
    crowd.check()
    password_hash = None
    if crowd.password is not None:
        async with Passwords() as passwords:  # one hash for all: at bcrypt's cost each one takes a fifth of a second
            password_hash = await passwords.hash(crowd.password)
    now_ms = time.time_ns() // 1_000_000
    people = _invent(crowd.count, now_ms)
    async with connect(database_url) as connection:
        for start in range(0, len(people), BATCH):
            await save_people(connection, people[start : start + BATCH], now_ms, password_hash)
            say(f"{min(start + BATCH, len(people))} of {len(people)} accounts")
        pairs = list(_ring(people, crowd.friends))
        for start in range(0, len(pairs), BATCH):
            await save_friendships(connection, pairs[start : start + BATCH], now_ms)
            if (start // BATCH) % 10 == 9 or start + BATCH >= len(pairs):
                say(f"{min(start + BATCH, len(pairs))} of {len(pairs)} friendships")
        await connection.execute("analyze users, profiles, inbox_heads, friendships")
    _write(out, people, crowd, secret, now_ms)


@contextmanager
def open_tokens(path: Path) -> Iterator[IO[bytes]]:
    """A file to write tokens to, which only we may read; `-` is standard output. Raises: CannotStart."""
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    try:
        out = path.open("wb")
    except OSError as error:
        raise CannotStart(f"{path} cannot be written: {error.strerror}.") from error
    with out:
        path.chmod(0o600)
        yield out


def ring_offsets(count: int, friends: int) -> list[int]:
    """How far along a ring of *count* each one's *friends* friends are; below half a round and its mirror image."""
    near = list(range(1, friends // 2 + 1))
    opposite = [count // 2] if friends % 2 else []
    return [*near, *opposite, *(count - offset for offset in reversed(near))]


def _invent(count: int, now_ms: int) -> list[NewPerson]:
    run = secrets.token_hex(3)  # so that a second run makes other names
    people = []
    for number in range(count):
        username = f"{NAMES[number % len(NAMES)].lower()}_{run}_{number}"
        name = f"{NAMES[number % len(NAMES)]} {number}"
        people.append(NewPerson(uuid7(now_ms), uuid7(now_ms), username, name, f"{username}@people.invalid"))
    return people


def _ring(people: list[NewPerson], friends: int) -> Iterator[tuple[str, str]]:
    """Each pair once."""
    count = len(people)
    for position, person in enumerate(people):
        for offset in ring_offsets(count, friends):
            if offset * 2 < count or (offset * 2 == count and position < offset):
                yield person.id, people[(position + offset) % count].id


def _write(out: IO[bytes], people: list[NewPerson], crowd: Crowd, secret: bytes, now_ms: int) -> None:
    offsets = ring_offsets(len(people), crowd.friends)
    encoder = msgspec.json.Encoder()
    for position, person in enumerate(people):
        line = PersonLine(
            id=person.id,
            name=person.name,
            username=person.username,
            email=person.email,
            access_token=issue_access_token(secret, person.id, person.sid, ["user"], now_ms, crowd.token_ttl_s),
            friends=[people[(position + offset) % len(people)].id for offset in offsets],
            password=crowd.password,
        )
        out.write(encoder.encode(line) + b"\n")
