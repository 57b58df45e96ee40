"""Muting and following: one-sided, and the other never hears of it.

Invariant: what is lifted is answered alike whether it was there or not, and whoever it was about.
"""

from collections.abc import Callable

from domain.marks import FOLLOWS_MAX, check_follows, check_until
from domain.privacy import check_reachable, no_such_user
from domain.times import from_ms, rfc3339, to_ms
from hub.handlers.friends import target
from hub.handlers.ports import Actor
from protocol.commands import UserMute, UserUnmute
from protocol.events import Ok
from storage.marks import delete_follow, delete_mute, save_mute
from storage.pairs import locked_pair
from storage.postgres import Database


class MarkHandlers:
    """`user.mute`, `user.unmute` and follows. *follows_max* 0: without limit. All raise: Refusal."""

    def __init__(self, database: Database, clock: Callable[[], int], follows_max: int = FOLLOWS_MAX) -> None:
        self._database = database
        self._clock = clock
        self._follows_max = follows_max

    async def mute(self, actor: Actor, command: UserMute) -> Ok:
        """Mute, for good or until then; a second time changes until when."""
        other, now_ms = target(actor, command.user), self._clock()
        check_until(to_ms(command.until) if command.until is not None else None, now_ms)
        since = await save_mute(self._database, actor.user, other, command.until, from_ms(now_ms))
        if since is None:
            raise no_such_user()
        return Ok(state="muted", at=rfc3339(to_ms(since)))

    async def unmute(self, actor: Actor, command: UserUnmute) -> Ok:
        """Lift a mute, if there is one."""
        await delete_mute(self._database, actor.user, target(actor, command.user))
        return Ok(state="unmuted", at=rfc3339(self._clock()))

    async def follow(self, actor: Actor, user: str) -> Ok:
        """Follow *user*. Under the lock of the pair, so that no follow can slip past a block."""
        other, now_ms = target(actor, user), self._clock()
        async with locked_pair(self._database, actor.user, other) as pair:
            check_reachable(pair.relation)
            if self._follows_max:
                check_follows(await pair.count_follows(), self._follows_max)
            since = await pair.save_follow(from_ms(now_ms))
        return Ok(state="followed", at=rfc3339(to_ms(since)))

    async def unfollow(self, actor: Actor, user: str) -> Ok:
        """Follow *user* no more, if at all."""
        await delete_follow(self._database, actor.user, target(actor, user))
        return Ok(state="unfollowed", at=rfc3339(self._clock()))
