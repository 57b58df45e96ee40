"""What users are to each other: one query for a whole batch of pairs."""

from collections.abc import Sequence

from domain.privacy import Relation
from storage.postgres import Database
from storage.privacy import columns_of, privacy_of

_LOAD = f"""
select w.ord, p.display_name, {columns_of("v")},
       exists (
           select from friendships f
           where f.low_id = least(w.asker, w.other) and f.high_id = greatest(w.asker, w.other) and f.state = 'accepted'
       ) as is_friend,
       exists (
           select from blocks b
           where (b.user_id = w.asker and b.blocked_id = w.other) or (b.user_id = w.other and b.blocked_id = w.asker)
       ) as is_blocked,
       exists (select from hugs h where h.sender_id = w.other and h.recipient_id = w.asker) as has_answered
from unnest($1::uuid[], $2::uuid[]) with ordinality as w(asker, other, ord)
join users u on u.id = w.other and u.deleted_at is null
join profiles p on p.user_id = w.other
left join privacy v on v.user_id = w.other
"""  # noqa: S608  joined from constants

_NOBODY = Relation(exists=False)


async def load_relations(database: Database, pairs: Sequence[tuple[str, str]]) -> list[Relation]:
    """What the second of each pair is to the first, in order. Raises: Unavailable."""
    rows = await database.fetch(_LOAD, [asker for asker, _ in pairs], [other for _, other in pairs])
    relations = [_NOBODY] * len(pairs)
    for row in rows:
        relations[row["ord"] - 1] = Relation(
            exists=True,
            is_friend=row["is_friend"],
            is_blocked=row["is_blocked"],
            has_answered=row["has_answered"],
            privacy=privacy_of(row),
            name=row["display_name"],
        )
    return relations
