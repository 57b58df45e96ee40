"""Group hugs: creating, inviting, coming, going, ending. The rules are the domain's, the races GroupCommits'.

Invariant: for who is blocked with the host, a group that they do not sit in answers like one that is not there.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from domain.errors import Conflict, Refusal
from domain.groups import (
    INVITED_MAX,
    Act,
    Cancel,
    Complete,
    Group,
    GroupState,
    Invite,
    Join,
    Leave,
    check_open,
    check_texts,
    check_times,
    make_group,
    no_such_group,
)
from domain.privacy import Relation, check_may_hug
from domain.times import to_ms
from hub.handlers.group_views import GroupViews
from hub.handlers.ports import Actor
from hub.relations import Relations
from hub.rooms import Rooms
from protocol import parts
from protocol.commands import GroupCancel, GroupComplete, GroupCreate, GroupInvite, GroupJoin, GroupLeave, GroupSqueeze
from protocol.events import Ok
from storage.blocks import load_blocked_with
from storage.group_commits import Create, GroupCommits
from storage.groups import count_open_groups
from storage.limits import Limit, Limits
from storage.postgres import Database

GROUPS_BY_USER = Limit("groups", 20, 3_600_000)
OPEN_GROUPS_MAX = 5  # hosted by one user
INVITED_MAX_UNLIMITED = 10_000


class GroupHandlers:
    """`group.*`, for sockets and REST alike. All raise: Refusal."""

    def __init__(
        self,
        database: Database,
        commits: GroupCommits,
        views: GroupViews,
        rooms: Rooms,
        relations: Relations,
        limits: Limits,
        clock: Callable[[], int],
        *,
        limits_on: bool,
    ) -> None:
        self._database = database
        self._commits = commits
        self.views = views
        self._rooms = rooms
        self._relations = relations
        self._limits = limits
        self._clock = clock
        self._limits_on = limits_on
        self._invited_most = INVITED_MAX if limits_on else INVITED_MAX_UNLIMITED

    async def create(self, actor: Actor, command: GroupCreate) -> Ok:
        """Host a new group; whom the host cannot invite is left out. The same `id` again is the same group."""
        group_id = command.id.lower()
        group = await self._commits.load(group_id)
        asked = _others(actor, command.invite)
        if group is None:
            made = self._make(actor, group_id, command)
            await self._check_limits(actor.user)
            acts: list[Create | Act] = [Create(made)]
            reachable = await self._reachable(actor, asked)
            if reachable:
                acts.append(Invite(actor.user, reachable, self._invited_most))
            group = await self._commits.act(group_id, *acts)
        elif group.creator != actor.user:
            raise Conflict("This id belongs to another group hug. Make a new UUIDv7 for each.")
        return await self._answer(actor, group, _invited_by(actor, group, asked))

    async def invite(self, actor: Actor, command: GroupInvite) -> Ok:
        """Ask more people to come. Who cannot be reached, by the actor or by the host, is left out."""
        group, _ = await self.open(actor, command.id)
        asked = _others(actor, command.users)
        reachable = await self._reachable(actor, asked)
        if group.host != actor.user:
            blocked = await load_blocked_with(self._database, group.host)
            reachable = {user: name for user, name in reachable.items() if user not in blocked}
        group = await self._commits.act(group.id, Invite(actor.user, reachable, self._invited_most))
        # Of an open group these are all of them, whether they are in it or not: nothing shows who is.
        invited = [user for user in asked if user in reachable]
        return Ok(id=group.id, ids=_invited_by(actor, group, invited) if group.is_over else invited)

    async def join(self, actor: Actor, command: GroupJoin) -> Ok:
        """Come in: whoever knows the id may."""
        blocked = await load_blocked_with(self._database, actor.user)
        group = await self._commits.act(command.id.lower(), Join(actor.user, actor.name, blocked))
        room = await self.views.room_of(group, actor.user, blocked)
        return Ok(id=group.id, state=group.state, group=room)

    async def leave(self, actor: Actor, command: GroupLeave) -> Ok:
        """Go, or decline the invitation."""
        group, _ = await self.open(actor, command.id)
        group = await self._commits.act(group.id, Leave(actor.user))
        return Ok(id=group.id, state=group.state)

    async def complete(self, actor: Actor, command: GroupComplete) -> Ok:
        """End it well."""
        group, _ = await self.open(actor, command.id)
        return await self._answer(actor, await self._commits.act(group.id, Complete(actor.user)))

    async def cancel(self, actor: Actor, command: GroupCancel) -> Ok:
        """Call it off."""
        group, _ = await self.open(actor, command.id)
        return await self._answer(actor, await self._commits.act(group.id, Cancel(actor.user)))

    async def squeeze(self, actor: Actor, command: GroupSqueeze) -> Ok:
        """For who is in the room without a session here; those with one squeeze without asking anybody (`Rooms.squeeze`)."""
        group, _ = await self.open(actor, command.id)
        if not group.is_joined(actor.user):
            raise Conflict("You are not in this group hug. Send group.join first.")
        if group.is_over or group.state is GroupState.SCHEDULED:
            raise Conflict("This group hug is not on. Its state is: " + group.state)
        self._rooms.squeeze_from_afar(actor.user, group.id, command.strength)
        return Ok(id=group.id)

    async def open(self, actor: Actor, group_id: str) -> tuple[Group, frozenset[str]]:
        """The group as it is now, if the actor may know of it, and with whom the actor is blocked."""
        group = await self._commits.load(group_id.lower())
        if group is None:
            raise no_such_group()
        blocked = await load_blocked_with(self._database, actor.user)
        check_open(group, actor.user, blocked)
        return group, blocked

    async def room_of(self, group: Group, asker: str) -> parts.Group:
        """*group* as *asker* sees it, with those in the room."""
        return await self.views.room_of(group, asker)

    async def _answer(self, actor: Actor, group: Group, ids: Sequence[str] | None = None) -> Ok:
        room = await self.room_of(group, actor.user)
        return Ok(id=group.id, state=group.state, ids=list(ids) if ids is not None else None, group=room)

    def _make(self, actor: Actor, group_id: str, command: GroupCreate) -> Group:
        check_texts(command.name, command.description, command.message)
        now_ms = self._clock()
        starts_ms = _ms(command.starts_at)
        group = Group(
            id=group_id,
            creator=actor.user,
            host=actor.user,
            name=command.name.strip(),
            description=command.description,
            message=command.message,
            state=GroupState.GATHERING,
            capacity=command.capacity,
            created_ms=now_ms,
            starts_ms=starts_ms,
            expires_ms=check_times(now_ms, starts_ms, _ms(command.expires_at)),
            members={},
        )
        return make_group(group, actor.name)

    async def _check_limits(self, user: str) -> None:
        if not self._limits_on:
            return
        if await count_open_groups(self._database, user, self._clock()) >= OPEN_GROUPS_MAX:
            raise Conflict(f"You host {OPEN_GROUPS_MAX} group hugs already. Complete or cancel one first.")
        await self._limits.take((GROUPS_BY_USER, user))

    async def _reachable(self, actor: Actor, users: Sequence[str]) -> dict[str, str]:
        """Those of *users* whom the actor may hug, with their names."""
        relations = await asyncio.gather(*(self._relation(actor.user, user) for user in users))
        return {
            user: relation.name for user, relation in zip(users, relations, strict=True) if _may_be_hugged(relation)
        }

    async def _relation(self, asker: str, other: str) -> Relation:
        return self._relations.recall(asker, other) or await self._relations.load(asker, other)


def _others(actor: Actor, users: Sequence[str]) -> list[str]:
    """Each of *users* once, without the actor."""
    return [user for user in dict.fromkeys(user.lower() for user in users) if user != actor.user]


def _invited_by(actor: Actor, group: Group, users: Sequence[str]) -> list[str]:
    """Those of *users* whom the actor has invited; that somebody else is here is not told this way."""
    members = group.members
    return [user for user in users if user in members and members[user].invited_by == actor.user]


def _may_be_hugged(relation: Relation) -> bool:
    try:
        check_may_hug(relation)
    except Refusal:
        return False
    return True


def _ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
