"""What a client reads: server messages, with patience for servers that are newer than it.

Invariant: a message this version does not know never stops a client. It becomes `Unknown`, keeps its
`seq`, and so leaves no gap; an unknown error or close code keeps its meaning for the retry.
"""

from typing import Any

import msgspec
from msgspec import Struct

from protocol.codec import BadCommand, Codec, decode_message
from protocol.codes import Reconnect, reconnects
from protocol.events import Bye, Error
from protocol.messages import ServerMessage


class Unknown(Struct, frozen=True):
    """An event of a newer server. `seq` is set when it is durable."""

    type: str
    fields: dict[str, Any]
    seq: int | None = None


class Failed(Struct, frozen=True):
    """An `error` reply, its code as text: newer servers may have more of them."""

    code: str
    message: str
    is_retryable: bool
    ref: int | str | None = None
    retry_after_ms: int | None = None


class Farewell(Struct, frozen=True):
    """Why a connection ended, and what to do now. From `bye`, or from the close frame alone."""

    code: int
    reason: str
    action: Reconnect
    retry_after_ms: int = 0


class BadServerMessage(Exception):  # noqa: N818  whose fault it is, is the point
    """Bytes that are no server message of any version."""


_json_map: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
_msgpack_map: msgspec.msgpack.Decoder[dict[str, Any]] = msgspec.msgpack.Decoder(dict[str, Any])


class _LooseError(Struct):
    code: str = "internal"
    message: str = ""
    retryable: bool = False
    ref: int | str | None = None
    retry_after_ms: int | None = None


class _LooseBye(Struct):
    code: int = 0
    reason: str = ""
    reconnect: bool = True
    retry_after_ms: int = 0


def read_message(data: bytes, codec: Codec) -> ServerMessage | Failed | Farewell | Unknown:
    """The server message in *data*. Raises: BadServerMessage."""
    try:
        message = decode_message(data, codec)
    except BadCommand:
        return _read_loosely(data, codec)
    if isinstance(message, Error):
        return Failed(message.code, message.message, message.retryable, message.ref, message.retry_after_ms)
    if isinstance(message, Bye):
        return _farewell(message.code, message.reason, message.retry_after_ms, reconnect=message.reconnect)
    return message


def farewell_of_close(code: int | None, reason: str) -> Farewell:
    """What a close frame says by itself; *code* None: the connection was lost without one."""
    code = code or 1006
    return Farewell(code, reason, reconnects(code))


def _farewell(code: int, reason: str, retry_after_ms: int, *, reconnect: bool) -> Farewell:
    return Farewell(code, reason, reconnects(code) if reconnect else Reconnect.STOP, retry_after_ms)


def _read_loosely(data: bytes, codec: Codec) -> Failed | Farewell | Unknown:
    try:
        fields = _json_map.decode(data) if codec is Codec.JSON else _msgpack_map.decode(data)
        kind = fields["type"]
        if kind == "error":
            error = msgspec.convert(fields, _LooseError)
            return Failed(error.code, error.message, error.retryable, error.ref, error.retry_after_ms)
        if kind == "bye":
            bye = msgspec.convert(fields, _LooseBye)
            return _farewell(bye.code, bye.reason, bye.retry_after_ms, reconnect=bye.reconnect)
    except (msgspec.DecodeError, RecursionError, ValueError, KeyError):
        raise BadServerMessage("The server sent something that is no message.") from None
    seq = fields.get("seq")
    is_numbered = isinstance(seq, int) and not isinstance(seq, bool)
    return Unknown(str(kind), fields, seq if is_numbered else None)
