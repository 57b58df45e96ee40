"""Endpoints of what one person decides about another alone: blocks, mutes, follows."""

from collections.abc import Sequence

from domain.times import rfc3339
from hub.api.cursors import after_user, page_of_users
from hub.api.endpoints import Call, Endpoint
from hub.handlers.friends import FriendHandlers
from hub.handlers.marks import MarkHandlers
from protocol.codes import ErrorCode
from protocol.commands import UserBlock, UserMute, UserUnblock, UserUnmute
from protocol.events import Ok
from protocol.parts import UserRef
from protocol.rest import Page, PageQuery
from protocol.rest_people import Block, Follow, FollowBody, Mute
from storage.blocks import load_blocks
from storage.marks import load_follows, load_mutes
from storage.postgres import Database


class _Marks:
    """Reads lists; hands commands on to the handlers, which the sockets use too."""

    def __init__(self, database: Database, friends: FriendHandlers, marks: MarkHandlers) -> None:
        self._database = database
        self._friends = friends
        self._marks = marks

    async def list_blocks(self, call: Call) -> Page[Block]:
        return page_of_users(
            call,
            await load_blocks(self._database, call.actor.user, *after_user(call)),
            lambda block: Block(user=UserRef(block.user, block.name), at=rfc3339(block.at_ms)),
        )

    async def block(self, call: Call) -> Ok:
        return await self._friends.block(call.actor, call.body)

    async def unblock(self, call: Call) -> Ok:
        return await self._friends.unblock(call.actor, UserUnblock(user=call.id))

    async def list_mutes(self, call: Call) -> Page[Mute]:
        return page_of_users(
            call,
            await load_mutes(self._database, call.actor.user, *after_user(call)),
            lambda mute: Mute(
                user=UserRef(mute.user, mute.name),
                at=rfc3339(mute.at_ms),
                until=rfc3339(mute.until_ms) if mute.until_ms is not None else None,
            ),
        )

    async def mute(self, call: Call) -> Ok:
        return await self._marks.mute(call.actor, call.body)

    async def unmute(self, call: Call) -> Ok:
        return await self._marks.unmute(call.actor, UserUnmute(user=call.id))

    async def list_follows(self, call: Call) -> Page[Follow]:
        return page_of_users(
            call,
            await load_follows(self._database, call.actor.user, *after_user(call)),
            lambda follow: Follow(user=UserRef(follow.user, follow.name), at=rfc3339(follow.at_ms)),
        )

    async def follow(self, call: Call) -> Ok:
        return await self._marks.follow(call.actor, call.body.user)

    async def unfollow(self, call: Call) -> Ok:
        return await self._marks.unfollow(call.actor, call.id)


def mark_endpoints(database: Database, friends: FriendHandlers, marks: MarkHandlers) -> Sequence[Endpoint]:
    """`/v1/blocks*`, `/v1/mutes*` and `/v1/follows*`."""
    endpoints = _Marks(database, friends, marks)
    return (
        Endpoint(
            method="GET",
            path="/v1/blocks",
            summary="Who is blocked.",
            group="Blocks",
            handle=endpoints.list_blocks,
            query=PageQuery,
            reply=Page[Block],
        ),
        Endpoint(
            method="POST",
            path="/v1/blocks",
            summary="Block somebody (user.block). They are told nothing. Always answered alike, whoever it is.",
            group="Blocks",
            handle=endpoints.block,
            body=UserBlock,
            reply=Ok,
        ),
        Endpoint(
            method="DELETE",
            path="/v1/blocks/{id}",
            summary="Lift a block (user.unblock). Restores nothing.",
            group="Blocks",
            handle=endpoints.unblock,
            reply=Ok,
        ),
        Endpoint(
            method="GET",
            path="/v1/mutes",
            summary="Who is muted now.",
            group="Mutes",
            handle=endpoints.list_mutes,
            query=PageQuery,
            reply=Page[Mute],
        ),
        Endpoint(
            method="POST",
            path="/v1/mutes",
            summary="Mute somebody, for good or until then (user.mute). They do not notice.",
            group="Mutes",
            handle=endpoints.mute,
            body=UserMute,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="DELETE",
            path="/v1/mutes/{id}",
            summary="Lift a mute (user.unmute).",
            group="Mutes",
            handle=endpoints.unmute,
            reply=Ok,
        ),
        Endpoint(
            method="GET",
            path="/v1/follows",
            summary="Whom one follows.",
            group="Follows",
            handle=endpoints.list_follows,
            query=PageQuery,
            reply=Page[Follow],
        ),
        Endpoint(
            method="POST",
            path="/v1/follows",
            summary="Follow somebody. They do not notice.",
            group="Follows",
            handle=endpoints.follow,
            body=FollowBody,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
        ),
        Endpoint(
            method="DELETE",
            path="/v1/follows/{id}",
            summary="Follow somebody no more.",
            group="Follows",
            handle=endpoints.unfollow,
            reply=Ok,
        ),
    )
