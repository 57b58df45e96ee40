"""Who exists for whom, and whom somebody has blocked. What changes it is storage/pairs.py.

Whoever has blocked the one who asks is not on their list, as if deleted: otherwise blocking somebody and looking at the
list would tell whether they exist.
"""

from collections.abc import Sequence

from msgspec import Struct

from domain.times import to_ms
from storage.postgres import Database

# Does user `u` exist for $1, as far as commands and lists go?
REACHABLE = """
u.deleted_at is null and not exists (
    select from blocks b where (b.user_id = $1 and b.blocked_id = u.id) or (b.user_id = u.id and b.blocked_id = $1)
)
"""


class Block(Struct, frozen=True):
    """Somebody whom the one who asks has blocked."""

    user: str
    name: str
    at_ms: int


async def load_blocks(database: Database, user: str, after: str | None, limit: int) -> Sequence[Block]:
    """Whom *user* has blocked, in the order of their ids, those after *after*. Raises: Unavailable."""
    rows = await database.fetch(
        """
        select b.blocked_id, b.created_at, p.display_name
        from blocks b
        join users u on u.id = b.blocked_id and u.deleted_at is null
        join profiles p on p.user_id = b.blocked_id
        where b.user_id = $1 and ($2::uuid is null or b.blocked_id > $2)
          and not exists (select from blocks back where back.user_id = b.blocked_id and back.blocked_id = $1)
        order by b.blocked_id limit $3
        """,
        user,
        after,
        limit,
    )
    return [Block(str(row["blocked_id"]), row["display_name"], to_ms(row["created_at"])) for row in rows]


async def load_blocked_with(database: Database, user: str) -> frozenset[str]:
    """Whom *user* has blocked and who has blocked them. Raises: Unavailable."""
    rows = await database.fetch(
        "select blocked_id from blocks where user_id = $1 union select user_id from blocks where blocked_id = $1", user
    )
    return frozenset(str(row[0]) for row in rows)
