"""The notification centre: a view of the inbox, and what its owner has read and deleted of it.

A line is an inbox row of a kind in domain/notifications.py whose category its owner wants in the app; of `notification`
events only those that are news. It is read if everything up to it was, if it alone was, or if the hug was seen. Hugs that
were taken back are no lines. Nothing is written when something arrives.
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.notifications import KINDS
from domain.preferences import Category, Channel, Preferences
from domain.times import to_ms
from storage.postgres import Database
from storage.push_preferences import load_preferences

COUNTED_MAX = 999

# Whose centre it is, the kinds and the categories of `notification` that they have in it, from where on it is unread.
WHOSE = """
select u.ord, u.user_id, string_to_array(u.kinds, ',') as kinds, string_to_array(u.categories, ',') as categories,
       coalesce(r.through_seq, 0) as through, r.read_at, coalesce(d.seq, 0) as head
from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality as u(user_id, kinds, categories, ord)
left join notification_reads r using (user_id) left join inbox_heads d using (user_id)
"""
# Rows of the inbox that may be lines of `w`, a row of those. Bodies are looked into only where the kind does not say it all.
_ARE_LINES = """
i.kind = any (w.kinds) and (i.kind <> 'notification' or (
    convert_from(i.body, 'UTF8')::jsonb ->> 'change' is null
    and convert_from(i.body, 'UTF8')::jsonb ->> 'category' = any (w.categories)
))
"""
LINES = f"""
inbox i
left join notification_marks m on m.user_id = i.user_id and m.seq = i.seq
left join hugs h on i.kind = 'hug.received' and h.recipient_id = i.user_id and h.seq = i.seq
where i.user_id = w.user_id and {_ARE_LINES} and m.deleted_at is null and h.undone_at is null
"""
ARE_UNREAD = "i.seq > w.through and m.read_at is null and h.seen_at is null"

# The same, a third of the time: unread hugs are found where it says whether they are seen, and only the others in the inbox.
_COUNT = f"""
with w as materialized ({WHOSE})
select w.ord, w.head, hugs.number + others.number as number from w cross join lateral (
    select count(*) as number from (
        select from hugs h left join notification_marks m on m.user_id = h.recipient_id and m.seq = h.seq
        where h.recipient_id = w.user_id and h.seq > greatest(w.through, $4) and 'hug.received' = any (w.kinds)
          and h.seq >= (select min(seq) from inbox where user_id = w.user_id)
          and h.seen_at is null and h.undone_at is null and m.seq is null
        limit {COUNTED_MAX + 1}
    ) lines
) hugs cross join lateral (
    select count(*) as number from (
        select from inbox i left join notification_marks m on m.user_id = i.user_id and m.seq = i.seq
        where i.user_id = w.user_id and i.seq > greatest(w.through, $4) and i.kind <> 'hug.received' and m.seq is null
          and {_ARE_LINES}
        limit {COUNTED_MAX + 1}
    ) lines
) others
"""  # noqa: S608  joined from constants
_PAGE = f"""
with w as materialized ({WHOSE})
select l.* from w cross join lateral (
    select i.seq, i.kind, i.body,
           coalesce(m.read_at, h.seen_at, case when i.seq <= w.through then w.read_at end) as read_at
    from {LINES} and ($4::bigint is null or i.seq < $4) and (not $5 or {ARE_UNREAD})
    order by i.seq desc limit $6
) l order by l.seq desc
"""  # noqa: S608  joined from constants


class Line(Struct, frozen=True):
    """A line of the centre. *event*: as it was told, without its seq."""

    seq: int
    kind: str
    category: Category
    event: dict[str, Any]
    read_ms: int | None


class Counted(Struct, frozen=True):
    """How many lines are unread, at most one more than `COUNTED_MAX`, with the inbox reaching to *head*."""

    unread: int
    head: int


async def count_settled(database: Database, users: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """`count_unread` once the changes that are under way, but for the first ever of a user, are over. Raises: Unavailable."""
    await database.fetch("select from notification_reads where user_id = any($1::uuid[]) for share", users)
    return await count_unread(database, users)


async def count_unread(database: Database, users: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """What the badge of each of *users* shows, and whether there is more than can be counted. Raises: Unavailable."""
    counted = await count_within(database, users)
    return {user: (min(found.unread, COUNTED_MAX), found.unread > COUNTED_MAX) for user, found in counted.items()}


async def count_within(
    connection: Database | PoolConnectionProxy, users: Sequence[str], after: int = 0
) -> dict[str, Counted]:
    """How many lines of each of *users* behind *after* are unread. Raises: Unavailable."""
    rows = await connection.fetch(_COUNT, *await whose(connection, users), after)
    return {users[row["ord"] - 1]: Counted(row["number"], row["head"]) for row in rows}


async def load_lines(
    database: Database, user: str, before: int | None, limit: int, *, only_unread: bool
) -> Sequence[Line]:
    """The next *limit* lines below the seq *before*, newest first. Raises: Unavailable."""
    rows = await database.fetch(_PAGE, *await whose(database, [user]), before, only_unread, limit)
    return [_line(row) for row in rows]


async def whose(
    connection: Database | PoolConnectionProxy, users: Sequence[str]
) -> tuple[Sequence[str], list[str], list[str]]:
    """The arguments of `WHOSE`. Raises: Unavailable."""
    preferences = await load_preferences(connection, users)
    wanted = [_wanted(preferences[user]) for user in users]
    return users, [kinds for kinds, _ in wanted], [categories for _, categories in wanted]


def _wanted(preferences: Preferences) -> tuple[str, str]:
    """Kinds and categories that are in the centre, each with commas between them."""
    categories = {category for category in Category if preferences.wants(category, Channel.IN_APP)}
    kinds = [kind for kind, about in KINDS.items() if about.category is None or about.category in categories]
    return ",".join(kinds), ",".join(sorted(categories))


def _line(row: asyncpg.Record) -> Line:
    event: dict[str, Any] = msgspec.json.decode(row["body"])
    return Line(
        seq=row["seq"],
        kind=row["kind"],
        category=KINDS[row["kind"]].category or Category(event["category"]),
        event=event,
        read_ms=to_ms(row["read_at"]) if row["read_at"] is not None else None,
    )
