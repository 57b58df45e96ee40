"""What people do about a hug that was sent: take it back, or say how it was felt. One transaction each.

Invariant: an event is rung only after the transaction that holds it has committed; the same command again
changes nothing, tells nobody and gets the same answer.
"""

from collections.abc import Callable

from domain.hug_moments import check_reaction, check_undo, no_such_hug
from domain.times import from_ms, rfc3339
from hub.handlers.ports import Actor, Delivery
from protocol.codec import encode_body
from protocol.commands import HugReact, HugUndo
from protocol.events import HugFelt, HugUndone, Ok
from protocol.parts import UserRef
from storage.inbox import InboxEvent, NewEvent
from storage.locked_hugs import locked_hug
from storage.postgres import Database


class MomentHandlers:
    """`hug.undo` and `hug.react`, for sockets and REST alike. Both raise: Refusal."""

    def __init__(self, database: Database, delivery: Delivery, clock: Callable[[], int]) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock

    async def undo(self, actor: Actor, command: HugUndo) -> Ok:
        """Take a hug back, as long as that is possible. The recipient's apps are told to forget it."""
        events: list[InboxEvent] = []
        async with locked_hug(self._database, actor.user, command.id.lower()) as hug:
            if hug.sender != actor.user:
                raise no_such_hug()
            undone_ms = hug.undone_ms
            if undone_ms is None:
                undone_ms = self._clock()
                check_undo(at_ms=hug.at_ms, is_seen=hug.is_seen, is_felt=hug.is_felt, now_ms=undone_ms)
                await hug.save_undone(from_ms(undone_ms))
                undone = HugUndone(at=rfc3339(undone_ms), id=hug.id, from_=UserRef(actor.user, actor.name))
                events = await hug.append(NewEvent(hug.recipient, "hug.undone", encode_body(undone)))
        self._delivery.ring(events)
        return Ok(id=hug.id, state="undone", at=rfc3339(undone_ms))

    async def react(self, actor: Actor, command: HugReact) -> Ok:
        """Say how a received hug was felt, instead of what was said before. Its sender is told."""
        message = command.message or None
        check_reaction(command.emoji, message)
        events: list[InboxEvent] = []
        async with locked_hug(self._database, actor.user, command.hug.lower()) as hug:
            if hug.recipient != actor.user or hug.undone_ms is not None or await hug.are_apart():
                raise no_such_hug()
            before = await hug.load_reaction()
            if before is not None and (before.emoji, before.message) == (command.emoji, message):
                felt_ms = before.at_ms
            else:
                felt_ms = self._clock()
                await hug.save_reaction(command.emoji, message, from_ms(felt_ms))
                felt = HugFelt(
                    at=rfc3339(felt_ms),
                    id=hug.id,
                    from_=UserRef(actor.user, actor.name),
                    emoji=command.emoji,
                    message=message,
                )
                events = await hug.append(NewEvent(hug.sender, "hug.felt", encode_body(felt)))
        self._delivery.ring(events)
        return Ok(id=hug.id, state="felt", at=rfc3339(felt_ms))
