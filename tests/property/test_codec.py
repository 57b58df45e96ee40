"""Bytes to commands and back, in both subprotocols; anything else is `BadCommand` and nothing else."""

import json
import typing
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol import fields, moods
from protocol.codec import BadCommand, Codec, decode_command, decode_message, encode, encode_body, numbered, transcode
from protocol.commands import AnyCommand, Command, HugSend, Ping, Status
from protocol.events import FriendEnded, Message, Notification, RequestAnswered
from protocol.messages import DurableEvent
from protocol.parts import UserRef

pytestmark = pytest.mark.property

COMMANDS: tuple[type[Command], ...] = typing.get_args(AnyCommand)

UID = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"

codecs = st.sampled_from(list(Codec))
text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
ids = st.uuids().map(str) | st.uuids().map(lambda uid: str(uid).upper())
refs = st.integers(-(2**53), 2**53) | st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=64
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
styles = st.dictionaries(text, plain, max_size=3)
labels = text.filter(lambda label: 1 <= len(label) <= 128)

VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (fields.Id, ids),
    (fields.Word, text.filter(lambda word: 1 <= len(word) <= 64)),
    (fields.Message, text),
    (fields.Token, text.filter(bool)),
    (fields.Seq, st.integers(0, 2**53)),
    (Status, st.sampled_from(list(Status))),
    (bool, st.booleans()),
    (dict[str, Any], styles),
    (list[fields.Id], st.lists(ids, min_size=1, max_size=100)),
    (fields.Emoji, text.filter(lambda emoji: 1 <= len(emoji) <= 32)),
    (fields.About, text),
    (moods.MoodNote, text),
    (moods.Part, st.floats(-1, 1)),
    (moods.Amount, st.floats(0, 1)),
    (moods.Tags, st.lists(labels, max_size=10)),
    (
        moods.Factors,
        st.dictionaries(labels, st.booleans() | st.floats(allow_nan=False, allow_infinity=False), max_size=20),
    ),
    (moods.Visibility, st.sampled_from(list(moods.Visibility))),
    (fields.Name, text.filter(bool)),
    (fields.Instant, st.integers(0, 2**32).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))),
    (int, st.integers(2, 10_000)),  # a capacity
    (float, st.floats(0, 1)),  # a strength
]


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type, None where it may be left out."""
    if kind == fields.Ref | None:
        return st.none() | refs
    options = typing.get_args(kind) if type(None) in typing.get_args(kind) else (kind,)
    kind = next(option for option in options if option is not type(None))
    inner = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    for known, strategy in VALUES:
        if kind == known or (inner == known and typing.get_origin(known) is not typing.Annotated):
            return st.none() | strategy if len(options) > 1 else strategy
    raise LookupError(f"no values for {kind}")


def commands_of(kind: type[Command]) -> st.SearchStrategy[Command]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in msgspec.structs.fields(kind)})


commands = st.one_of([commands_of(kind) for kind in COMMANDS])
people = st.builds(UserRef, id=ids, name=text)
times = st.just("2026-01-31T12:00:00.000Z")
words = st.sampled_from(["open", "active", "completed"])
EVENT_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "at": times,
    "starts_at": times,
    "expires_at": times,
    "from_": people,
    "seq": st.none(),
    "message": st.none() | text,
    "style": st.none() | styles,
    "request": st.none() | ids,
    "kind": text,
    "name": text,
    "emoji": text,
    "hug": ids,
    "id": ids,
    "state": words,
    "how": words,
    "hugs": st.lists(ids, max_size=2),
    "participants": st.lists(people, max_size=3),
    "count": st.integers(0, 10_000),
    "duration_ms": st.integers(0, 10**9),
    "days": st.sampled_from([3, 7, 365]),
    "community": st.booleans(),
    "change": st.sampled_from(["new", "read", "deleted"]),
    "about": text,
    "data": st.dictionaries(text, text, max_size=3),
}
NOTIFICATION_VALUES: dict[str, st.SearchStrategy[Any]] = {  # what some have and others have not
    **dict.fromkeys(("id", "about", "category", "title", "body", "collapse_key"), st.none() | text),
    "expires_at": st.none() | times,
    "ids": st.none() | st.lists(st.integers(1, 2**53), max_size=3),
    "through": st.none() | st.integers(1, 2**53),
    "unread": st.none() | st.integers(0, 999),
}


def events_of(kind: type[Message]) -> st.SearchStrategy[Message]:
    known = EVENT_VALUES | {"user": ids if kind is FriendEnded else people}
    if kind is RequestAnswered:
        known["hugs"] = st.integers(1, 10)
    if kind is Notification:
        known |= NOTIFICATION_VALUES
    return st.builds(kind, **{field.name: known[field.name] for field in msgspec.structs.fields(kind)})


events: st.SearchStrategy[Any] = st.one_of([events_of(kind) for kind in typing.get_args(DurableEvent)])


@given(commands, codecs)
def test_every_command_survives_the_wire(command: Command, codec: Codec) -> None:
    assert decode_command(encode(command, codec), codec) == command


@given(commands)
def test_text_is_read_as_json(command: Command) -> None:
    assert decode_command(encode(command, Codec.JSON).decode(), Codec.JSON) == command


def judge(data: bytes | str, codec: Codec) -> None:
    """Whatever else decoding raises fails the test."""
    seen: Command | BadCommand
    try:
        seen = decode_command(data, codec)
    except BadCommand as error:
        seen = error
    if isinstance(seen, BadCommand):
        assert str(seen)
        assert seen.ref is None or isinstance(seen.ref, int | str)
    else:
        assert isinstance(seen, COMMANDS)


@given(st.binary(max_size=500), codecs)
@example(b"", Codec.JSON)
@example(b"\xff\xfe", Codec.JSON)
@example(b"[" * 16_000, Codec.JSON)
@example(b'{"type":"hug.send","style":' + b'{"a":' * 3_000 + b"1" + b"}" * 3_000 + b"}", Codec.JSON)
@example(b"\x91" * 16_000, Codec.MSGPACK)
@example(b'{"type":"ping","ref":1e400}', Codec.JSON)
@example(b'{"type":["ping"]}', Codec.JSON)
@example(b"\xdf\xff\xff\xff\xff", Codec.MSGPACK)
def test_arbitrary_bytes_are_a_command_or_a_bad_command(data: bytes, codec: Codec) -> None:
    judge(data, codec)


@given(st.text(max_size=300))
def test_arbitrary_text_is_a_command_or_a_bad_command(data: str) -> None:
    judge(data, Codec.JSON)


@given(commands, codecs, st.data())
def test_damaged_commands_are_a_command_or_a_bad_command(command: Command, codec: Codec, data: st.DataObject) -> None:
    damaged = bytearray(encode(command, codec))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    judge(bytes(damaged), codec)


@given(st.dictionaries(text, plain, max_size=5), st.sampled_from(COMMANDS))
def test_well_formed_objects_of_the_wrong_shape(members: dict[str, Any], kind: type[Command]) -> None:
    members["type"] = kind.__struct_config__.tag
    judge(msgspec.json.encode(members), Codec.JSON)
    judge(msgspec.msgpack.encode(members), Codec.MSGPACK)


@given(commands, text.filter(bool), codecs)
def test_an_unknown_field_is_refused_and_the_ref_is_found(command: Command, name: str, codec: Codec) -> None:
    members = msgspec.to_builtins(command)
    if name in {field.encode_name for field in msgspec.structs.fields(type(command))} | {"type"}:
        return
    members[name] = 1
    coder = msgspec.json if codec is Codec.JSON else msgspec.msgpack
    with pytest.raises(BadCommand) as caught:
        decode_command(coder.encode(members), codec)
    assert caught.value.ref == command.ref


@pytest.mark.parametrize("member", ["kind", "message", "ref"])
def test_nul_is_refused_wherever_it_would_be_stored(member: str) -> None:
    members = {"type": "hug.send", "id": UID, "to": UID, "kind": "bear", "message": "hi", "ref": "3"}
    assert decode_command(json.dumps(members), Codec.JSON)
    with pytest.raises(BadCommand):
        decode_command(json.dumps(members | {member: "a\x00b"}), Codec.JSON)


@given(events, st.integers(1, 2**53))
def test_a_numbered_body_is_the_event_with_that_seq(event: DurableEvent, seq: int) -> None:
    line = numbered(encode_body(event), seq)
    expected = msgspec.structs.replace(event, seq=seq)
    assert decode_message(line, Codec.JSON) == expected
    assert decode_message(transcode(line), Codec.MSGPACK) == expected


@given(st.binary(max_size=300), codecs)
def test_clients_meet_arbitrary_bytes_with_bad_command_only(data: bytes, codec: Codec) -> None:
    with suppress(BadCommand):
        decode_message(data, codec)


def test_examples_of_the_protocol_page() -> None:
    ping = decode_command(b'{"type":"ping","ref":7}', Codec.JSON)
    assert ping == Ping(ref=7)
    hug = decode_command(
        json.dumps({"type": "hug.send", "ref": 7, "id": UID, "to": UID, "kind": "bear", "message": "well done!"}),
        Codec.JSON,
    )
    assert hug == HugSend(ref=7, id=UID, to=UID, kind="bear", message="well done!")
