"""Group commit of what people do in group hugs: for each group one flusher takes everything that waits.

Acts are folded, in the order in which they came, through `domain.group_steps.apply` on the state kept from the
last commit, and saved with their durable events in one transaction by compare-and-set on `version`.
Invariants: an act is answered only after the commit of what it made, or on a state that was the newest when
it was looked at; whoever loses the race folds anew on the winner's state, holding the group's lock.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.errors import Conflict, Refusal, Unavailable
from domain.group_steps import Tiding, apply
from domain.groups import Act, Group, Member, no_such_group
from storage.group_events import Invisible, compose_events
from storage.groups import load_group, lock_group, save_step
from storage.inbox import InboxEvent, append_within
from storage.postgres import Database

BATCH_MAX = 200
WAITING_MAX = 20_000  # acts in memory that are not committed, of all groups
TRIES = 4
KEPT_MEMBERS_MAX = 100_000  # of all groups whose state is kept

log = logging.getLogger("hugmood.groups")


class Create(Struct, frozen=True):
    """A new group, made by `domain.groups.make_group`. Again by the same person: the group there is."""

    group: Group


class GroupChange(Struct, frozen=True):
    """One commit: *before* is None for a new group, *events* are those it put into inboxes."""

    before: Group | None
    after: Group
    changed: tuple[Member, ...]
    events: list[InboxEvent]


class _Waiting(Struct):
    acts: Sequence[Create | Act]
    done: "asyncio.Future[Group]"


class _Folded(Struct):
    """What a batch makes of a group: one answer for each who waits."""

    after: Group | None
    changed: dict[str, Member]
    tidings: list[Tiding]
    answers: list[Refusal | None]


class _RaceLost(Exception):  # noqa: N818  nothing is wrong
    """The group is no longer as it was: roll back and look again."""


class GroupCommits:
    """The acts of one process.

    *on_change* is told of each commit, after it, never concurrently for one group. *invisible*: those of some
    users who want to be seen nowhere, which `group.completed` respects.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int],
        on_change: Callable[[GroupChange], None],
        invisible: Invisible,
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_change = on_change
        self._invisible = invisible
        self._kept: OrderedDict[str, Group] = OrderedDict()  # the least recently used first
        self._kept_members = 0
        self._waiting: dict[str, list[_Waiting]] = {}
        self._waiting_count = 0
        self._looks: dict[str, asyncio.Task[Group | None]] = {}
        self._next_looks: dict[str, asyncio.Task[Group | None]] = {}
        self._flushers: dict[str, asyncio.Task[None]] = {}
        self.commits = 0
        self.races_lost = 0

    async def act(self, group: str, *acts: Create | Act) -> Group:
        """Carry out *acts*, all or none, and return the group as it is then: perhaps with what others did as well.

        A cancelled caller takes nothing back. Raises: Refusal; NotFound if there is no such group.
        """
        if self._waiting_count >= WAITING_MAX:
            raise Unavailable
        done: asyncio.Future[Group] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, []).append(_Waiting(acts, done))
        self._waiting_count += 1
        if group not in self._flushers:
            self._flushers[group] = asyncio.create_task(self._flush_waiting(group), name="group-commits")
        return await done

    async def load(self, group: str) -> Group | None:
        """The group as it is now; None if there is none. Raises: Unavailable.

        However many ask, one look is under way and one waits, which is that of all who ask meanwhile.
        """
        look = self._next_looks.get(group)
        if look is None:
            look = asyncio.create_task(self._look(group, self._looks.get(group)), name="group-load")
            look.add_done_callback(_heard)
            self._next_looks[group] = look
        return await asyncio.shield(look)

    async def _look(self, group: str, before: "asyncio.Task[Group | None] | None") -> Group | None:
        if before is not None:
            await asyncio.wait([before])
        look = self._looks[group] = self._next_looks.pop(group)
        try:
            kept = self._kept.get(group)
            loaded = await load_group(self._database, group, kept)
            if loaded is not None and loaded is not kept:
                self._keep(loaded)
            return loaded
        finally:
            if self._looks[group] is look:
                del self._looks[group]

    async def drained(self) -> None:
        """Return when nothing waits any more."""
        while self._flushers:
            await asyncio.wait(list(self._flushers.values()))

    async def _flush_waiting(self, group: str) -> None:
        try:
            while batch := self._waiting.get(group, [])[:BATCH_MAX]:
                del self._waiting[group][: len(batch)]
                self._waiting_count -= len(batch)
                await self._flush(group, batch)
        finally:
            del self._flushers[group]
            for waiting in self._waiting.pop(group, []):  # only if this task is cancelled
                self._waiting_count -= 1
                _settle(waiting, Unavailable())

    async def _flush(self, group: str, batch: list[_Waiting]) -> None:
        try:
            after, answers = await self._commit(group, batch)
        except Unavailable as error:
            self._forget(group)
            for waiting in batch:
                _settle(waiting, error)
        except Exception:
            self._forget(group)
            log.exception("acts in a group hug failed", extra={"group": group, "size": len(batch)})
            if len(batch) == 1:
                _settle(batch[0], Refusal("Something went wrong here; it is logged."))
                return
            for waiting in batch:  # one bad act must not take the others with it
                await self._flush(group, [waiting])
        else:
            for waiting, refusal in zip(batch, answers, strict=True):
                _settle(waiting, refusal or after or no_such_group())

    async def _commit(self, group: str, batch: list[_Waiting]) -> tuple[Group | None, list[Refusal | None]]:
        """Raises: Unavailable, also when it is unknown whether it committed."""
        before = self._kept.get(group)
        for attempt in range(TRIES):
            if before is None or attempt:
                change, folded, before = await self._commit_locked(group, before, batch)
            else:
                change, folded = await self._commit_on(before, batch)
            if change is not None:
                self._committed(change)
            if folded is not None:
                return folded.after, folded.answers
            self.races_lost += 1
        raise Unavailable

    async def _commit_on(self, before: Group, batch: list[_Waiting]) -> tuple[GroupChange | None, _Folded | None]:
        """Fold on the kept state. Nothing folded: it was out of date."""
        now_ms = self._clock()
        folded = _fold(before, batch, now_ms)
        if folded.after is before:
            # Nothing to write, so nothing has shown that the state is the newest.
            newest = await load_group(self._database, before.id, before)
            return None, folded if newest is before else None
        try:
            async with self._database.transaction() as connection:
                return await self._save(connection, before, folded, now_ms), folded
        except _RaceLost:
            return None, None

    async def _commit_locked(
        self, group: str, known: Group | None, batch: list[_Waiting]
    ) -> tuple[GroupChange | None, _Folded | None, Group | None]:
        """Fold on the newest state, which nobody changes meanwhile. Nothing folded: another made this new group."""
        try:
            async with self._database.transaction() as connection:
                await lock_group(connection, group)
                before = await load_group(connection, group, known)
                now_ms = self._clock()
                folded = _fold(before, batch, now_ms)
                change = None
                if folded.after is not before:
                    change = await self._save(connection, before, folded, now_ms)
        except _RaceLost:
            return None, None, None
        if before is not None and change is None:
            self._keep(before)
        return change, folded, before

    async def _save(
        self, connection: PoolConnectionProxy, before: Group | None, folded: _Folded, now_ms: int
    ) -> GroupChange:
        """Raises: _RaceLost."""
        after = folded.after
        assert after is not None  # noqa: S101  a group is never unmade
        if not await save_step(connection, before, after, list(folded.changed.values())):
            raise _RaceLost
        events = await compose_events(connection, after, folded.tidings, now_ms, self._invisible)
        stored = await append_within(connection, events) if events else []
        return GroupChange(before, after, tuple(folded.changed.values()), stored)

    def _committed(self, change: GroupChange) -> None:
        self.commits += 1
        self._keep(change.after)
        try:
            self._on_change(change)
        except Exception:  # it is on disk all the same
            log.exception("a change of a group hug could not be told", extra={"group": change.after.id})

    def _keep(self, group: Group) -> None:
        old = self._kept.pop(group.id, None)
        if old is not None:
            self._kept_members -= len(old.members)
            if old.version > group.version:
                group = old
        self._kept[group.id] = group
        self._kept_members += len(group.members)
        while self._kept_members > KEPT_MEMBERS_MAX and len(self._kept) > 1:
            _, dropped = self._kept.popitem(last=False)
            self._kept_members -= len(dropped.members)

    def _forget(self, group: str) -> None:
        old = self._kept.pop(group, None)
        if old is not None:
            self._kept_members -= len(old.members)


def _fold(before: Group | None, batch: Sequence[_Waiting], now_ms: int) -> _Folded:
    """All of *batch* on *before*, one after the other; the acts of each who waits count all or none."""
    folded = _Folded(before, {}, [], [])
    for waiting in batch:
        try:
            group, changed, tidings = _fold_one(folded.after, waiting.acts, now_ms)
        except Refusal as refusal:
            folded.answers.append(refusal)
        else:
            folded.after = group
            folded.changed |= changed
            folded.tidings += tidings
            folded.answers.append(None)
    return folded


def _fold_one(
    group: Group | None, acts: Sequence[Create | Act], now_ms: int
) -> tuple[Group, dict[str, Member], list[Tiding]]:
    """Raises: Refusal."""
    changed: dict[str, Member] = {}
    tidings: list[Tiding] = []
    for act in acts:
        if isinstance(act, Create):
            if group is None:
                group = act.group
                changed |= group.members
            elif group.creator != act.group.creator:
                raise Conflict("This id belongs to another group hug. Make a new UUIDv7 for each.")
            else:
                break  # sent again: what came with it was done the first time
        elif group is None:
            raise no_such_group()
        else:
            step = apply(group, act, now_ms)
            group = step.group
            changed |= {member.user: member for member in step.changed}
            tidings += step.tidings
    if group is None:
        raise no_such_group()
    return group, changed, tidings


def _settle(waiting: _Waiting, answer: Group | Refusal) -> None:
    if waiting.done.done():
        return
    if isinstance(answer, Refusal):
        waiting.done.set_exception(answer)
    else:
        waiting.done.set_result(answer)


def _heard(look: "asyncio.Task[Group | None]") -> None:
    if not look.cancelled():
        look.exception()  # whoever asked may be gone
