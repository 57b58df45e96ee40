"""From a client's message to its handler, and from the handler's answer to the reply.

Invariant: a command with a `ref` gets exactly one `ok` or `error`; an error never closes the connection,
except the twentieth malformed message within a minute.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import msgspec

from domain import errors
from domain.errors import Invalid, RateLimited, Refusal, Unauthenticated, Unavailable
from domain.presence import rank_of
from domain.times import rfc3339
from hub.handlers.ports import Actor
from hub.handlers.table import Handlers
from hub.opening import Openings
from hub.rooms import Rooms
from hub.session import Session, State
from hub.sweep import Sweep
from hub.tasks import Tasks
from hub.tokens import TokenVerifier
from protocol import commands
from protocol.codec import BadCommand, decode_command
from protocol.codes import ErrorCode
from protocol.events import Error, Ok
from storage.receipts import Receipts

log = logging.getLogger("hugmood.dispatch")

CODES: dict[type[Refusal], ErrorCode] = {
    errors.Invalid: ErrorCode.INVALID,
    errors.Unauthenticated: ErrorCode.UNAUTHENTICATED,
    errors.Forbidden: ErrorCode.FORBIDDEN,
    errors.NotFound: ErrorCode.NOT_FOUND,
    errors.Conflict: ErrorCode.CONFLICT,
    errors.Expired: ErrorCode.EXPIRED,
    errors.TooLarge: ErrorCode.TOO_LARGE,
    errors.RateLimited: ErrorCode.RATE_LIMITED,
    errors.Unavailable: ErrorCode.UNAVAILABLE,
}
Handler = Callable[[Actor, Any], Awaitable[Ok]]


def code_of(refusal: Refusal) -> ErrorCode:
    """The wire's word for *refusal*."""
    return next((code for kind, code in CODES.items() if isinstance(refusal, kind)), ErrorCode.INTERNAL)


def error_of(refusal: Refusal, ref: int | str | None) -> Error:
    """*refusal* as a reply."""
    retry = refusal.retry_after_ms if isinstance(refusal, (RateLimited, Unavailable)) else None
    return Error(
        code=code_of(refusal), message=str(refusal), retryable=retry is not None, ref=ref, retry_after_ms=retry
    )


class Dispatch:
    """The command table of one node. Counts of (command, result) are read by the metrics."""

    def __init__(
        self,
        openings: Openings,
        handlers: Handlers,
        receipts: Receipts,
        rooms: Rooms,
        verifier: TokenVerifier,
        sweep: Sweep,
        tasks: Tasks,
        clock: Callable[[], int],
        *,
        limits_on: bool,
    ) -> None:
        self._openings = openings
        self._hugs = handlers.hugs
        self._receipts = receipts
        self._rooms = rooms
        self._verifier = verifier
        self._sweep = sweep
        self._tasks = tasks
        self._clock = clock
        self._limits_on = limits_on
        self.results: dict[tuple[str, str], int] = {}
        self._now: dict[type, Callable[[Session, Any], None]] = {
            commands.Hello: self._hello,
            commands.Ping: self._ping,
            commands.Ack: self._ack,
            commands.AuthRefresh: self._auth_refresh,
            commands.PresenceSet: self._presence_set,
            commands.HugSend: self._hug_send,
            commands.HugPreparing: self._hug_preparing,
            commands.GroupSqueeze: self._group_squeeze,
        }
        self._later: dict[type, Handler] = {
            commands.HugSeen: handlers.hugs.seen,
            commands.HugUndo: handlers.moments.undo,
            commands.HugReact: handlers.moments.react,
            commands.MoodLog: handlers.moods.log,
            commands.RequestCreate: handlers.requests.create,
            commands.RequestAnswer: handlers.requests.answer,
            commands.RequestCancel: handlers.requests.cancel,
            commands.GroupCreate: handlers.groups.create,
            commands.GroupInvite: handlers.groups.invite,
            commands.GroupJoin: handlers.groups.join,
            commands.GroupLeave: handlers.groups.leave,
            commands.GroupComplete: handlers.groups.complete,
            commands.GroupCancel: handlers.groups.cancel,
            commands.FriendRequest: handlers.friends.request,
            commands.FriendAnswer: handlers.friends.answer,
            commands.FriendEnd: handlers.friends.end,
            commands.UserBlock: handlers.friends.block,
            commands.UserUnblock: handlers.friends.unblock,
            commands.UserMute: handlers.marks.mute,
            commands.UserUnmute: handlers.marks.unmute,
        }

    def receive(self, session: Session, data: bytes | str) -> None:
        """One message of *session*; answers at once or from a task."""
        try:
            command = decode_command(data, session.wire.codec)
        except BadCommand as bad:
            self._count("malformed", ErrorCode.INVALID)
            session.reply(error_of(bad, bad.ref))
            session.fault(self._sweep.now)
            return
        try:
            self._check_admitted(session, command)
            self._carry_out(session, command)
        except Refusal as refusal:
            self._refuse(session, command, refusal)
        except Exception:
            log.exception("a command failed", extra={"connection": session.id, "user": session.user})
            self._refuse(session, command, None)

    def _check_admitted(self, session: Session, command: commands.Command) -> None:
        if session.state is State.NEW and not isinstance(command, commands.Hello):
            raise Unauthenticated("Say hello first.")
        if self._limits_on and not isinstance(command, commands.Ack) and not session.may_command(self._sweep.now):
            raise RateLimited("Too many commands; slow down.", 1000)

    def _carry_out(self, session: Session, command: commands.Command) -> None:
        now = self._now.get(type(command))
        if now is not None:
            now(session, command)
        else:
            self._start(session, command, self._later[type(command)])

    def _start(self, session: Session, command: commands.Command, handler: Handler) -> None:
        """Carry out *command* in a task of its own."""
        session.begin()
        self._tasks.start(self._run(session, command, handler), _name(command))

    async def _run(self, session: Session, command: commands.Command, handler: Handler) -> None:
        try:
            self._accept(session, command, await handler(_actor(session), command))
        except Refusal as refusal:
            self._refuse(session, command, refusal)
        except Exception:
            log.exception("a command failed", extra={"connection": session.id, "user": session.user})
            self._refuse(session, command, None)
        finally:
            session.finish()

    def _accept(self, session: Session, command: commands.Command, ok: Ok) -> None:
        self._count(_name(command), "ok")
        if command.ref is not None:
            session.reply(ok if ok.ref is not None else msgspec.structs.replace(ok, ref=command.ref))

    def _refuse(self, session: Session, command: commands.Command, refusal: Refusal | None) -> None:
        """*refusal* None: our own fault, of which the client learns no more than that."""
        if refusal is None:
            error = Error(
                code=ErrorCode.INTERNAL,
                message="Something went wrong here; it is logged.",
                retryable=True,
                ref=command.ref,
                retry_after_ms=1000,
            )
        else:
            error = error_of(refusal, command.ref)
        self._count(_name(command), error.code)
        session.reply(error)

    def _count(self, name: str, result: str) -> None:
        key = (name, result)
        self.results[key] = self.results.get(key, 0) + 1

    # Commands that need no waiting

    def _hello(self, session: Session, command: commands.Hello) -> None:
        if session.state is not State.NEW:
            raise Invalid("This connection has said hello already.")
        self._count("hello", "ok" if self._openings.hello(session, command) else "refused")

    def _ping(self, session: Session, command: commands.Ping) -> None:
        self._accept(session, command, Ok(server_time=rfc3339(self._clock())))

    def _ack(self, session: Session, command: commands.Ack) -> None:
        if command.seq > session.cursor:
            raise Invalid(f"Nothing after seq {session.cursor} has been sent on this connection.")
        if command.seq > session.acked:
            session.ack(command.seq)
            self._receipts.ack(session.user, command.seq, session.device)
        self._accept(session, command, Ok(seq=session.acked))

    def _auth_refresh(self, session: Session, command: commands.AuthRefresh) -> None:
        claims = self._verifier.verify(command.token, self._clock())
        if claims.user != session.user:
            raise Unauthenticated("That token is another user's.")
        self._openings.token_accepted(session, claims)
        self._accept(session, command, Ok(expires_at=rfc3339(claims.expires_ms)))

    def _presence_set(self, session: Session, command: commands.PresenceSet) -> None:
        session.rank = rank_of(command.status)
        session.node.rank_changed(session)
        self._accept(session, command, Ok(state=command.status))

    def _group_squeeze(self, session: Session, command: commands.GroupSqueeze) -> None:
        room = command.id.lower()
        self._rooms.squeeze(session.user, room, command.strength)
        self._accept(session, command, Ok(id=room))

    def _hug_send(self, session: Session, command: commands.HugSend) -> None:
        def finish(answer: Ok | Refusal) -> None:
            if isinstance(answer, Refusal):
                self._refuse(session, command, answer)
            else:
                self._accept(session, command, answer)
            session.finish()

        if self._hugs.send_now(_actor(session), command, finish):
            session.begin()
        else:
            self._start(session, command, self._hugs.in_line(_actor(session), command))

    def _hug_preparing(self, session: Session, command: commands.HugPreparing) -> None:
        ok = self._hugs.preparing_now(_actor(session), command)
        if ok is not None:
            self._accept(session, command, ok)
        else:
            self._start(session, command, self._hugs.preparing)


def _actor(session: Session) -> Actor:
    return Actor(session.user, session.name, session.id)


@cache
def _name_of(kind: type[commands.Command]) -> str:
    return str(kind.__struct_config__.tag)


def _name(command: commands.Command) -> str:
    return _name_of(type(command))
