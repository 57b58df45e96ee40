"""Sending hugs and marking them seen. The rules are the domain's, the order of things is this module's:

may she? has she any left? → commit → `ok` to the sender → ring to the recipient → `hug.sent` to the sender's other devices.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from domain.errors import Invalid, Refusal
from domain.hugs import KINDS
from domain.privacy import Relation, check_may_hug
from domain.times import rfc3339
from hub.handlers.hug_allowance import HugAllowance
from hub.handlers.new_hugs import build_hug
from hub.handlers.ports import Actor, Delivery
from hub.relations import Relations
from hub.turns import Turn, Turns
from protocol.commands import HugPreparing, HugSeen, HugSend
from protocol.events import HugDelivered, HugSent, Ok
from protocol.events import HugPreparing as HugPreparingEvent
from protocol.events import HugSeen as HugSeenEvent
from protocol.parts import UserRef
from storage.hug_commits import Answer, HugCommits, NewHug
from storage.limits import Spent
from storage.receipts import Receipt, Receipts

PREPARING_MS = 5_000  # then arms are closed again, without a further word

log = logging.getLogger("hugmood.hugs")

Finish = Callable[[Ok | Refusal], None]
Fulfil = Callable[[Actor, HugSend], Awaitable[Ok]]


class HugHandlers:
    """`hug.send`, `hug.preparing` and `hug.seen`, for sockets and REST alike."""

    def __init__(
        self,
        relations: Relations,
        commits: HugCommits,
        receipts: Receipts,
        delivery: Delivery,
        clock: Callable[[], int],
        more_kinds: Sequence[str] = (),
        *,
        fulfil: Fulfil,
        allowance: HugAllowance | None = None,
        on_seen: Callable[[str, str | None], None] = lambda _user, _session: None,
    ) -> None:
        """*fulfil* sends the hugs that answer a request: those need another permission, and settle it.

        *allowance* None: hugs are not counted. *on_seen*(user, session): they have seen hugs there.
        """
        self._relations = relations
        self._commits = commits
        self._receipts = receipts
        self._delivery = delivery
        self._clock = clock
        self._kinds = KINDS | frozenset(more_kinds)
        self._fulfil = fulfil
        self._on_seen = on_seen
        self._allowance = allowance
        self._turns = Turns()  # by sender and recipient: hugs that wait for something before they can be committed

    async def send(self, actor: Actor, command: HugSend) -> Ok:
        """Store the hug and answer when it is on disk. Raises: Refusal."""
        return await self.in_line(actor, command)(actor, command)

    def in_line(self, actor: Actor, command: HugSend) -> Callable[[Actor, HugSend], Awaitable[Ok]]:
        """`send`, for a task that begins later: the hug has its place before those that come meanwhile. It must be called."""
        turn = self._turns.take((actor.user, command.to.lower()))
        return partial(self._send if command.request is None else self._send_in_answer, turn)

    async def _send(self, turn: Turn, actor: Actor, command: HugSend) -> Ok:
        done: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()

        def finish(answer: Ok | Refusal) -> None:
            if done.done():
                return
            if isinstance(answer, Refusal):
                done.set_exception(answer)
            else:
                done.set_result(answer)

        with turn:
            hug = build_hug(actor, command, self._kinds, self._clock())
            await self._admit(actor, command, hug, turn, finish)
        return await done

    async def _send_in_answer(self, turn: Turn, actor: Actor, command: HugSend) -> Ok:
        with turn:
            await turn.comes()
            await self._commits.passed()
            return await self._fulfil(actor, command)

    async def _admit(self, actor: Actor, command: HugSend, hug: NewHug, turn: Turn, finish: Finish) -> None:
        """Hand *hug* on to be committed, when its *turn* comes. Raises: Refusal."""
        # Without a session here the doorbell does not tell this node of changes: nothing is recalled.
        relation = await self._relations.load(hug.sender, hug.recipient)
        check_may_hug(relation)
        await turn.comes()
        spent = await self._allowance.admit(hug, relation) if self._allowance is not None else None
        self._append(actor, command, hug, finish, spent)

    def send_now(self, actor: Actor, command: HugSend, finish: Finish) -> bool:
        """The hot way: without a task, if what the two are to each other is known. False: use `send`. Raises: Refusal."""
        if command.request is not None:
            return False
        pair = (actor.user, command.to.lower())
        relation = self._relations.recall(*pair)
        # Known by now, perhaps, but not when the hug before this one asked: it must not be overtaken.
        if relation is None or pair in self._turns:
            return False
        hug = build_hug(actor, command, self._kinds, self._clock())
        check_may_hug(relation)
        if self._allowance is None:
            self._append(actor, command, hug, finish, None)
        else:
            self._admit_soon(self._allowance, actor, command, hug, relation, finish)
        return True

    def _admit_soon(
        self,
        allowance: HugAllowance,
        actor: Actor,
        command: HugSend,
        hug: NewHug,
        relation: Relation,
        finish: Finish,
    ) -> None:
        """Count *hug* without a task, and commit it; whatever stands against that is decided by `_admit`."""
        turn = self._turns.take((hug.sender, hug.recipient))

        def then(spent: Spent) -> None:
            if spent.is_counted:
                with turn:
                    self._append(actor, command, hug, finish, spent)
            else:  # what is remembered may be out of date, and the hug may be stored already
                allowance.tasks.start(self._reconsider(actor, command, hug, turn, finish), "a hug beyond its limit")

        allowance.spend(hug, relation, then)

    async def _reconsider(self, actor: Actor, command: HugSend, hug: NewHug, turn: Turn, finish: Finish) -> None:
        try:
            with turn:
                await self._admit(actor, command, hug, turn, finish)
        except Refusal as refusal:
            finish(refusal)
        except Exception:
            log.exception("a hug failed", extra={"hug": hug.id})
            finish(Refusal("Something went wrong here; it is logged."))

    def _append(self, actor: Actor, command: HugSend, hug: NewHug, finish: Finish, spent: Spent | None) -> None:
        def settle(_hug: NewHug, answer: Answer) -> None:
            if spent is not None and answer != hug.at_ms:  # refused, or answered before
                spent.give_back()
            if isinstance(answer, Refusal):
                finish(answer)
                return
            at = rfc3339(answer)
            ref = command.ref if actor.session is not None else None  # a request has its answer anyway
            finish(Ok(ref=ref, id=hug.id, state="accepted", at=at))
            sent = HugSent(at=at, id=hug.id, to=hug.recipient, kind=hug.kind, message=hug.message, style=command.style)
            self._delivery.tell([actor.user], sent, skip=actor.session)

        self._commits.append(hug, settle)

    async def preparing(self, actor: Actor, command: HugPreparing) -> Ok:
        """Tell the recipient that arms are open; swallowed if that is less than a second ago. Raises: Refusal."""
        recipient = _recipient(actor, command)
        self._prepare(actor, recipient, await self._relations.load(actor.user, recipient))
        return Ok()

    def preparing_now(self, actor: Actor, command: HugPreparing) -> Ok | None:
        """The hot way: without a task, if what the two are to each other is known. None: use `preparing`. Raises: Refusal."""
        recipient = _recipient(actor, command)
        relation = self._relations.recall(actor.user, recipient)
        if relation is None:
            return None
        self._prepare(actor, recipient, relation)
        return Ok()

    def _prepare(self, actor: Actor, recipient: str, relation: Relation) -> None:
        check_may_hug(relation)

        def tell() -> None:
            until = rfc3339(self._clock() + PREPARING_MS)
            self._delivery.tell([recipient], HugPreparingEvent(from_=UserRef(actor.user, actor.name), until=until))

        if self._allowance is None:
            tell()
        else:
            self._allowance.prepare(actor.user, recipient, tell)

    async def seen(self, actor: Actor, command: HugSeen) -> Ok:
        """Mark hugs as read, and tell their senders. Ids that are not theirs are ignored. Raises: Unavailable."""
        now_ms = self._clock()
        ids = [hug.lower() for hug in command.ids]
        at = rfc3339(now_ms)
        for receipt in await self._receipts.mark_seen(actor.user, ids, now_ms):
            self._delivery.tell([receipt.sender], HugSeenEvent(id=receipt.hug, at=at))
        self._on_seen(actor.user, actor.session)
        return Ok(at=at)


def _recipient(actor: Actor, command: HugPreparing) -> str:
    recipient = command.to.lower()
    if recipient == actor.user:
        raise Invalid("A hug goes to somebody else.")
    return recipient


def tell_delivered(delivery: Delivery, receipts: Sequence[Receipt], now_ms: int) -> None:
    """Tell senders that a device of the recipient has their hug."""
    at = rfc3339(now_ms)
    for receipt in receipts:
        delivery.tell([receipt.sender], HugDelivered(id=receipt.hug, at=at))
