"""Becoming friends, ending it, blocking: one transaction each, then whoever must hear of it is told.

Invariant: an event is rung only after the transaction that holds it has committed; what a block forbids
answers like a user who does not exist, and tells the blocked one nothing.
"""

from collections.abc import Callable

from domain.errors import Invalid
from domain.friendships import (
    FriendLimits,
    Friendship,
    after_answer,
    after_end,
    after_request,
    check_requests,
    check_room,
)
from domain.privacy import check_may_befriend, check_reachable
from domain.times import from_ms, rfc3339
from hub.handlers.ports import Actor, Delivery
from protocol.codec import encode_body
from protocol.commands import FriendAnswer, FriendEnd, FriendRequest, UserBlock, UserUnblock
from protocol.events import FriendAccepted, FriendEnded, FriendRequested, Message, Ok
from protocol.parts import UserRef
from storage.inbox import InboxEvent, NewEvent
from storage.pairs import LockedPair, locked_pair
from storage.postgres import Database


class FriendHandlers:
    """`friend.*`, `user.block` and `user.unblock`, for sockets and REST alike. All raise: Refusal."""

    def __init__(
        self, database: Database, delivery: Delivery, clock: Callable[[], int], limits: FriendLimits | None = None
    ) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock
        self._limits = limits if limits is not None else FriendLimits()

    async def request(self, actor: Actor, command: FriendRequest) -> Ok:
        """Ask; or make friends, if the other has asked already. The answer's `state` is `requested` or `accepted`."""
        other, now_ms = target(actor, command.to), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            check_reachable(pair.relation)
            before, after = pair.friendship, after_request(pair.friendship)
            events: list[InboxEvent] = []
            if before is Friendship.INCOMING:
                events = await self._befriend(pair, now_ms)
            elif before is Friendship.NONE:
                check_may_befriend(pair.relation)
                made, since_ms = await pair.count_request(from_ms(now_ms))
                check_requests(made, since_ms, self._limits.requests_a_day, now_ms)
                await pair.save_friendship(after, from_ms(now_ms))
                asked = FriendRequested(at=rfc3339(now_ms), from_=UserRef(actor.user, pair.own_name))
                events = await pair.append([_event(other, asked)])
        if before is Friendship.INCOMING:
            self._delivery.relation_changed(actor.user, other, are_friends=True)
        self._delivery.ring(events)
        state = "accepted" if after is Friendship.FRIENDS else "requested"
        return Ok(state=state, at=_since(pair, now_ms, is_new=before is not after))

    async def answer(self, actor: Actor, command: FriendAnswer) -> Ok:
        """Accept, or decline without a word to the other. `state` is `accepted` or `declined`."""
        other, now_ms = target(actor, command.from_), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            check_reachable(pair.relation)
            before, after = pair.friendship, after_answer(pair.friendship, accept=command.accept)
            events: list[InboxEvent] = []
            if after is not before and after is Friendship.FRIENDS:
                events = await self._befriend(pair, now_ms)
            elif after is not before:
                await pair.save_friendship(after, from_ms(now_ms))
        if events:
            self._delivery.relation_changed(actor.user, other, are_friends=True)
        self._delivery.ring(events)
        state = "accepted" if command.accept else "declined"
        return Ok(state=state, at=_since(pair, now_ms, is_new=before is not after))

    async def end(self, actor: Actor, command: FriendEnd) -> Ok:
        """End a friendship, which the other hears of, or withdraw the own request, which they do not."""
        other, now_ms = target(actor, command.user), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            check_reachable(pair.relation)
            before, after = pair.friendship, after_end(pair.friendship)
            events: list[InboxEvent] = []
            if after is not before:
                await pair.save_friendship(after, from_ms(now_ms))
            if before is Friendship.FRIENDS:
                events = await pair.append([_event(other, FriendEnded(at=rfc3339(now_ms), user=actor.user))])
        if events:
            self._delivery.relation_changed(actor.user, other, are_friends=False)
        self._delivery.ring(events)
        return Ok(state="ended", at=rfc3339(now_ms))

    async def block(self, actor: Actor, command: UserBlock) -> Ok:
        """End whatever there is between the two, for good. The other hears nothing.

        Always answered alike, also for whoever has blocked the actor or does not exist: see docs/adr/0009.
        """
        other, now_ms = target(actor, command.user), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            await pair.save_block(from_ms(now_ms))
        if not pair.has_blocked:
            # Strangers see nothing of each other, so nothing may show that one is now blocked.
            self._delivery.relation_changed(actor.user, other, are_friends=False if pair.relation.is_friend else None)
        return Ok(state="blocked", at=rfc3339(now_ms))

    async def unblock(self, actor: Actor, command: UserUnblock) -> Ok:
        """Lift a block, if there is one. Restores nothing."""
        other, now_ms = target(actor, command.user), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            await pair.delete_block()
        if pair.has_blocked:
            self._delivery.relation_changed(actor.user, other, are_friends=None)
        return Ok(state="unblocked", at=rfc3339(now_ms))

    async def _befriend(self, pair: LockedPair, now_ms: int) -> list[InboxEvent]:
        """Make friends of *pair*; both are told, durably."""
        if self._limits.friends:
            check_room(*await pair.count_friends(), self._limits.friends)
        await pair.save_friendship(Friendship.FRIENDS, from_ms(now_ms))
        at = rfc3339(now_ms)
        return await pair.append(
            [
                _event(pair.other, FriendAccepted(at=at, user=UserRef(pair.user, pair.own_name))),
                _event(pair.user, FriendAccepted(at=at, user=UserRef(pair.other, pair.relation.name))),
            ]
        )


def target(actor: Actor, user: str) -> str:
    """The id of whom a command is about. Raises: Invalid if that is the actor."""
    other = user.lower()
    if other == actor.user:
        raise Invalid("This command is about somebody else, not about yourself.")
    return other


def _event(user: str, event: Message) -> NewEvent:
    return NewEvent(user, str(event.__struct_config__.tag), encode_body(event))


def _since(pair: LockedPair, now_ms: int, *, is_new: bool) -> str:
    """The time in the answer: of the change, also when the command comes a second time."""
    return rfc3339(now_ms if is_new or pair.changed_ms is None else pair.changed_ms)
