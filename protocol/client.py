"""The client for app developers: it stays connected, loses nothing, and says each thing once.

    async with Client("https://hugs.example", token=token, device="kitchen", on_token=refresh) as client:
        await client.hug(friend, "bear", "well done!")
        async for event in client.events():
            ...

Invariant: durable events come out in the order of their `seq`, each once, whatever happens to
connections; a command is repeated with its id until it is answered, so it is carried out once.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from ssl import SSLContext
from types import TracebackType
from typing import Any, get_args

import msgspec
from websockets.exceptions import ConnectionClosed

from domain.errors import TooLarge
from domain.ids import uuid7
from protocol import commands
from protocol.backoff import Backoff, ceiling_s
from protocol.codec import Codec, encode
from protocol.codes import CloseCode, Reconnect
from protocol.commands import Command, Status
from protocol.cursor import Arrival, CursorStore, Follower, MemoryCursor
from protocol.events import CaughtUp, Error, Ok, SessionExpiring, Welcome
from protocol.incoming import Failed, Farewell, Unknown
from protocol.link import CLOSE_WITHIN_S, Ears, Gap, Incoming, Link, socket_url
from protocol.messages import DurableEvent, EphemeralEvent
from protocol.outbox import COMMANDS_MAX, Outbox, OutboxFull
from protocol.renewal import TokenKeeper, TokenRefused, TokenSource

MESSAGE_MAX_BYTES = 16 * 1024
EPHEMERAL_MAX = 1_000  # events without `seq` that wait for the app; more are skipped
RETRY_WITHIN_S = 60.0  # a refusal that asks for a longer wait is handed to the app

Event = DurableEvent | EphemeralEvent | Unknown

_DURABLE: tuple[type[Any], ...] = get_args(DurableEvent)

log = logging.getLogger("hugmood.client")

__all__ = ["Client", "ClientClosed", "CommandRefused", "Event", "OutboxFull", "TokenRefused", "Unknown"]


class CommandRefused(Exception):  # noqa: N818  an answer, not an error of ours
    """The server has answered a command with an error that sending it again cannot change, or not soon."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.code = failed.code
        self.retry_after_ms = failed.retry_after_ms


class ClientClosed(Exception):  # noqa: N818  a state
    """The client does not come back: the app closed it, or the server said so. `code` is the close code."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{reason} ({code})")
        self.code = code
        self.reason = reason


class Client:
    """One device of one user. All of it belongs to the event loop it was entered in."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        device: str,
        on_token: TokenSource | None = None,
        on_welcome: Callable[[Welcome], None] | None = None,
        on_reset: Callable[[Welcome], None] | None = None,
        on_lost: Callable[[Farewell, float], None] | None = None,
        cursor: CursorStore | None = None,
        codec: Codec = Codec.JSON,
        status: Status = Status.ONLINE,
        commands_max: int = COMMANDS_MAX,
        tls: SSLContext | None = None,
    ) -> None:
        """*url*: the hub's address, `http(s)` or `ws(s)`.

        *on_token* is awaited for a new access token: a minute before the old one ends, and when the server
        says it is not valid. *on_welcome* hears of every opening, with friends' presence as of now;
        *on_reset* before it, when the cursor could not be resumed: load the state anew by REST. *on_lost* hears
        why a connection ended and in how many seconds the next is tried. These three must not block.
        """
        self.welcome: Welcome | None = None  # of the last opening
        self.status = status
        self._tokens = TokenKeeper(token, on_token)
        self._device = device
        self._on_welcome = on_welcome
        self._on_reset = on_reset
        self._on_lost = on_lost
        self._store = cursor if cursor is not None else MemoryCursor()
        self._codec = codec
        self._backoff = Backoff(random.random)
        self._outbox = Outbox(commands_max)
        self._answers: dict[int, asyncio.Future[Ok]] = {}
        self._events: deque[tuple[Event, int | None, int]] = deque()  # event, seq if durable, generation
        self._taken: tuple[int, int] | None = None  # seq and generation of what the app works on
        self._news = asyncio.Event()
        self._opened = asyncio.Event()
        self._ended: ClientClosed | None = None
        self._hello_had_after = False
        self._renewal: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        ears = Ears(self._hear_welcome, self._hear)
        self._link = Link(socket_url(url), codec, self._outbox, self._store, ears, tls)

    async def __aenter__(self) -> "Client":
        """Begins to connect and returns at once: commands may be given already, and wait."""
        if self._task is not None or self._ended is not None:
            raise RuntimeError("A client is entered once.")
        self._task = asyncio.create_task(self._run(), name="hugmood client")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        # After an error the app is not done with the event it was working on.
        await self.close(is_done=kind is None)

    async def close(self, *, is_done: bool = True) -> None:
        """Acknowledge what the app has dealt with, close the connection, end `events()`.

        Commands without an answer end with `ClientClosed`. *is_done*: the event taken last counts as dealt with.
        """
        task, self._task = self._task, None
        if task is None:
            return
        if is_done:
            self._finish_taken()
        try:
            with suppress(TimeoutError, ConnectionClosed):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await self._link.say_goodbye()
        finally:
            tasks = [task] if self._renewal is None else [task, self._renewal]
            for running in tasks:
                running.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._end(ClientClosed(CloseCode.NORMAL, "closed by the app"))

    async def opened(self) -> Welcome:
        """The `welcome` of the first opening, as soon as there is one. Raises: ClientClosed."""
        await self._opened.wait()
        if self.welcome is None:
            assert self._ended is not None  # noqa: S101  one of the two has woken us
            raise self._ended
        return self.welcome

    # Events

    async def events(self) -> AsyncIterator[Event]:
        """Everything that happens, for one consumer; ends when the app closes the client.

        An event counts as dealt with, and is acknowledged, when the next one is asked for: after a crash
        with a lasting *cursor* it comes again. Raises: ClientClosed when the server ends it for good.
        """
        while True:
            self._finish_taken()
            while not self._events:
                if self._ended is not None:
                    if self._ended.code == CloseCode.NORMAL:
                        return
                    raise self._ended
                self._news.clear()
                await self._news.wait()
            event, seq, generation = self._events.popleft()
            if seq is not None:
                self._taken = (seq, generation)
            yield event

    def _finish_taken(self) -> None:
        if self._taken is None:
            return
        (seq, generation), self._taken = self._taken, None
        if self._link.follower.finish(seq, generation, asyncio.get_running_loop().time()):
            self._link.wake()

    # Commands

    async def command(self, command: Command) -> Ok:
        """Carry out *command*: sent as soon as there is a connection, and again until it is answered.

        When cancelled, it is not sent again; the server may still have carried it out.
        Raises: CommandRefused, ClientClosed, OutboxFull, TooLarge.
        """
        if self._ended is not None:
            raise self._ended
        self._outbox.check_room()
        ref = self._outbox.next_ref()
        command = msgspec.structs.replace(command, ref=ref)
        # The server closes on what is too large, and would do so again after every repetition.
        if len(encode(command, self._codec)) > MESSAGE_MAX_BYTES:
            raise TooLarge(f"A command has at most {MESSAGE_MAX_BYTES} bytes.")
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._answers[ref] = answer
        self._outbox.add(ref, command)
        self._link.wake()
        try:
            return await answer
        finally:
            self._answers.pop(ref, None)
            self._outbox.forget(ref)

    async def hug(
        self,
        to: str,
        kind: str,
        message: str | None = None,
        *,
        style: dict[str, Any] | None = None,
        hug_id: str | None = None,
    ) -> Ok:
        """Send a hug; when this returns it is stored for its recipient. Raises: as `command`."""
        made = hug_id if hug_id is not None else uuid7(time.time_ns() // 1_000_000)
        return await self.command(commands.HugSend(id=made, to=to, kind=kind, message=message, style=style))

    async def seen(self, hugs: Sequence[str]) -> Ok:
        """Tell the senders that the person has read these hugs, at most 100."""
        return await self.command(commands.HugSeen(ids=list(hugs)))

    async def set_status(self, status: Status) -> Ok:
        """Change this device's status, now and for the connections to come."""
        self.status = status
        return await self.command(commands.PresenceSet(status=status))

    async def ping(self) -> Ok:
        """Ask the hub for its time."""
        return await self.command(commands.Ping())

    # What the link brings

    def _hear_welcome(self, welcome: Welcome) -> None:
        if not welcome.resumed:
            # What waits here is part of the state the app loads anew.
            self._events = deque(item for item in self._events if item[1] is None)
            if self._hello_had_after and self._on_reset is not None:
                self._on_reset(welcome)
        self.welcome = welcome
        self._opened.set()
        if self._on_welcome is not None:
            self._on_welcome(welcome)

    def _hear(self, message: Incoming) -> None:
        match message:
            case Ok(ref=int(ref)):
                self._answered(ref, message)
            case Failed(ref=int(ref)):
                self._failed(ref, message)
            case Failed():
                log.warning("the hub refused something: %s", message.message)
            case SessionExpiring():
                self._renew_soon()
            case Ok() | Error() | CaughtUp() | Welcome():
                pass
            case _ if isinstance(message, _DURABLE) or (isinstance(message, Unknown) and message.seq is not None):
                self._hear_durable(message)
            case _:
                if len(self._events) < EPHEMERAL_MAX:
                    self._offer(message, None)

    def _hear_durable(self, event: Any) -> None:
        follower = self._link.follower
        arrival = follower.arrive(event.seq or 0)
        if arrival is Arrival.GAP:
            raise Gap(f"seq {event.seq} came after {follower.arrived}")
        if arrival is Arrival.NEXT:
            self._offer(event, event.seq)

    def _offer(self, event: Event, seq: int | None) -> None:
        self._events.append((event, seq, self._link.follower.generation))
        self._news.set()

    def _answered(self, ref: int, ok: Ok) -> None:
        answer = self._answers.get(ref)
        if self._outbox.answered(ref) and answer is not None and not answer.done():
            answer.set_result(ok)
        self._link.wake()

    def _failed(self, ref: int, failed: Failed) -> None:
        retry_s = (failed.retry_after_ms or 0) / 1000
        if failed.is_retryable and retry_s <= RETRY_WITHIN_S:
            jitter_s = random.random() * ceiling_s(self._outbox.tries(ref) - 1)  # noqa: S311  not a secret
            self._outbox.again(ref, asyncio.get_running_loop().time() + retry_s + jitter_s)
        else:
            answer = self._answers.get(ref)
            if self._outbox.answered(ref) and answer is not None and not answer.done():
                answer.set_exception(CommandRefused(failed))
        self._link.wake()

    # Staying connected

    async def _run(self) -> None:
        try:
            self._link.follower = Follower(await self._store.load())
            while True:
                wait_s = await self._connect_once()
                await asyncio.sleep(wait_s)
        except ClientClosed as closed:
            self._end(closed)
        except Exception as error:
            log.exception("the client has stopped")
            stopped = ClientClosed(CloseCode.INTERNAL_ERROR, f"the client has stopped: {error!r}")
            stopped.__cause__ = error
            self._end(stopped)

    async def _connect_once(self) -> float:
        """One connection; the seconds to wait before the next. Raises: ClientClosed."""
        if self._tokens.is_stale and not await self._renew():
            return self._backoff.wait_s()
        farewell = await self._link.run(self._hello())
        self._outbox.disconnected()
        self._backoff.ended(self._link.lasted_s)
        wait_s = self._wait_after(farewell)
        log.info("connection lost: %s (%d), next in %.1f s", farewell.reason, farewell.code, wait_s)
        if self._on_lost is not None:
            self._on_lost(farewell, wait_s)
        return wait_s

    def _wait_after(self, farewell: Farewell) -> float:
        action = farewell.action
        if action is Reconnect.STOP or (action is Reconnect.NEW_TOKEN and not self._tokens.can_renew()):
            raise ClientClosed(farewell.code, farewell.reason)
        if action is Reconnect.BACKOFF:
            return self._backoff.wait_s(farewell.retry_after_ms)
        self._tokens.is_stale = self._tokens.is_stale or action is Reconnect.NEW_TOKEN
        return self._backoff.resume_s(farewell.retry_after_ms)

    def _hello(self) -> commands.Hello:
        cursor = self._link.follower.cursor()
        self._hello_had_after = cursor is not None
        return commands.Hello(
            device=self._device,
            token=self._tokens.token,
            after=cursor.seq if cursor is not None else None,
            epoch=cursor.epoch if cursor is not None else None,
            status=self.status,
        )

    # Tokens

    def _renew_soon(self) -> None:
        if self._tokens.can_renew() and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.create_task(self._refresh(), name="hugmood client token")

    async def _refresh(self) -> None:
        """A newer token for the open connection. What goes wrong here, the close with 43xx repairs."""
        with suppress(ClientClosed, CommandRefused, OutboxFull):
            if await self._renew():
                await self.command(commands.AuthRefresh(token=self._tokens.token))

    async def _renew(self) -> bool:
        try:
            return await self._tokens.renew()
        except TokenRefused as refused:
            raise ClientClosed(CloseCode.TOKEN_INVALID, str(refused) or "there is no new token") from refused

    def _end(self, closed: ClientClosed) -> None:
        if self._ended is None:
            self._ended = closed
        self._news.set()
        self._opened.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self._ended)
