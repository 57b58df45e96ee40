"""Group hugs as rows: loading one, whole or only what has changed, and saving one change by compare-and-set.

Invariant: a member's row carries the `version` of the group at which it last changed, and both are written
in one transaction; so whoever holds version N needs only the rows after N to be up to date.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.groups import Group, GroupState, How, Member, Membership
from domain.times import from_ms, to_ms
from storage.postgres import Database

# One statement, so that the group and its members are of one moment.
_LOAD = """
select g.*, m.user_id, m.state as membership, m.invited_by, m.joined_at, m.took_part, m.away_at,
       m.version as member_version, p.display_name
from groups g
left join group_members m on m.group_id = g.id and m.version > $2
left join profiles p on p.user_id = m.user_id
where g.id = $1
order by m.joined_at, m.user_id
"""

_INSERT = """
insert into groups (id, creator_id, host_id, name, description, message, capacity, created_at, starts_at,
                    state, version, joined, expires_at, began_at, ended_at, how)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (id) do nothing
"""

_UPDATE = """
update groups set host_id = $3, state = $4, version = $5, joined = $6, began_at = $7, ended_at = $8, how = $9
where id = $1 and version = $2
"""

_SAVE_MEMBERS = """
insert into group_members as m (group_id, user_id, state, invited_by, joined_at, took_part, away_at, version)
select $1, * from unnest($2::uuid[], $3::text[], $4::uuid[], $5::timestamptz[], $6::boolean[], $7::timestamptz[], $8::bigint[])
on conflict (group_id, user_id) do update set
    state = excluded.state, invited_by = excluded.invited_by, joined_at = excluded.joined_at,
    took_part = excluded.took_part, away_at = excluded.away_at, version = excluded.version
"""


async def load_group(database: Database | PoolConnectionProxy, group: str, known: Group | None = None) -> Group | None:
    """The group as it is now, None if there is none; *known* itself if nothing has changed since.

    With *known*, an earlier state of it, only members that have changed since are read. Raises: Unavailable.
    """
    rows = await database.fetch(_LOAD, group, known.version if known is not None else 0)
    if not rows:
        return None
    first = rows[0]
    if known is not None and known.version == first["version"]:
        return known
    if known is not None and known.version > first["version"]:  # this database was restored
        return await load_group(database, group)
    changed = {str(row["user_id"]): _member(row) for row in rows if row["user_id"] is not None}
    return _group(first, {**known.members, **changed} if known is not None else changed)


_LIST = """
select g.*, m.state as membership, case when hu.id is null or b.is_hidden then null else hp.display_name end as host_name
from group_members m
join groups g on g.id = m.group_id
left join users hu on hu.id = g.host_id and hu.deleted_at is null
left join profiles hp on hp.user_id = g.host_id
cross join lateral (
    select exists (
        select from blocks where (user_id = $1 and blocked_id = g.host_id) or (user_id = g.host_id and blocked_id = $1)
    ) as is_hidden
) b
where m.user_id = $1 and ($2::uuid is null or m.group_id < $2) and ($3::text is null or g.state = $3)
  and (m.state <> 'left' or m.took_part)
  and (m.state = 'joined' or (g.ended_at is not null and m.took_part) or not b.is_hidden)
order by m.group_id desc limit $4
"""


class GroupLine(Struct, frozen=True):
    """One of somebody's groups: *group* without its members. *host_name* None: gone, or not to be told."""

    group: Group
    host_name: str | None
    membership: Membership


async def load_groups_of(
    database: Database, user: str, state: GroupState | None, before: str | None, limit: int
) -> list[GroupLine]:
    """Where *user* sits, is invited or took part, the newest id first, those before *before*. Raises: Unavailable."""
    rows = await database.fetch(_LIST, user, before, state, limit)
    return [GroupLine(_group(row, {}), row["host_name"], Membership(row["membership"])) for row in rows]


async def count_open_groups(database: Database, host: str, now_ms: int) -> int:
    """How many groups of *host* are not over. Raises: Unavailable."""
    count: int = await database.fetchval(
        "select count(*) from groups where host_id = $1 and ended_at is null and expires_at > $2", host, from_ms(now_ms)
    )
    return count


def _group(row: asyncpg.Record, members: Mapping[str, Member]) -> Group:
    return Group(
        id=str(row["id"]),
        creator=str(row["creator_id"]),
        host=str(row["host_id"]),
        name=row["name"],
        description=row["description"],
        message=row["message"],
        state=GroupState(row["state"]),
        version=row["version"],
        capacity=row["capacity"],
        joined=row["joined"],
        created_ms=to_ms(row["created_at"]),
        starts_ms=_ms(row["starts_at"]),
        expires_ms=to_ms(row["expires_at"]),
        began_ms=_ms(row["began_at"]),
        ended_ms=_ms(row["ended_at"]),
        how=How(row["how"]) if row["how"] is not None else None,
        members=members,
    )


def _member(row: asyncpg.Record) -> Member:
    return Member(
        user=str(row["user_id"]),
        name=row["display_name"],
        state=Membership(row["membership"]),
        invited_by=str(row["invited_by"]) if row["invited_by"] is not None else None,
        joined_ms=_ms(row["joined_at"]),
        took_part=row["took_part"],
        away_ms=_ms(row["away_at"]),
        version=row["member_version"],
    )


async def lock_group(connection: PoolConnectionProxy, group: str) -> None:
    """Nobody else saves a step of this group until the transaction ends; who waits gets it in turn."""
    await connection.execute("select from groups where id = $1 for no key update", group)


async def save_step(
    connection: PoolConnectionProxy, before: Group | None, after: Group, changed: Sequence[Member]
) -> bool:
    """Write what became of *before* (None: a new group). False, with nothing written: it was no longer so.

    In the caller's transaction, which holds the group's row from here on.
    """
    changing = (
        after.host,
        after.state,
        after.version,
        after.joined,
        _moment(after.began_ms),
        _moment(after.ended_ms),
        after.how,
    )
    if before is not None:
        tag = await connection.execute(_UPDATE, after.id, before.version, *changing)
    else:
        host, state, version, joined, began_at, ended_at, how = changing
        texts = (after.name, after.description, after.message, after.capacity)
        times = (from_ms(after.created_ms), _moment(after.starts_ms))
        rest = (state, version, joined, from_ms(after.expires_ms), began_at, ended_at, how)
        tag = await connection.execute(_INSERT, after.id, after.creator, host, *texts, *times, *rest)
    if tag.endswith(" 0"):
        return False
    if changed:
        await connection.execute(
            _SAVE_MEMBERS,
            after.id,
            [member.user for member in changed],
            [member.state for member in changed],
            [member.invited_by for member in changed],
            [_moment(member.joined_ms) for member in changed],
            [member.took_part for member in changed],
            [_moment(member.away_ms) for member in changed],
            [member.version for member in changed],
        )
    return True


def _moment(ms: int | None) -> datetime | None:
    return from_ms(ms) if ms is not None else None


def _ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
