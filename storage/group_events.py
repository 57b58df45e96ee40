"""Tidings of a group hug as durable events, ready to be appended to the inboxes of whom they concern."""

from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from typing import cast

from asyncpg.pool import PoolConnectionProxy

from domain.errors import Unavailable
from domain.group_steps import Tiding, Told
from domain.groups import Group, How, took_part
from domain.times import rfc3339
from protocol.codec import encode_body
from protocol.events import Message
from protocol.group_events import GroupCancelled, GroupCompleted, GroupInvited, GroupStarted
from protocol.parts import UserRef
from storage.hugs import SOMEONE
from storage.inbox import NewEvent
from storage.names import load_names

PARTICIPANTS_MAX = 50  # named in `group.completed`

_BLOCKS = """
select user_id, blocked_id from blocks where user_id = any($1::uuid[]) and blocked_id = any($2::uuid[])
union
select blocked_id, user_id from blocks where blocked_id = any($1::uuid[]) and user_id = any($2::uuid[])
"""


Invisible = Callable[[Sequence[str]], Awaitable[set[str]]]


async def compose_events(
    connection: PoolConnectionProxy, group: Group, tidings: Sequence[Tiding], now_ms: int, invisible: Invisible
) -> list[NewEvent]:
    """What each user of *tidings* is told; those who are told the same share one body.

    *invisible*: those of some users who want to be seen nowhere; while that cannot be told, all are taken for it.
    """
    events: list[NewEvent] = []
    for tiding in tidings:
        if tiding.told is Told.COMPLETED:
            events += await _completed(connection, group, tiding.to, now_ms, invisible)
        else:
            names = await load_names(connection, [tiding.by]) if tiding.by is not None else {}
            events += _same_for_all(_plain(group, tiding, now_ms, names), tiding.to)
    return events


def _plain(group: Group, tiding: Tiding, now_ms: int, names: Mapping[str, str]) -> Message:
    at = rfc3339(now_ms)
    if tiding.told is Told.STARTED:
        return GroupStarted(at=at, id=group.id, name=group.name, count=len(tiding.to))
    if tiding.told is Told.CANCELLED:
        return GroupCancelled(at=at, id=group.id, name=group.name, state=group.state)
    by = cast("str", tiding.by)
    return GroupInvited(
        at=at,
        id=group.id,
        from_=_ref(by, names),
        name=group.name,
        state=group.state,
        expires_at=rfc3339(group.expires_ms),
        message=group.message,
        starts_at=rfc3339(group.starts_ms) if group.starts_ms is not None else None,
    )


async def _completed(
    connection: PoolConnectionProxy, group: Group, to: Sequence[str], now_ms: int, invisible: Invisible
) -> list[NewEvent]:
    """The participants are the same for all, but for who is blocked with one of them, or is named to nobody else."""
    everybody = took_part(group)
    users = [member.user for member in everybody[:PARTICIPANTS_MAX]]
    try:
        unseen = await invisible(users)
    except Unavailable:
        unseen = set(users)
    names = await load_names(connection, users)
    hidden = {user: unseen - {user} for user in unseen}
    for one, other in await connection.fetch(_BLOCKS, users, to):
        hidden[str(other)] = hidden.get(str(other), unseen) | {str(one)}

    def event(without: Set[str]) -> Message:
        began_ms, ended_ms = cast("int", group.began_ms), cast("int", group.ended_ms)
        return GroupCompleted(
            at=rfc3339(now_ms),
            id=group.id,
            name=group.name,
            how=cast("How", group.how),
            participants=[_ref(user, names) for user in users if user not in without],
            count=len(everybody),
            duration_ms=max(0, ended_ms - began_ms),
        )

    events = _same_for_all(event(unseen), [user for user in to if user not in hidden])
    for user, without in hidden.items():
        events += _same_for_all(event(without), [user])
    return events


def _ref(user: str, names: Mapping[str, str]) -> UserRef:
    """As they are called now, which may be newer than the group that is kept in memory."""
    return UserRef(user, names.get(user, SOMEONE))


def _same_for_all(event: Message, users: Sequence[str]) -> list[NewEvent]:
    body, kind = encode_body(event), str(event.__struct_config__.tag)
    return [NewEvent(user, kind, body) for user in users]
