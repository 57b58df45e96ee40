"""APNs as far as we speak to it: HTTP/2 over TLS, its rules, its answers, and everything that may go wrong with it.

`serve()` listens until its block ends; the `FakeApns` it yields keeps what came and does, from the next request on, what
its attributes say.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingReceived, RequestReceived, SettingsAcknowledged, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, RstStreamFrame, SettingsFrame
from msgspec import Struct, field

from tests.support.apns_rules import Refusal, Rules
from tests.support.certificates import Authority, server_context
from tests.support.push_faults import Fault

BROKEN = {"Unregistered": 410, "ExpiredToken": 410, "BadDeviceToken": 400, "DeviceTokenNotForTopic": 400}
KEY_ID, TEAM_ID, TOPIC = "ABCDE12345", "TEAM123456", "com.example.hugmood"


class Push(Struct, frozen=True):
    """One request that came whole. *connection*: which, from 1. *outcome*: the status, or what else became of it.

    *at_ms*: Unix time. *is_answered*: with that status.
    """

    connection: int
    stream: int
    token: str
    headers: dict[str, str]
    payload: bytes
    outcome: str
    at_ms: int
    is_answered: bool

    @property
    def id(self) -> str:
        return self.headers["apns-id"]

    @property
    def content(self) -> Any:
        return msgspec.json.decode(self.payload)


class Goaway(Struct, frozen=True):
    """As request number *at* of a connection comes whole, those up to stream *last_stream* are answered, the others never."""

    at: int
    last_stream: int


class FakeApns(Struct):
    """Its state and what it is to do. *answers*: for the next requests that obey the rules, instead of 200."""

    rules: Rules
    key: EllipticCurvePrivateKey
    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    connections: int = 0
    streams_max: int = 1_000
    most_streams: int = 0  # that were open at the same time
    excess_streams: int = 0  # opened beyond `streams_max`, and refused
    pings: int = 0
    resets: int = 0  # of ours, by the client
    answers: deque[Refusal] = field(default_factory=deque)
    broken: dict[str, str] = field(default_factory=dict)  # by device token: one of `BROKEN`
    on_push: Callable[[Push], None] = lambda _push: None
    refused_streams: int = 0  # so many of the next ones
    silent: set[str] = field(default_factory=set)  # device tokens that are never answered
    is_holding: bool = False  # answers wait until `release`
    is_deaf: bool = False  # no answers, not even to pings
    goaway: Goaway | None = None  # once
    break_at: int = 0  # as request number so of a connection comes, it ends without a word
    faults: list[Fault] = field(default_factory=list)  # each for the next requests, before the rules
    window_bytes: int = 65_535  # of each stream, of connections to come
    untaken: int = 0  # settings that the clients have not said yet they took
    speakers: "list[_Speaker]" = field(default_factory=list)
    watchers: list[asyncio.Event] = field(default_factory=list)

    @property
    def pem(self) -> str:
        """The key as Apple hands it out."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for what comes to make it so."""
        change = asyncio.Event()
        self.watchers.append(change)
        while not is_so():
            change.clear()
            await change.wait()
        self.watchers.remove(change)

    def held(self) -> int:
        """How many whole requests wait for `release`."""
        return sum(len(speaker.held) for speaker in self.speakers)

    def accepted(self) -> Counter[str]:
        """How often each id was taken."""
        return Counter(push.id for push in self.pushes if push.outcome == "200")

    def release(self) -> None:
        """Answer all that waits, and from now on at once."""
        self.is_holding = False
        for speaker in self.speakers:
            speaker.answer_held()

    def give_up(self) -> None:
        """No faults any more; requests that have no answer get none."""
        self.faults.clear()
        for speaker in self.speakers:
            speaker.drop_hanging()

    def limit_streams(self, streams_max: int) -> None:
        """Tell all connections, and those to come."""
        self.streams_max = streams_max
        for speaker in self.speakers:
            speaker.tell_limit()


@asynccontextmanager
async def serve(
    authority: Authority, *, port: int = 0, fake: FakeApns | None = None, now_s: Callable[[], float] | None = None
) -> AsyncIterator[FakeApns]:
    """On 127.0.0.1. *fake*: of an earlier server that goes on as this one."""
    if fake is None:
        key = generate_private_key(SECP256R1())
        clock = {} if now_s is None else {"now_s": now_s}
        fake = FakeApns(Rules(key.public_key(), KEY_ID, TEAM_ID, TOPIC, **clock), key)
    tls = server_context(authority, alpn=["h2"])
    listening = await asyncio.get_running_loop().create_server(lambda: _Speaker(fake), "127.0.0.1", port, ssl=tls)
    fake.url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        listening.close()
        for speaker in list(fake.speakers):
            speaker.abort()
        await listening.wait_closed()


def _broken(reason: str | None) -> Refusal | None:
    if reason is None:
        return None
    status = BROKEN[reason]
    return Refusal(status, reason, timestamp=time.time_ns() // 1_000_000 if status == 410 else None)


def _refusal_of(fault: Fault | None) -> Refusal | None:
    if fault is None:
        return None
    return Refusal(fault.status, fault.code, retry_after_s=int(fault.retry_after) if fault.retry_after else None)


class _Request(Struct):
    headers: list[tuple[str, str]]
    body: bytes = b""


class _Speaker(asyncio.Protocol):
    """One connection."""

    def __init__(self, fake: FakeApns) -> None:
        self._fake = fake
        fake.connections += 1
        self._number = fake.connections
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        initial = {SettingCodes.INITIAL_WINDOW_SIZE: fake.window_bytes, SettingCodes.MAX_CONCURRENT_STREAMS: 2**31 - 1}
        self._h2.local_settings = Settings(client=False, initial_values=initial)  # the limit is told by raw frames
        self._requests: dict[int, _Request] = {}
        self.held: list[int] = []
        self._hanging: list[int] = []
        self._came = 0
        self._last_stream = 2**31 - 1  # after a GOAWAY
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fake.speakers.append(self)
        self._h2.initiate_connection()
        self._h2.data_to_send()  # says another limit than we want to tell
        self.tell_limit()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fake.speakers.remove(self)
        self._transport = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def tell_limit(self) -> None:
        told = {
            SettingCodes.INITIAL_WINDOW_SIZE: self._fake.window_bytes,
            SettingCodes.MAX_CONCURRENT_STREAMS: self._fake.streams_max,
        }
        self._fake.untaken += 1
        self._write(SettingsFrame(0, settings=told).serialize())

    def data_received(self, data: bytes) -> None:
        if self._fake.is_deaf:
            return
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            self._flush()
            self.abort()
            return
        for event in events:
            self._take(event)
        self._flush()
        for watcher in self._fake.watchers:
            watcher.set()

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._begin(event.stream_id, [(str(name), str(value)) for name, value in event.headers])
            case DataReceived():
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if request := self._requests.get(event.stream_id):
                    request.body += event.data
            case StreamEnded() if event.stream_id in self._requests:
                self._whole(event.stream_id)
            case StreamReset():
                self._fake.resets += 1
                self._requests.pop(event.stream_id, None)
                self.held = [stream for stream in self.held if stream != event.stream_id]
            case PingReceived():
                self._fake.pings += 1
            case SettingsAcknowledged():
                self._fake.untaken -= 1

    def _begin(self, stream: int, headers: list[tuple[str, str]]) -> None:
        fake = self._fake
        fake.most_streams = max(fake.most_streams, len(self._requests) + 1)
        is_too_many = len(self._requests) >= fake.streams_max
        fake.excess_streams += is_too_many
        if stream > self._last_stream:
            return
        if is_too_many or fake.refused_streams:
            fake.refused_streams = max(0, fake.refused_streams - 1)
            self._write(RstStreamFrame(stream, error_code=ErrorCodes.REFUSED_STREAM).serialize())
            return
        self._requests[stream] = _Request(headers)

    def _whole(self, stream: int) -> None:
        fake = self._fake
        self._came += 1
        if fake.break_at and self._came >= fake.break_at:
            self._record(stream, "broken")
            self.abort()
            return
        if fake.goaway is not None and self._came >= fake.goaway.at:
            self._go_away(fake.goaway.last_stream)
            fake.goaway = None
            if stream not in self._requests:
                return
        if fake.is_holding:
            self.held.append(stream)
        else:
            self._answer(stream)

    def _go_away(self, last_stream: int) -> None:
        self._last_stream = last_stream
        for stream in [stream for stream in self._requests if stream > last_stream]:
            self._record(stream, "went away")
            del self._requests[stream]
        self.held = [stream for stream in self.held if stream <= last_stream]
        self._flush()
        self._write(GoAwayFrame(0, last_stream_id=last_stream, error_code=ErrorCodes.NO_ERROR).serialize())

    def answer_held(self) -> None:
        held, self.held = self.held, []
        for stream in held:
            if stream in self._requests:
                self._answer(stream)
        self._flush()

    def _answer(self, stream: int) -> None:
        fake, request = self._fake, self._requests[stream]
        given = dict(request.headers)
        token = given.get(":path", "").rpartition("/")[2]
        fault = self._next_fault()
        if fault is not None and fault.what == "goaway":
            self._go_away(stream - 2)
            return
        if fault is not None and fault.what != "answer":
            self._keep_silent(stream, fault)
            return
        if token in fake.silent:
            self._record(stream, "silence")
            return
        refusal = (
            _refusal_of(fault) or fake.rules.refusal(request.headers, request.body) or _broken(fake.broken.get(token))
        )
        if refusal is None and fake.answers:
            refusal = fake.answers.popleft()
        outcome = "200" if refusal is None else f"{refusal.status} {refusal.reason}"
        self._record(stream, outcome, is_answered=self._transport is not None and not self._transport.is_closing())
        del self._requests[stream]
        headers = [(":status", str(refusal.status if refusal else 200)), ("apns-id", given.get("apns-id", ""))]
        if refusal is None:
            self._h2.send_headers(stream, headers, end_stream=True)
            return
        if refusal.retry_after_s is not None:
            headers.append(("retry-after", str(refusal.retry_after_s)))
        body: dict[str, Any] = {"reason": refusal.reason}
        if refusal.timestamp is not None:
            body["timestamp"] = refusal.timestamp
        self._h2.send_headers(stream, [*headers, ("content-type", "application/json")])
        self._h2.send_data(stream, msgspec.json.encode(body), end_stream=True)

    def _next_fault(self) -> Fault | None:
        faults = self._fake.faults
        if not faults:
            return None
        faults[0].times -= 1
        return faults[0] if faults[0].times else faults.pop(0)

    def _keep_silent(self, stream: int, fault: Fault) -> None:
        self._record(stream, "200" if fault.is_kept else fault.what)
        if fault.what == "close":
            self.abort()
        else:
            self._hanging.append(stream)

    def drop_hanging(self) -> None:
        """They are told to go."""
        for stream in self._hanging:
            self._write(RstStreamFrame(stream, error_code=ErrorCodes.CANCEL).serialize())
            self._requests.pop(stream, None)
        self._hanging.clear()

    def _record(self, stream: int, outcome: str, *, is_answered: bool = False) -> None:
        request = self._requests[stream]
        headers = dict(request.headers)
        token = headers.get(":path", "").rpartition("/")[2]
        now_ms = time.time_ns() // 1_000_000
        push = Push(self._number, stream, token, headers, request.body, outcome, now_ms, is_answered)
        self._fake.pushes.append(push)
        self._fake.on_push(push)

    def _flush(self) -> None:
        self._write(self._h2.data_to_send())

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)
