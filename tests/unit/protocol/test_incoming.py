"""A client reads messages of servers that are newer than it."""

import msgspec
import pytest

from protocol.codec import Codec, encode
from protocol.codes import CloseCode, ErrorCode, Reconnect
from protocol.events import Bye, Error, HugReceived
from protocol.incoming import BadServerMessage, Failed, Farewell, Unknown, farewell_of_close, read_message
from protocol.parts import UserRef

pytestmark = pytest.mark.unit


@pytest.fixture(params=list(Codec), ids=str)
def codec(request: pytest.FixtureRequest) -> Codec:
    return Codec(request.param)


def pack(fields: object, codec: Codec) -> bytes:
    return msgspec.json.encode(fields) if codec is Codec.JSON else msgspec.msgpack.encode(fields)


def test_reads_what_this_version_knows(codec: Codec) -> None:
    event = HugReceived(at="2026-01-31T12:00:00.000Z", id="h", from_=UserRef("u", "Ana"), kind="bear", seq=4)
    assert read_message(encode(event, codec), codec) == event


def test_ignores_fields_it_does_not_know(codec: Codec) -> None:
    message = read_message(pack({"type": "hug.seen", "id": "h", "at": "t", "mood": "new"}, codec), codec)
    assert message == msgspec.convert({"type": "hug.seen", "id": "h", "at": "t"}, type(message))


@pytest.mark.parametrize(("fields", "seq"), [({"seq": 9}, 9), ({}, None), ({"seq": True}, None), ({"seq": "9"}, None)])
def test_an_unknown_event_keeps_its_seq(codec: Codec, fields: dict[str, object], seq: int | None) -> None:
    fields = {"type": "hug.teleported", **fields}
    assert read_message(pack(fields, codec), codec) == Unknown("hug.teleported", fields, seq)


def test_an_unknown_error_code_is_still_an_answer(codec: Codec) -> None:
    fields = {"type": "error", "ref": 3, "code": "too_cute", "message": "m", "retryable": True, "retry_after_ms": 50}
    assert read_message(pack(fields, codec), codec) == Failed("too_cute", "m", True, 3, 50)


def test_a_known_error_reads_alike(codec: Codec) -> None:
    error = Error(code=ErrorCode.CONFLICT, message="m", retryable=False, ref="r")
    assert read_message(encode(error, codec), codec) == Failed("conflict", "m", False, "r")


@pytest.mark.parametrize(
    ("code", "reconnect", "action"),
    [
        (CloseCode.DRAIN, True, Reconnect.RESUME),
        (CloseCode.TOKEN_EXPIRED, True, Reconnect.NEW_TOKEN),
        (CloseCode.FORBIDDEN, False, Reconnect.STOP),
        (CloseCode.DRAIN, False, Reconnect.STOP),
        (4142, True, Reconnect.BACKOFF),
        (4242, True, Reconnect.RESUME),
        (4999, True, Reconnect.BACKOFF),
    ],
)
def test_bye_says_what_to_do(codec: Codec, code: int, reconnect: bool, action: Reconnect) -> None:
    fields = {"type": "bye", "code": code, "reason": "r", "reconnect": reconnect, "retry_after_ms": 7}
    assert read_message(pack(fields, codec), codec) == Farewell(code, "r", action, 7)


def test_bye_of_this_version(codec: Codec) -> None:
    bye = Bye(code=CloseCode.NO_PONG, reason="r", reconnect=True, retry_after_ms=0)
    assert read_message(encode(bye, codec), codec) == Farewell(4201, "r", Reconnect.RESUME)


@pytest.mark.parametrize(
    ("code", "action"),
    [(None, Reconnect.BACKOFF), (1012, Reconnect.BACKOFF), (4007, Reconnect.STOP), (4301, Reconnect.NEW_TOKEN)],
)
def test_a_close_frame_alone_says_enough(code: int | None, action: Reconnect) -> None:
    assert farewell_of_close(code, "x").action is action


@pytest.mark.parametrize("data", [b"", b"\xff", b"[1]", b"{}", b'{"type":"error","code":1}', b"[" * 5000, b"\xc1"])
def test_what_is_no_message_at_all_is_said_so(codec: Codec, data: bytes) -> None:
    with pytest.raises(BadServerMessage):
        read_message(data, codec)
