"""Endpoints of group hugs."""

from collections.abc import Sequence
from typing import cast

from domain.groups import Group, Member, Membership
from domain.times import rfc3339
from hub.api.cursors import UserPosition, decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.group_views import line_of
from hub.handlers.groups import GroupHandlers
from protocol import parts
from protocol.codes import ErrorCode
from protocol.commands import GroupCancel, GroupComplete, GroupCreate, GroupInvite, GroupJoin, GroupLeave, GroupSqueeze
from protocol.events import Ok
from protocol.parts import UserRef
from protocol.rest import Page, PageQuery
from protocol.rest_groups import GroupMember, GroupQuery
from storage.groups import load_groups_of
from storage.hugs import SOMEONE
from storage.postgres import Database


class _Groups:
    """Reads; hands commands on to the group handlers, which the sockets use too."""

    def __init__(self, database: Database, groups: GroupHandlers) -> None:
        self._database = database
        self._groups = groups

    async def mine(self, call: Call) -> Page[parts.Group]:
        query = cast("GroupQuery", call.query)
        position = decode_cursor(query.cursor, UserPosition)
        before = position.user.lower() if position is not None else None
        found = await load_groups_of(self._database, call.actor.user, query.state, before, query.limit + 1)
        shown = found[: query.limit]
        following = encode_cursor(UserPosition(shown[-1].group.id)) if len(found) > len(shown) else None
        return Page([line_of(line) for line in shown], following)

    async def one(self, call: Call) -> parts.Group:
        group, blocked = await self._groups.open(call.actor, call.id)
        return await self._groups.views.room_of(group, call.actor.user, blocked)

    async def members(self, call: Call) -> Page[GroupMember]:
        group, blocked = await self._groups.open(call.actor, call.id)
        query = cast("PageQuery", call.query)
        position = decode_cursor(query.cursor, UserPosition)
        after = position.user.lower() if position is not None else ""
        listed = _listed(group, call.actor.user)
        found = sorted(user for user in listed if user > after and user not in blocked)[: query.limit + 1]
        shown = found[: query.limit]
        members = [group.members[user] for user in shown]
        if not group.is_over:
            seen = {member.user for member in await self._groups.views.visible(members, call.actor.user)}
            members = [one for one in members if one.user in seen or one.state is Membership.INVITED]
        following = encode_cursor(UserPosition(shown[-1])) if len(found) > len(shown) else None
        names = await self._groups.views.names_of(members)
        return Page([_member(member, names.get(member.user, SOMEONE)) for member in members], following)

    async def create(self, call: Call) -> Ok:
        return await self._groups.create(call.actor, call.body)

    async def invite(self, call: Call) -> Ok:
        return await self._groups.invite(call.actor, call.body)

    async def join(self, call: Call) -> Ok:
        return await self._groups.join(call.actor, call.body)

    async def leave(self, call: Call) -> Ok:
        return await self._groups.leave(call.actor, call.body)

    async def squeeze(self, call: Call) -> Ok:
        return await self._groups.squeeze(call.actor, call.body)

    async def complete(self, call: Call) -> Ok:
        return await self._groups.complete(call.actor, call.body)

    async def cancel(self, call: Call) -> Ok:
        return await self._groups.cancel(call.actor, call.body)


def _listed(group: Group, asker: str) -> list[str]:
    """Who is in the room or, once it is over, took part; who is invited is for those in the room alone."""
    tells_invited = group.is_joined(asker)
    return [
        member.user
        for member in group.members.values()
        if member.is_joined
        or (group.is_over and member.took_part)
        or (member.state is Membership.INVITED and (tells_invited or member.user == asker))
    ]


def _member(member: Member, name: str) -> GroupMember:
    return GroupMember(
        user=UserRef(member.user, name),
        membership=member.state,
        joined_at=rfc3339(member.joined_ms) if member.joined_ms is not None else None,
    )


def group_endpoints(database: Database, groups: GroupHandlers) -> Sequence[Endpoint]:
    """`/v1/groups*`."""
    endpoints = _Groups(database, groups)
    return (
        Endpoint(
            method="GET",
            path="/v1/groups",
            summary="One's group hugs, newest first: where one sits, is invited or took part.",
            group="Groups",
            handle=endpoints.mine,
            query=GroupQuery,
            reply=Page[parts.Group],
        ),
        Endpoint(
            method="POST",
            path="/v1/groups",
            summary="Host a group hug (group.create). The same id again is the same group.",
            group="Groups",
            handle=endpoints.create,
            body=GroupCreate,
            reply=Ok,
            errors=(ErrorCode.CONFLICT, ErrorCode.RATE_LIMITED),
        ),
        Endpoint(
            method="GET",
            path="/v1/groups/{id}",
            summary="One group hug, with those in the room.",
            group="Groups",
            handle=endpoints.one,
            reply=parts.Group,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="GET",
            path="/v1/groups/{id}/members",
            summary="Who is in the room, or took part; for those in it also who is invited.",
            group="Groups",
            handle=endpoints.members,
            query=PageQuery,
            reply=Page[GroupMember],
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/invite",
            summary="Invite people (group.invite). Who cannot be reached is left out.",
            group="Groups",
            handle=endpoints.invite,
            body=GroupInvite,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/join",
            summary="Come in (group.join).",
            group="Groups",
            handle=endpoints.join,
            body=GroupJoin,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/leave",
            summary="Go, or decline an invitation (group.leave).",
            group="Groups",
            handle=endpoints.leave,
            body=GroupLeave,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/squeeze",
            summary="Squeeze everybody in the room (group.squeeze).",
            group="Groups",
            handle=endpoints.squeeze,
            body=GroupSqueeze,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/complete",
            summary="End it well, as its host (group.complete).",
            group="Groups",
            handle=endpoints.complete,
            body=GroupComplete,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT),
        ),
        Endpoint(
            method="POST",
            path="/v1/groups/cancel",
            summary="Call it off, as its host (group.cancel).",
            group="Groups",
            handle=endpoints.cancel,
            body=GroupCancel,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
        ),
    )
