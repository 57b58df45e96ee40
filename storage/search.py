"""Finding people: first those whose username or name begins with what is asked for, then those that sound like it.

Invariant: whatever is asked for and however many people there are, a page costs a bounded number of rows: so many
candidates are looked at and no more. A page may therefore be short, or empty, and still not be the last one.
Nobody is shown twice: whoever matches by username is passed over where their name comes along.
"""

from collections.abc import Sequence
from typing import Annotated

import asyncpg
from msgspec import Meta, Struct

from protocol.fields import Id, Name
from storage.blocks import REACHABLE
from storage.postgres import Database
from storage.profiles import COLUMNS, JOINS, Profile, profile_of

BEGINNINGS_SCANNED = 100
SIMILAR_SCANNED = 200  # of names, and of usernames; beyond that many alike there is no telling who was meant
SIMILAR_MIN_CHARS = 4  # in shorter texts the first two letters would be enough
SIMILAR_MAX_CHARS = 24  # of what is asked for, longer texts cost more and mean no more


class SearchPosition(Struct, frozen=True, array_like=True):
    """The last one looked at: by *key* among the beginnings, by *score* among the similar ones; neither: before these."""

    user: Id | None = None
    key: Name | None = None
    score: Annotated[int, Meta(ge=0, le=1000)] | None = None


class Found(Struct, frozen=True):
    """A page, and from where to go on; None: that was all."""

    profiles: Sequence[Profile]
    following: SearchPosition | None


_FINDABLE = f"""
u.id <> $1 and {REACHABLE}
and (coalesce(v.who_finds, 'everyone') = 'everyone' or (v.who_finds = 'friends' and f.state = 'accepted'))
"""

# The bounds in bytes, whatever the collation; in SQL, because the lower case of the indexes is the database's.
_LOW = "lower($2::text)"
_HIGH = "(lower($2::text) || chr(1114111))"
_NAME = 'lower(display_name) collate "C"'

# Each half walks along its index and stops.
_BEGINNINGS = f"""
select {COLUMNS}, found.key,
       {_FINDABLE} and (found.is_username or u.username is null or not (u.username ~>=~ {_LOW} and u.username ~<~ {_HIGH}))
           as is_shown
from (
    select key, id, is_username from (
        (select username collate "C" as key, id, true as is_username from users
         where username ~>=~ coalesce($3::text, {_LOW}) and username ~<~ {_HIGH}
           and ($3::text is null or username ~>~ $3 or id > $4)
         order by username using ~<~ limit $5)
        union all
        (select {_NAME}, user_id, false from profiles
         where {_NAME} >= {_LOW} and {_NAME} < {_HIGH} and ($3::text is null or ({_NAME}, user_id) > ($3, $4::uuid))
         order by {_NAME}, user_id limit $5)
    ) halves
    order by key, id limit $5
) found
join users u on u.id = found.id {JOINS}
order by found.key, u.id
"""  # noqa: S608  joined from constants

# What counts as similar is the connection's pg_trgm.word_similarity_threshold: see storage/postgres.py.
# Materialized, for the planner to take the index: with the limit in sight it would hope for early luck in the table.
# No more rows are made than the limit asks for all the same.
_ASKED = f"left({_LOW}, {SIMILAR_MAX_CHARS})"
_SIMILAR = f"""
with names as materialized (
    select user_id as id, lower(display_name) as text from profiles where {_ASKED} <% lower(display_name)
), usernames as materialized (
    select id, username as text from users where {_ASKED} <% username
)
select {COLUMNS}, found.score
from (
    select id, max((1000 * word_similarity({_ASKED}, text))::integer) as score from (
        (select id, text from names limit {SIMILAR_SCANNED})
        union all
        (select id, text from usernames limit {SIMILAR_SCANNED})
    ) halves
    group by id
) found
join users u on u.id = found.id {JOINS}
where {_FINDABLE}
  and not ({_NAME} >= {_LOW} and {_NAME} < {_HIGH})
  and (u.username is null or not (u.username ~>=~ {_LOW} and u.username ~<~ {_HIGH}))
  and ($3::integer is null or found.score < $3 or (found.score = $3 and u.id > $4::uuid))
order by found.score desc, u.id limit $5
"""  # noqa: S608  joined from constants


async def search_profiles(database: Database, asker: str, text: str, after: SearchPosition | None, limit: int) -> Found:
    """Whom *asker* finds by *text*, in any case; those after *after*. Raises: Unavailable."""
    page: list[Profile] = []
    score = user = None
    if after is None or after.key is not None:
        begin = (after.key, after.user) if after is not None else (None, None)
        rows = await database.fetch(_BEGINNINGS, asker, text, *begin, BEGINNINGS_SCANNED)
        page, following = _shown(rows, limit)
        if following is not None:
            return Found(page, following)
    else:
        score, user = after.score, after.user
    if len(text) < SIMILAR_MIN_CHARS:
        return Found(page, None)
    room = limit - len(page)
    rows = await database.fetch(_SIMILAR, asker, text, score, user, room + 1)
    page += [profile_of(row) for row in rows[:room]]
    if len(rows) <= room:
        return Found(page, None)
    last = rows[room - 1] if room else None
    return Found(page, SearchPosition(str(last["id"]), score=last["score"]) if last is not None else SearchPosition())


def _shown(rows: Sequence[asyncpg.Record], limit: int) -> tuple[list[Profile], SearchPosition | None]:
    """Those of the candidates *rows* that are shown, *limit* at most, and the last one looked at if there may be more."""
    page: list[Profile] = []
    looked_at: asyncpg.Record | None = None
    for row in rows:
        if row["is_shown"] and len(page) == limit:
            break
        if row["is_shown"]:
            page.append(profile_of(row))
        looked_at = row
    else:
        if len(rows) < BEGINNINGS_SCANNED:
            return page, None
    return page, SearchPosition(str(looked_at["id"]), key=looked_at["key"]) if looked_at is not None else None
