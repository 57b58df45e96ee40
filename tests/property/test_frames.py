"""The frame parser against the `websockets` library, which parses the same bytes independently."""

from collections.abc import Generator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame
from websockets.frames import Opcode as OracleOpcode
from websockets.streams import StreamReader
from websockets.utils import apply_mask

from protocol.codes import CloseCode
from protocol.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameParser, close_frame, frame

pytestmark = pytest.mark.property

LIMIT = 70_000
Messages = list[tuple[int, bytes]]

payloads = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"a" * size for size in (124, 125, 126, 127, 65_535, 65_536)]),
)
controls = st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125))


masks = st.binary(min_size=4, max_size=4)


def masked(plain: Frame, mask: bytes) -> bytes:
    """As the oracle serialises it, but with a mask of the test's own: its are random, which cannot be played again."""
    data = plain.serialize(mask=False)
    head = len(data) - len(plain.data)
    return bytes([data[0], data[1] | 0x80]) + data[2:head] + mask + apply_mask(bytes(plain.data), mask)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, Messages]:
    """Client bytes, serialised by the oracle, and the messages that must come out of them."""
    stream, expected = bytearray(), []

    def send(opcode: int, payload: bytes, *, is_last: bool = True) -> None:
        stream.extend(masked(Frame(OracleOpcode(opcode), payload, is_last), draw(masks)))

    for opcode, payload in draw(st.lists(st.tuples(st.sampled_from([TEXT, BINARY]), payloads), max_size=5)):
        cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
        edges = [0, *cuts, len(payload)]
        for position, (start, end) in enumerate(pairwise(edges)):
            send(CONTINUATION if position else opcode, payload[start:end], is_last=position == len(cuts))
            if position < len(cuts):
                for control in draw(st.lists(controls, max_size=2)):
                    send(*control)
                    expected.append(control)
        expected.append((opcode, payload))
    return bytes(stream), expected


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


class Oracle:
    """What a stream says by the oracle's frames and RFC 6455's rules on their order."""

    def __init__(self, stream: bytes) -> None:
        self.messages: Messages = []
        self.is_valid = True  # as far as whole frames can tell
        self.rest = b""  # the incomplete frame at the end
        self._opcode = 0
        self._parts: list[bytes] | None = None
        try:
            for each in self._frames(stream):
                self._take(each)
        except (ProtocolError, UnicodeDecodeError):
            self.is_valid = False

    def _frames(self, stream: bytes) -> Generator[Frame, None, None]:
        reader = StreamReader()
        reader.feed_data(stream)
        reader.feed_eof()
        while reader.buffer:
            self.rest = bytes(reader.buffer)
            try:
                next(Frame.parse(reader.read_exact, mask=True))
            except StopIteration as done:
                yield done.value
            except EOFError:
                return
        self.rest = b""

    def _take(self, each: Frame) -> None:
        if each.opcode >= CLOSE:
            if each.opcode == CLOSE:
                Close.parse(bytes(each.data))
            self.messages.append((int(each.opcode), bytes(each.data)))
            return
        if self._is_out_of_order(each.opcode):
            raise ProtocolError("out of order")
        if self._parts is None:
            self._opcode, self._parts = int(each.opcode), []
        self._parts.append(bytes(each.data))
        if each.fin:
            self.messages.append((self._opcode, b"".join(self._parts)))
            self._parts = None

    def _is_out_of_order(self, opcode: int) -> bool:
        return (opcode == CONTINUATION) != (self._parts is not None)

    def is_rest_forbidden(self) -> bool:
        """Whether the header of the incomplete frame is a violation already; the oracle waits for its payload."""
        first, length = self.rest[0], self.rest[1] & 0x7F
        opcode = first & 0x0F
        if opcode >= CLOSE:
            return bool(first & 0x70) or not first & 0x80 or length > 125
        return bool(first & 0x70) or self._is_out_of_order(opcode)


@given(conversations(), st.lists(st.integers(min_value=0), max_size=10))
def test_however_the_stream_is_cut_the_same_messages_come_out(
    conversation: tuple[bytes, Messages], places: list[int]
) -> None:
    stream, expected = conversation
    parser = FrameParser(LIMIT)
    seen = [message for piece in cut(stream, places) for message in parser.feed(piece)]
    assert parser.failure is None
    assert seen == expected


@given(conversations())
def test_byte_by_byte(conversation: tuple[bytes, Messages]) -> None:
    stream, expected = conversation
    if len(stream) > 2_000:
        stream, expected = stream[:2_000], Oracle(stream[:2_000]).messages
    parser = FrameParser(LIMIT)
    seen = [message for position in range(len(stream)) for message in parser.feed(stream[position : position + 1])]
    assert parser.failure is None
    assert seen == expected


@given(conversations(), st.data())
def test_a_damaged_stream_is_judged_as_the_oracle_judges_it(
    conversation: tuple[bytes, Messages], data: st.DataObject
) -> None:
    damaged = bytearray(conversation[0][:4_000])
    for _ in range(data.draw(st.integers(1, 4))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    check_against_oracle(bytes(damaged), data.draw(st.lists(st.integers(min_value=0), max_size=5)))


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=5))
@example(b"\x88\x82\x00\x00\x00\x00\x03\xed", [])  # close with 1005
@example(b"\x89\xfe\x00\x7e", [])  # a ping of 126 bytes, judged by its header
def test_random_bytes_never_raise_and_are_judged_as_the_oracle_judges_them(data: bytes, places: list[int]) -> None:
    check_against_oracle(data, places)


def check_against_oracle(stream: bytes, places: list[int]) -> None:
    parser = FrameParser(1 << 62)
    seen = [message for piece in cut(stream, places) for message in parser.feed(piece)]
    oracle = Oracle(stream)
    assert seen == oracle.messages
    if not oracle.is_valid:
        parser.feed(bytes(12))  # ours judges whole headers, the oracle their first two bytes
    if oracle.is_valid and parser.failure is not None:
        assert oracle.is_rest_forbidden()
    else:
        assert (parser.failure is None) == oracle.is_valid


@given(st.sampled_from([TEXT, BINARY, PING, PONG]), payloads)
def test_server_frames_are_what_the_oracle_writes(opcode: int, payload: bytes) -> None:
    if opcode >= CLOSE:
        payload = payload[:125]
    assert frame(opcode, payload) == Frame(OracleOpcode(opcode), payload).serialize(mask=False)


@given(st.sampled_from(list(CloseCode)), st.text(max_size=200))
def test_a_close_frame_is_valid_however_long_its_reason(code: CloseCode, reason: str) -> None:
    data = close_frame(code, reason)
    assert len(data) <= 2 + 125
    close = Close.parse(data[2:])
    assert close.code == code
    assert reason.startswith(close.reason)
    assert len(close.reason.encode()) >= min(len(reason.encode()), 120)


@given(st.integers(1, 400), st.integers(1, 10), st.integers(1, 400))
def test_no_message_takes_more_than_its_limit(size: int, pieces: int, limit: int) -> None:
    payload = b"x" * size
    edges = [size * position // pieces for position in range(pieces + 1)]
    parser = FrameParser(limit)
    for position, (start, end) in enumerate(pairwise(edges)):
        opcode = OracleOpcode(CONTINUATION if position else BINARY)
        parser.feed(Frame(opcode, payload[start:end], position == pieces - 1).serialize(mask=True))
    if size > limit:
        assert parser.failure is not None
        assert parser.failure.code in (CloseCode.MESSAGE_TOO_BIG, CloseCode.PROTOCOL_ERROR)
    elif pieces <= limit:
        assert parser.failure is None


@given(st.integers(1_001, 1 << 62))
def test_a_message_over_the_limit_is_refused_by_its_header_alone(length: int) -> None:
    header = Frame(OracleOpcode.BINARY, b"").serialize(mask=True)[:1] + b"\xff" + length.to_bytes(8)
    parser = FrameParser(1_000)
    parser.feed(header)
    assert parser.failure is not None
    assert parser.failure.code == CloseCode.MESSAGE_TOO_BIG
    assert parser.feed(b"anything") == []
