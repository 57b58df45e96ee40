"""The accounts that load is made with: JSON lines, as `hugmood people make` writes them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct


class Person(Struct, frozen=True):
    """One account with an access token that is good for a while, and the ids of its friends."""

    id: str
    access_token: str
    friends: list[str] = []


def load_people(path: Path) -> list[Person]:
    """The accounts in *path*. Raises: OSError, msgspec.DecodeError."""
    return msgspec.json.Decoder(Person).decode_lines(path.read_bytes())


def hello(person: Person, device: str, after: int | None = None, epoch: str | None = None) -> bytes:
    """The first command of a connection; *after* and *epoch* of whoever comes back."""
    cursor = {} if after is None else {"after": after, "epoch": epoch}
    return msgspec.json.encode({"type": "hello", "device": device, "token": person.access_token, **cursor})


def people_with_friends(people: Sequence[Person], count: int) -> list[Person]:
    """*count* of *people* in their order: the first, her friends, the next, her friends …"""
    by_id = {person.id: person for person in people}
    chosen: set[str] = set()
    for person in people:
        for each in (person.id, *person.friends):
            if len(chosen) < count and each in by_id:
                chosen.add(each)
    return [person for person in people if person.id in chosen]


def pairs_of_friends(people: Sequence[Person], count: int) -> list[tuple[Person, Person]]:
    """*count* pairs of friends, each person in at most one. Raises: ValueError if there are not as many."""
    by_id = {person.id: person for person in people}
    pairs: list[tuple[Person, Person]] = []
    for person in people:
        friend = next((by_id[each] for each in person.friends if each in by_id), None)
        if person.id in by_id and friend is not None:
            del by_id[person.id], by_id[friend.id]
            pairs.append((person, friend))
            if len(pairs) == count:
                return pairs
    raise ValueError(f"only {len(pairs)} pairs of friends among {len(people)} people; {count} are needed")


def people_in_pairs(people: Sequence[Person], count: int) -> list[Person]:
    """*count* pairs of friends, who stand beside each other. Raises: ValueError."""
    return [one for pair in pairs_of_friends(people, count) for one in pair]


def share_pairs(people: Sequence[Person], shares: int) -> list[list[Person]]:
    """`people_in_pairs`, dealt out pair by pair."""
    pairs = [people[first : first + 2] for first in range(0, len(people), 2)]
    return [[one for pair in pairs[number::shares] for one in pair] for number in range(shares)]
