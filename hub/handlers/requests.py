"""Asking for hugs, and answering: one transaction each, then whoever must hear of it is told.

Invariant: a request is permission for one hug of each receiver, whatever the asker's privacy says, and no hug is
stored without the request having moved on in the same transaction. Declining tells the asker nothing, neither by an
event nor by what any of their commands answers.
"""

from collections.abc import Callable, Sequence

import msgspec

from domain.errors import Conflict, Invalid
from domain.hug_requests import (
    Deed,
    HugRequest,
    RequestLimits,
    RequestState,
    after_cancel,
    after_decline,
    after_hug,
    check_may_ask_again,
    expires_ms,
)
from domain.hugs import KINDS, check_message
from domain.ids import uuid7
from domain.privacy import check_may_ask, check_reachable
from domain.times import from_ms, rfc3339
from hub.handlers.new_hugs import build_hug
from hub.handlers.ports import Actor, Delivery
from protocol.codec import encode_body
from protocol.commands import HugSend, RequestAnswer, RequestCancel, RequestCreate
from protocol.events import HugSent, Message, Ok, RequestAnswered, RequestExpired, RequestReceived
from protocol.parts import UserRef
from storage.asking import Asking, NewRequest, asking_community, asking_one
from storage.community import Shown, draw_candidates
from storage.hug_commits import Committed, NewHug
from storage.hug_requests import LockedRequest, own_request, received_request
from storage.inbox import InboxEvent, NewEvent
from storage.postgres import Database

DEFAULT_KIND = "warm"


class RequestHandlers:
    """`request.*`, and `hug.send` with a `request`, for sockets and REST alike. All raise: Refusal."""

    def __init__(
        self,
        database: Database,
        delivery: Delivery,
        shown: Shown,
        clock: Callable[[], int],
        limits: RequestLimits | None = None,
        more_kinds: Sequence[str] = (),
    ) -> None:
        """*shown*(users): the presence of those of *users* who are not offline."""
        self._database = database
        self._delivery = delivery
        self._shown = shown
        self._clock = clock
        self._limits = limits if limits is not None else RequestLimits()
        self._kinds = KINDS | frozenset(more_kinds)
        self.on_committed: list[Callable[[Sequence[Committed]], None]] = []  # as of `HugCommits`

    async def create(self, actor: Actor, command: RequestCreate) -> Ok:
        """Ask one person, or the community. The answer is that of the first time, whatever has become of it since."""
        if command.message is not None:
            check_message(command.message)
        if command.to is not None and command.to.lower() == actor.user:
            raise Invalid("Somebody else is asked for a hug, not oneself.")
        now_ms = self._clock()
        new = NewRequest(
            id=command.id.lower(),
            asker=actor.user,
            recipient=command.to.lower() if command.to is not None else None,
            message=command.message,
            created_ms=now_ms,
            expires_ms=expires_ms(now_ms, is_community=command.to is None),
        )
        made, events = await (self._ask_community(new) if new.recipient is None else self._ask_one(new, new.recipient))
        self._delivery.ring(events)
        return Ok(id=made.id, state="open", at=rfc3339(made.created_ms), expires_at=rfc3339(made.expires_ms))

    async def _ask_one(self, new: NewRequest, recipient: str) -> tuple[NewRequest, list[InboxEvent]]:
        async with asking_one(self._database, new.asker, recipient) as (asking, relation):
            check_reachable(relation)
            if (repeated := await asking.find_repeated(new)) is not None:
                return repeated, []
            check_may_ask(relation)
            return new, await self._make(asking, new, [recipient])

    async def _ask_community(self, new: NewRequest) -> tuple[NewRequest, list[InboxEvent]]:
        async with asking_community(self._database, new.asker) as asking:
            if (repeated := await asking.find_repeated(new)) is not None:
                return repeated, []
            await self._check_limits(asking, new)  # drawing is dear: not for whoever will be refused
        candidates = await draw_candidates(self._database, self._shown)
        async with asking_community(self._database, new.asker) as asking:
            if (repeated := await asking.find_repeated(new)) is not None:
                return repeated, []
            return new, await self._make(asking, new, await asking.choose_receivers(candidates))

    async def _check_limits(self, asking: Asking, new: NewRequest) -> None:
        asked = await asking.load_asked(from_ms(new.created_ms))
        check_may_ask_again(asked, self._limits, new.created_ms, is_community=new.recipient is None)

    async def _make(self, asking: Asking, new: NewRequest, receivers: Sequence[str]) -> list[InboxEvent]:
        await self._check_limits(asking, new)
        await asking.insert(new, receivers)
        received = RequestReceived(
            at=rfc3339(new.created_ms),
            id=new.id,
            from_=UserRef(asking.asker, asking.name),
            expires_at=rfc3339(new.expires_ms),
            community=new.recipient is None,
            message=new.message,
        )
        body = encode_body(received)
        return await asking.append([NewEvent(user, "request.received", body) for user in receivers])

    async def answer(self, actor: Actor, command: RequestAnswer) -> Ok:
        """Hug, or decline without a word. The same answer again is the same reply."""
        if not command.accept:
            return await self._decline(actor, command)

        def build(asker: str, now_ms: int) -> NewHug:
            return build_hug(actor, _hug_of(command, asker, uuid7(now_ms)), self._kinds, now_ms)

        hug, at_ms = await self._answer_with_hug(actor, command.id.lower(), build)
        return Ok(id=command.id.lower(), state="accepted", hug=hug, at=_time(at_ms))

    async def fulfil(self, actor: Actor, command: HugSend) -> Ok:
        """`hug.send` with a `request`: its hug has the id that the client made."""
        if command.request is None:
            raise RuntimeError("a hug without a request came to where requests are answered")

        def build(asker: str, now_ms: int) -> NewHug:
            hug = build_hug(actor, command, self._kinds, now_ms)
            if hug.recipient != asker:
                raise Invalid("A hug in answer to a request goes to whoever has asked: set `to` to their id.")
            return hug

        hug, at_ms = await self._answer_with_hug(actor, command.request.lower(), build)
        if hug != command.id.lower():
            raise Conflict("You have answered this request with another hug already.")
        return Ok(id=hug, state="accepted", at=_time(at_ms))

    async def _answer_with_hug(
        self, actor: Actor, request: str, build: Callable[[str, int], NewHug]
    ) -> tuple[str, int | None]:
        """The hug of the actor in answer to *request*, and when it was sent: that of the first time, if there was one."""
        now_ms = self._clock()
        async with received_request(self._database, request, actor.user) as locked:
            hug = build(locked.asker, now_ms)
            after = after_hug(locked.request, locked.deed, now_ms)
            events = await self._settle(actor, locked, after, hug) if locked.deed is Deed.NOTHING else []
        if locked.hug is not None:
            self._committed(locked.hug, hug, locked.deed_ms)
            return locked.hug, locked.deed_ms
        self._delivery.ring(events)
        self._committed(hug.id, hug, now_ms)
        style = msgspec.json.decode(hug.style) if hug.style is not None else None
        sent = HugSent(at=rfc3339(now_ms), id=hug.id, to=hug.recipient, kind=hug.kind, message=hug.message, style=style)
        self._delivery.tell([actor.user], sent, skip=actor.session)
        return hug.id, now_ms

    def _committed(self, hug: str, like: NewHug, at_ms: int | None) -> None:
        """Also for a repeated one: the node that stored it may have died before it got here."""
        if at_ms is not None:
            for watch in self.on_committed:
                watch([(hug, like.sender, like.recipient, at_ms)])

    async def _settle(self, actor: Actor, locked: LockedRequest, after: HugRequest, hug: NewHug) -> list[InboxEvent]:
        """Store the hug and what it makes of the request; the asker hears of the one, then of the other."""
        await locked.save(after, from_ms(hug.at_ms))
        events = await locked.commit_hug(hug)
        answered = RequestAnswered(
            at=rfc3339(hug.at_ms),
            id=locked.id,
            from_=UserRef(actor.user, actor.name),
            hug=hug.id,
            hugs=after.hugs,
            state=after.state,
        )
        return [*events, *await locked.append([_event(locked.asker, answered)])]

    async def _decline(self, actor: Actor, command: RequestAnswer) -> Ok:
        if command.kind is not None or command.message is not None:
            raise Invalid("Declining is silent: leave out `kind` and `message`.")
        now_ms = self._clock()
        async with received_request(self._database, command.id.lower(), actor.user) as locked:
            after = after_decline(locked.request, locked.deed, now_ms)
            if locked.deed is Deed.NOTHING:
                await locked.save(after, from_ms(now_ms))
                await locked.save_declined(from_ms(now_ms))
        at_ms = locked.deed_ms if locked.deed is Deed.DECLINED else now_ms
        return Ok(id=locked.id, state="declined", at=_time(at_ms))

    async def cancel(self, actor: Actor, command: RequestCancel) -> Ok:
        """Withdraw the own request. Whom it was asked of directly is told; those of the community learn it on answering."""
        now_ms = self._clock()
        async with own_request(self._database, command.id.lower(), actor.user) as locked:
            after = after_cancel(locked.request, now_ms)
            if after is locked.request:
                return Ok(id=locked.id, state="cancelled", at=_time(locked.settled_ms))
            await locked.save(after, from_ms(now_ms))
            cancelled = RequestExpired(at=rfc3339(now_ms), id=locked.id, state="cancelled")
            # Also with nobody to tell: how long this takes must not show whether the recipient has declined.
            events = await locked.append([_event(user, cancelled) for user in _to_tell(locked)])
        self._delivery.ring(events)
        return Ok(id=locked.id, state="cancelled", at=rfc3339(now_ms))


def _hug_of(command: RequestAnswer, asker: str, hug: str) -> HugSend:
    kind = command.kind if command.kind is not None else DEFAULT_KIND
    return HugSend(id=hug, to=asker, kind=kind, message=command.message, request=command.id)


def _to_tell(locked: LockedRequest) -> list[str]:
    """Who hears of a request being withdrawn: not whoever has declined it."""
    if locked.recipient is None or locked.request.state is not RequestState.OPEN:
        return []
    return [locked.recipient]


def _event(user: str, event: Message) -> NewEvent:
    return NewEvent(user, str(event.__struct_config__.tag), encode_body(event))


def _time(at_ms: int | None) -> str | None:
    return rfc3339(at_ms) if at_ms is not None else None
