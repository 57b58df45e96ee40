"""Frames and commands that are wrong: each gets the answer the protocol names, the hub lives, and nobody else notices."""

import json
import struct
from typing import Any

import msgspec
import pytest

from tests.support.manners import Place, hug_to, text
from tests.support.wire import (
    BINARY,
    CLOSE,
    MSGPACK,
    PING,
    Wire,
    build_frame,
)

pytestmark = pytest.mark.integration

SOMEBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
CONTINUATION = 0x0


# What the RFC calls a violation ends the connection, with `bye` first.

VIOLATIONS = {
    "oversized": (text(b"x" * (16 * 1024 + 1)), 1009),
    "oversized in fragments": (
        text(b"x" * 9_000, fin=False) + build_frame(CONTINUATION, b"x" * 9_000, fin=False),
        1009,
    ),
    "oversized by its header alone": (b"\x81\xff" + struct.pack("!Q", 2**62), 1009),
    "length with the highest bit": (b"\x81\xff" + b"\xff" * 8, 1009),
    "text that is not UTF-8": (text(b'{"type":"ping","ref":"\xff\xfe"}'), 1007),
    "UTF-8 that encodes a surrogate": (text(b'{"type":"ping","ref":"\xed\xa0\x80"}'), 1007),
    "fragments that are not UTF-8 together": (
        text(b'{"ref":"\xc3', fin=False) + build_frame(CONTINUATION, b"("),
        1007,
    ),
    "binary on the JSON subprotocol": (build_frame(BINARY, b"{}"), 1003),
    "unmasked": (text(b'{"type":"ping"}', masked=False), 1002),
    "fragmented ping": (build_frame(PING, b"", fin=False), 1002),
    "fragmented close": (build_frame(CLOSE, b"", fin=False), 1002),
    "long ping": (build_frame(PING, b"x" * 126), 1002),
    "reserved bit 1 (compression nobody agreed on)": (text(b"{}", reserved=0b100), 1002),
    "reserved bit 2": (text(b"{}", reserved=0b010), 1002),
    "reserved bit 3": (text(b"{}", reserved=0b001), 1002),
    "reserved opcode 3": (build_frame(0x3, b""), 1002),
    "reserved opcode 7": (build_frame(0x7, b""), 1002),
    "reserved control opcode B": (build_frame(0xB, b""), 1002),
    "reserved control opcode F": (build_frame(0xF, b""), 1002),
    "continuation of nothing": (build_frame(CONTINUATION, b"{}"), 1002),
    "a message inside a message": (text(b"{", fin=False) + text(b"{}"), 1002),
    "close with one byte": (build_frame(CLOSE, b"\x03"), 1002),
    "close with a code nobody may send": (build_frame(CLOSE, struct.pack("!H", 1005)), 1002),
    "close with a code below all": (build_frame(CLOSE, struct.pack("!H", 999)), 1002),
    "close with a reason that is not UTF-8": (build_frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
}


@pytest.mark.parametrize("when", ["before hello", "after hello"])
@pytest.mark.parametrize("name", VIOLATIONS)
async def test_violations_of_the_rfc_are_told_and_end_the_connection(place: Place, name: str, when: str) -> None:
    data, code = VIOLATIONS[name]
    async with await Wire.open(place.hub.url) as wire:
        if when == "after hello":
            await wire.hello(place.rude.access_token)
        wire.write(data)
        ended = await wire.ended()
    assert ended.code == code
    assert ended.bye is not None
    assert ended.bye["code"] == code
    assert ended.bye["reconnect"] is (code == 1009)


@pytest.mark.parametrize(
    ("data", "code"),
    [(text("{}"), 1003), (build_frame(BINARY, b"x" * (16 * 1024 + 1)), 1009)],
    ids=["text on the msgpack subprotocol", "oversized"],
)
async def test_violations_on_the_msgpack_subprotocol(place: Place, data: bytes, code: int) -> None:
    async with await Wire.log_in(place.hub.url, place.rude.access_token, subprotocol=MSGPACK) as wire:
        wire.write(data)
        ended = await wire.ended()
    assert (ended.code, ended.bye and ended.bye["code"]) == (code, code)


async def test_nothing_after_a_violation_is_carried_out(place: Place, rude: Wire) -> None:
    async with await Wire.log_in(place.hub.url, place.friend.access_token, device="second") as friend:
        hug = json.dumps({"type": "hug.send", **hug_to(place.friend)})
        rude.write(text("{}", masked=False) + text(hug))
        assert (await rude.ended()).code == 1002
        assert (await friend.ask("ping"))["type"] == "ok"
        async with await Wire.log_in(place.hub.url, place.rude.access_token) as again:
            marker = hug_to(place.friend)
            await again.ask("hug.send", **marker)
        assert (await friend.hear("hug.received"))["id"] == marker["id"]


async def test_a_fragmented_message_with_a_ping_inside_is_fine(rude: Wire) -> None:
    command = b'{"type":"ping","ref":"frag"}'
    rude.write(text(command[:9], fin=False) + build_frame(PING, b"hi") + build_frame(CONTINUATION, command[9:]))
    assert await rude.read_frame() == (0xA, b"hi")
    assert (await rude.hear("ok"))["ref"] == "frag"


async def test_a_message_of_exactly_the_limit_is_fine(rude: Wire) -> None:
    command = '{"type":"ping","ref":1}'
    rude.write(text(command + " " * (16 * 1024 - len(command))))
    assert (await rude.reply_to(1))["type"] == "ok"


# A wrong command is an error; the connection lives.

DEEP = '{"type":"hug.send","ref":1,"style":' + '{"a":' * 2_500 + "1" + "}" * 2_500 + "}"
MALFORMED = {
    "deep": DEEP,
    "deep arrays": "[" * 16_000,
    "not JSON": '{"type":"ping","ref":1',
    "two values": '{"type":"ping","ref":1}{"type":"ping","ref":1}',
    "empty": "",
    "an array": "[]",
    "a number": "7",
    "null": "null",
    "no type": '{"ref":1}',
    "a type that is no text": '{"type":7,"ref":1}',
    "an unknown type": '{"type":"hug.steal","ref":1}',
    "a server's type": '{"type":"welcome","ref":1}',
    "an unknown field": '{"type":"ping","ref":1,"loud":true}',
    "a missing field": '{"type":"hug.send","ref":1,"kind":"bear"}',
    "an id that is no UUID": '{"type":"hug.seen","ref":1,"ids":["no-uuid"]}',
    "an id with a line break behind it": f'{{"type":"hug.seen","ref":1,"ids":["{SOMEBODY}\\n"]}}',
    "an id that is a number": '{"type":"hug.seen","ref":1,"ids":[7]}',
    "no ids": '{"type":"hug.seen","ref":1,"ids":[]}',
    "too many ids": json.dumps({"type": "hug.seen", "ref": 1, "ids": [SOMEBODY] * 101}),
    "NUL in a text": f'{{"type":"hug.send","ref":1,"id":"{SOMEBODY}","to":"{SOMEBODY}","kind":"bear","message":"a\\u0000b"}}',
    "NUL as a byte": '{"type":"ping","ref":1}\0',
    "half a surrogate pair": f'{{"type":"hug.send","ref":1,"id":"{SOMEBODY}","to":"{SOMEBODY}","kind":"bear","message":"\\ud83d"}}',
    "a status nobody has": '{"type":"presence.set","ref":1,"status":"sleepy"}',
    "a negative seq": '{"type":"ack","ref":1,"seq":-1}',
    "a seq beyond all numbers": '{"type":"ack","ref":1,"seq":36893488147419103232}',
    "a seq with a fraction": '{"type":"ack","ref":1,"seq":1.5}',
    "a seq as text": '{"type":"ack","ref":1,"seq":"1"}',
    "a ref that is too long": json.dumps({"type": "ping", "ref": "r" * 65}),
    "a ref that is an object": '{"type":"ping","ref":{}}',
    "infinity": '{"type":"ack","ref":1,"seq":1e999}',
    "NaN": '{"type":"ack","ref":1,"seq":NaN}',
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_commands_are_errors(rude: Wire, name: str) -> None:
    rude.write(text(MALFORMED[name]))
    error = await rude.hear("error", "ok")
    assert (error["type"], error["code"], error["retryable"]) == ("error", "invalid", False)
    assert error["message"]
    assert error.get("ref") in (1, None)
    assert (await rude.ask("ping"))["type"] == "ok"


@pytest.mark.parametrize("name", ["an unknown field", "an unknown type", "a missing field", "no ids"])
async def test_an_error_carries_the_ref_of_its_command(rude: Wire, name: str) -> None:
    rude.write(text(MALFORMED[name]))
    assert (await rude.hear("error"))["ref"] == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81",
        b"\x91" * 5_000,
        b"\xc7\x01\x05x",
        msgspec.msgpack.encode({"type": "ping", "loud": True}),
        msgspec.msgpack.encode({"type": "hug.seen", "ids": [7]}),
        msgspec.msgpack.encode({b"type": b"ping"}),
        b"\x82\xa4type\xa4ping\xa3ref\xa2\xff\xfe",
        b"\xdd\xff\xff\xff\xff",
        msgspec.msgpack.encode({"type": "ping"}) + b"\x00",
    ],
    ids=[
        "empty",
        "never used byte",
        "cut off",
        "deep",
        "extension",
        "unknown field",
        "number for an id",
        "binary for text",
        "text that is not UTF-8",
        "array of four billion",
        "something behind it",
    ],
)
async def test_malformed_msgpack_is_an_error(place: Place, data: bytes) -> None:
    async with await Wire.log_in(place.hub.url, place.rude.access_token, subprotocol=MSGPACK) as wire:
        wire.write(build_frame(BINARY, data))
        assert (await wire.hear("error", "ok"))["code"] == "invalid"
        assert (await wire.ask("ping"))["type"] == "ok"


async def test_the_twentieth_malformed_message_within_a_minute_ends_it(rude: Wire) -> None:
    for _ in range(20):
        rude.write(text("{"))
    ended = await rude.ended()
    assert ended.code == 4102
    assert ended.bye is not None
    assert ended.bye["reconnect"] is True
    assert ended.bye["retry_after_ms"] > 0


async def test_nineteen_do_not(rude: Wire) -> None:
    for _ in range(19):
        rude.write(text("{"))
    assert (await rude.ask("ping"))["type"] == "ok"


# A command that is well formed and wrong.


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "steely"}, "invalid"),
        ({"message": "ö" * 281}, "invalid"),
        ({"message": "👨‍👩‍👧‍👦" * 281}, "invalid"),
        ({"message": "x" * 4_097}, "invalid"),
        ({"style": {"a": "x" * 2_100}}, "too_large"),
        ({"style": json.loads('{"a":' * 20 + "1" + "}" * 20)}, "invalid"),
        ({"style": {"a": "b\0"}}, "invalid"),
        ({"style": {"a\0": 1}}, "invalid"),
        ({"to": SOMEBODY}, "not_found"),
        ({"id": "x"}, "invalid"),
    ],
    ids=str,
)
async def test_wrong_hugs(place: Place, rude: Wire, fields: dict[str, Any], code: str) -> None:
    reply = await rude.ask("hug.send", **(hug_to(place.friend) | fields))
    assert reply.get("code") == code, reply


async def test_a_message_of_280_families_is_fine(place: Place, rude: Wire) -> None:
    reply = await rude.ask("hug.send", **hug_to(place.friend, message="👨‍👩‍👧" * 220))
    assert reply.get("state") == "accepted", reply


async def test_a_hug_to_oneself_is_refused(place: Place, rude: Wire) -> None:
    assert (await rude.ask("hug.send", **hug_to(place.rude)))["code"] == "invalid"


async def test_the_id_of_another_senders_hug_is_a_conflict(place: Place, rude: Wire) -> None:
    async with await Wire.log_in(place.hub.url, place.friend.access_token, device="second") as friend:
        hug = hug_to(place.bystander)
        assert (await friend.ask("hug.send", **hug))["state"] == "accepted"
    reply = await rude.ask("hug.send", **hug)
    assert reply["code"] == "conflict", reply
    assert reply["retryable"] is False
    assert (await rude.ask("hug.send", **(hug | {"id": hug["id"].upper()})))["code"] == "conflict"


async def test_ids_may_come_in_upper_case(place: Place, rude: Wire) -> None:
    hug = hug_to(place.friend)
    reply = await rude.ask("hug.send", **(hug | {"id": hug["id"].upper(), "to": hug["to"].upper()}))
    assert reply["id"] == hug["id"]


async def test_an_ack_of_what_was_never_sent_is_refused(rude: Wire) -> None:
    assert (await rude.ask("ack", seq=2**53))["code"] == "invalid"


async def test_hello_twice_is_refused(place: Place, rude: Wire) -> None:
    reply = await rude.ask("hello", token=place.rude.access_token, device="again")
    assert reply["code"] == "invalid"
