"""Users made straight in the database, for tests of what comes after accounts."""

from collections.abc import Sequence
from itertools import pairwise

from domain.ids import uuid7
from storage.postgres import Database

NOW_MS = 1_780_000_000_000


class Hidden:
    """Implements `storage.receipts.Hiding`: only those hide whom a test names."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.elsewhere: set[str] = set()

    def is_hidden_here(self, user: str) -> bool:
        return user in self.here

    async def hidden(self, users: Sequence[str]) -> set[str]:
        return (self.here | self.elsewhere) & set(users)


async def make_users(database: Database, count: int) -> list[str]:
    """New users, each with a profile and an empty inbox; in order of their ids."""
    users = sorted(uuid7(NOW_MS) for _ in range(count))
    await database.execute(
        "insert into users (id, username, created_at) select u, left(md5(u::text), 24), now() from unnest($1::uuid[]) u",
        users,
    )
    await database.execute(
        "insert into profiles (user_id, display_name) select u, 'Ana' from unnest($1::uuid[]) u", users
    )
    await database.execute("insert into inbox_heads (user_id) select u from unnest($1::uuid[]) u", users)
    return users


async def befriend(database: Database, users: Sequence[str]) -> None:
    """A chain of friendships: each of *users* with the next."""
    for one, other in pairwise(users):
        low, high = sorted((one, other))
        await database.execute(
            "insert into friendships (low_id, high_id, state, requested_by, changed_at) values ($1, $2, 'accepted', $1, now())",
            low,
            high,
        )
