"""Sending hugs and marking them seen. The rules are the domain's, the order of things is this module's:

may she? → commit → `ok` to the sender → ring to the recipient → `hug.sent` to the sender's other devices.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from domain.errors import Refusal
from domain.hugs import KINDS
from domain.privacy import check_may_hug
from domain.times import rfc3339
from hub.handlers.new_hugs import build_hug
from hub.handlers.ports import Actor, Delivery
from hub.relations import Relations
from protocol.commands import HugSeen, HugSend
from protocol.events import HugDelivered, HugSent, Ok
from protocol.events import HugSeen as HugSeenEvent
from storage.hug_commits import Answer, HugCommits, NewHug
from storage.receipts import Receipt, Receipts

Finish = Callable[[Ok | Refusal], None]
Fulfil = Callable[[Actor, HugSend], Awaitable[Ok]]


class HugHandlers:
    """`hug.send` and `hug.seen`, for sockets and REST alike."""

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
    ) -> None:
        """*fulfil* sends the hugs that answer a request: those need another permission, and settle it."""
        self._relations = relations
        self._commits = commits
        self._receipts = receipts
        self._delivery = delivery
        self._clock = clock
        self._kinds = KINDS | frozenset(more_kinds)
        self._fulfil = fulfil
        self._looking_up: dict[tuple[str, str], int] = {}  # sender and recipient → hugs that wait for their relation

    async def send(self, actor: Actor, command: HugSend) -> Ok:
        """Store the hug and answer when it is on disk. Raises: Refusal."""
        if command.request is not None:
            return await self._fulfil(actor, command)
        hug = build_hug(actor, command, self._kinds, self._clock())
        # Without a session here the doorbell does not tell this node of changes: nothing is recalled.
        pair = (actor.user, hug.recipient)
        self._looking_up[pair] = self._looking_up.get(pair, 0) + 1
        try:
            relation = await self._relations.load(*pair)
        finally:
            self._looking_up[pair] -= 1
            if not self._looking_up[pair]:
                del self._looking_up[pair]
        check_may_hug(relation)
        done: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()

        def finish(answer: Ok | Refusal) -> None:
            if done.done():
                return
            if isinstance(answer, Refusal):
                done.set_exception(answer)
            else:
                done.set_result(answer)

        self._append(actor, command, hug, finish)
        return await done

    def send_now(self, actor: Actor, command: HugSend, finish: Finish) -> bool:
        """The hot way: without a task, if what the two are to each other is known. False: use `send`. Raises: Refusal."""
        if command.request is not None:
            return False
        pair = (actor.user, command.to.lower())
        relation = self._relations.recall(*pair)
        # Known by now, perhaps, but not when the hug before this one asked: it must not be overtaken.
        if relation is None or pair in self._looking_up:
            return False
        hug = build_hug(actor, command, self._kinds, self._clock())
        check_may_hug(relation)
        self._append(actor, command, hug, finish)
        return True

    def _append(self, actor: Actor, command: HugSend, hug: NewHug, finish: Finish) -> None:
        def settle(_hug: NewHug, answer: Answer) -> None:
            if isinstance(answer, Refusal):
                finish(answer)
                return
            at = rfc3339(answer)
            finish(Ok(id=hug.id, state="accepted", at=at))
            sent = HugSent(at=at, id=hug.id, to=hug.recipient, kind=hug.kind, message=hug.message, style=command.style)
            self._delivery.tell([actor.user], sent, skip=actor.session)

        self._commits.append(hug, settle)

    async def seen(self, actor: Actor, command: HugSeen) -> Ok:
        """Mark hugs as read, and tell their senders. Ids that are not theirs are ignored. Raises: Unavailable."""
        now_ms = self._clock()
        ids = [hug.lower() for hug in command.ids]
        at = rfc3339(now_ms)
        for receipt in await self._receipts.mark_seen(actor.user, ids, now_ms):
            self._delivery.tell([receipt.sender], HugSeenEvent(id=receipt.hug, at=at))
        return Ok(at=at)


def tell_delivered(delivery: Delivery, receipts: Sequence[Receipt], now_ms: int) -> None:
    """Tell senders that a device of the recipient has their hug."""
    at = rfc3339(now_ms)
    for receipt in receipts:
        delivery.tell([receipt.sender], HugDelivered(id=receipt.hug, at=at))
