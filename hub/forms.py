"""What one message looks like on the wire below a session.

Invariant: a form changes only the bytes around a message; which messages there are, and in which order, is the session's.
"""

from enum import Enum

from protocol.codec import Codec, encode, encode_body, event_chunk, transcode
from protocol.events import Message
from protocol.frames import BINARY, TEXT, frame


class Form(Enum):
    """A text frame, a binary frame, an event of text/event-stream, or the bare JSON text."""

    JSON = 0
    MSGPACK = 1
    STREAM = 2
    TEXT = 3


FORMS = {Codec.JSON: Form.JSON, Codec.MSGPACK: Form.MSGPACK}


class Payload:
    """One event as bytes, built once per form however many sessions get it.

    `json` is what nearly every session takes, in one read.
    """

    __slots__ = ("_msgpack", "_stream", "_text", "json")

    def __init__(self, text: bytes) -> None:
        """*text*: the message as JSON."""
        self._text = text
        self.json = frame(TEXT, text)
        self._msgpack: bytes | None = None
        self._stream: bytes | None = None

    def bytes_as(self, form: Form) -> bytes:
        """The bytes for a session whose wire has *form*."""
        if form is Form.JSON:
            return self.json
        if form is Form.MSGPACK:
            if self._msgpack is None:
                self._msgpack = frame(BINARY, transcode(self._text))
            return self._msgpack
        if form is Form.STREAM:
            if self._stream is None:
                self._stream = event_chunk(self._text)
            return self._stream
        return self._text


def encode_as(message: Message, form: Form) -> bytes:
    """*message*, for one session alone."""
    if form is Form.JSON:
        return frame(TEXT, encode(message, Codec.JSON))
    if form is Form.MSGPACK:
        return frame(BINARY, encode(message, Codec.MSGPACK))
    text = encode_body(message)
    return event_chunk(text) if form is Form.STREAM else text
