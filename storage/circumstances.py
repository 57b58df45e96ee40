"""What recipients are to those who did something, as of now: asked before each push."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from domain.privacy import Relation
from storage.postgres import Database
from storage.relations import load_relations

_MUTED = """
select m.user_id, m.muted_id from mutes m join unnest($1::uuid[], $2::uuid[]) as t(user_id, actor_id)
    on m.user_id = t.user_id and m.muted_id = t.actor_id
where m.until is null or m.until > $3
"""

Pair = tuple[str, str]  # recipient, actor


async def load_muted(database: Database, pairs: Sequence[Pair], now: datetime) -> set[Pair]:
    """Those of *pairs* in which the first has muted the second. Raises: Unavailable."""
    rows = await database.fetch(_MUTED, [user for user, _ in pairs], [actor for _, actor in pairs], now)
    return {(str(row["user_id"]), str(row["muted_id"])) for row in rows}


async def load_recipients(database: Database, pairs: Iterable[Pair]) -> dict[Pair, Relation]:
    """What the first of each pair is to the second. Raises: Unavailable."""
    distinct = sorted(set(pairs))
    relations = await load_relations(database, [(actor, user) for user, actor in distinct])
    return dict(zip(distinct, relations, strict=True))
