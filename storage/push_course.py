"""How far one event has come on its way to a person who is not connected, for a command that watches it."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from storage.postgres import Database

FINAL = frozenset({"accepted", "opened", "suppressed", "expired", "dead", "failed"})

_USER = """
select id::text from users where deleted_at is null and (username = lower($1) or id::text = lower($1))
"""
_COURSE = """
select h.acked_seq >= $2 as is_acked, n.state, n.reason, b.due_at,
       (select count(*) from devices v where v.user_id = $1) as devices
from inbox_heads h
left join notifications n on n.user_id = h.user_id and n.seq = $2 and n.channel = 'push'
left join bursts b on b.user_id = n.user_id and b.kind = n.kind and b.channel = n.channel
where h.user_id = $1
"""
_STRETCHES = """
select coalesce(v.name, 'removed device') as device, d.device_id is not null as has_device, d.provider, d.state, d.reason,
       d.answer
from notifications n
join deliveries d on d.user_id = n.user_id and d.kind = n.kind and d.last_seq >= n.seq and d.first_seq <= n.seq
     and (n.channel = 'email') = (d.provider = 'email')
left join devices v on v.id = d.device_id and v.user_id = d.user_id
where n.user_id = $1 and n.seq = $2 and n.push_id is not null order by 1, 3
"""


class Stretch(Struct, frozen=True):
    """One delivery. *device*: its name; None where the provider knows none."""

    device: str | None
    provider: str
    state: str
    reason: str | None
    answer: str | None


class Course(Struct, frozen=True):
    """*state*, *reason*: of the notification; None: no worker has looked yet. *due_at*: when it is looked at again."""

    is_acked: bool
    state: str | None
    reason: str | None
    due_at: datetime | None
    devices: int
    stretches: Sequence[Stretch]


async def find_user(database: Database, name: str) -> str | None:
    """The id of who has this id or username. Raises: Unavailable."""
    found: str | None = await database.fetchval(_USER, name)
    return found


async def load_course(database: Database, user: str, seq: int) -> Course:
    """Of event *seq* of *user*, which is there. Raises: Unavailable."""
    row = await database.fetchrow(_COURSE, user, seq)
    if row is None:
        raise RuntimeError(f"user {user} has no inbox, but event {seq}")
    stretches = [
        Stretch(each["device"] if each["has_device"] else None, *list(each.values())[2:])
        for each in await database.fetch(_STRETCHES, user, seq)
    ]
    return Course(**row, stretches=stretches)
