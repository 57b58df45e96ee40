"""Bytes to commands, events to bytes, in both subprotocols.

Invariant: what this module lets through is a struct whose every field has the declared type and
bounds; anything else is `Invalid` (with the `ref`, where one can be found), and costs one decode.
"""

from enum import StrEnum

import msgspec

from domain.errors import Invalid
from protocol.commands import AnyCommand
from protocol.fields import Ref
from protocol.messages import ServerMessage


class Codec(StrEnum):
    """The subprotocols, as the handshake names them."""

    JSON = "hugmood.v1.json"
    MSGPACK = "hugmood.v1.msgpack"


class _Envelope(msgspec.Struct, gc=False):
    """What is left to know of a command that has the wrong shape."""

    ref: Ref | None = None


class _Typed(msgspec.Struct, gc=False):
    """Any server message."""

    type: str


_NUMBERED = b'{"seq":'  # how `numbered` begins
_json_type = msgspec.json.Decoder(_Typed)
_json_commands: msgspec.json.Decoder[AnyCommand] = msgspec.json.Decoder(AnyCommand)
_msgpack_commands: msgspec.msgpack.Decoder[AnyCommand] = msgspec.msgpack.Decoder(AnyCommand)
_json_envelope = msgspec.json.Decoder(_Envelope)
_msgpack_envelope = msgspec.msgpack.Decoder(_Envelope)
_json_any = msgspec.json.Decoder()
_json_encoder = msgspec.json.Encoder()
_msgpack_encoder = msgspec.msgpack.Encoder()
_json_messages: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_msgpack_messages: msgspec.msgpack.Decoder[ServerMessage] = msgspec.msgpack.Decoder(ServerMessage)

_DECODE_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError)


class BadCommand(Invalid):
    """Bytes that are no command; `ref` is theirs, if it could still be read."""

    def __init__(self, message: str, ref: int | str | None) -> None:
        super().__init__(message)
        self.ref = ref


def decode_command(data: bytes | str, codec: Codec) -> AnyCommand:
    """The command in *data*; text is always JSON. Raises: BadCommand."""
    try:
        if isinstance(data, str) or codec is Codec.JSON:
            return _json_commands.decode(data)
        return _msgpack_commands.decode(data)
    except _DECODE_ERRORS as error:
        raise BadCommand(_reason(error), _find_ref(data, codec)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "The message is nested too deeply."
    return f"Not a command: {error}." if str(error) else "Not a command."


def _find_ref(data: bytes | str, codec: Codec) -> int | str | None:
    try:
        if isinstance(data, str) or codec is Codec.JSON:
            return _json_envelope.decode(data).ref
        return _msgpack_envelope.decode(data).ref
    except _DECODE_ERRORS:
        return None


def encode(message: msgspec.Struct, codec: Codec) -> bytes:
    """One server message (or, for clients, one command) as the payload of one WebSocket message."""
    return _json_encoder.encode(message) if codec is Codec.JSON else _msgpack_encoder.encode(message)


def encode_body(event: msgspec.Struct) -> bytes:
    """An event as it is stored and travels between nodes: JSON, without `seq`."""
    return _json_encoder.encode(event)


def numbered(body: bytes, seq: int) -> bytes:
    """The JSON text of a durable event for one recipient: *body* with its `seq` in front."""
    return b'{"seq":%d,%b' % (seq, body[1:])


def event_chunk(text: bytes) -> bytes:
    """A server message, JSON, as one event of text/event-stream (HTML, section 9.2.6). Only durable events have an `id`.

    JSON holds line ends between its tokens only, where a blank means the same; here they would end the field.
    """
    kind = _json_type.decode(text).type.encode()
    if b"\n" in text or b"\r" in text:
        text = text.replace(b"\n", b" ").replace(b"\r", b" ")
    if text.startswith(_NUMBERED):
        seq = text[len(_NUMBERED) : text.index(b",")]
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (seq, kind, text)
    return b"event: %b\ndata: %b\n\n" % (kind, text)


def transcode(text: bytes) -> bytes:
    """A JSON payload as MessagePack, for sessions of the other subprotocol."""
    return _msgpack_encoder.encode(_json_any.decode(text))


def decode_message(data: bytes, codec: Codec) -> ServerMessage:
    """Client side: the server message in *data*. Raises: BadCommand for what this version does not know."""
    try:
        return _json_messages.decode(data) if codec is Codec.JSON else _msgpack_messages.decode(data)
    except _DECODE_ERRORS as error:
        raise BadCommand(f"Not a server message: {error}.", None) from None
