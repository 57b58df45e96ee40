"""Whatever a client sends: it gets the answer the protocol names, the hub lives, and nobody else notices.

Everything here is said byte by byte (tests/support/wire.py). After each test a bystander, connected all the
time, still gets its hug.
"""

import asyncio
import json
import struct
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import jwt
import msgspec
import pytest

from tests.support.hubs import SECRET, HubProcess, Person, hub_starter, make_friends
from tests.support.servers import Databases, flush
from tests.support.wire import (
    BINARY,
    CLOSE,
    JSON,
    MSGPACK,
    PING,
    TEXT,
    Ended,
    Wire,
    build_frame,
    read_answer,
    upgrade_request,
)

pytestmark = pytest.mark.integration

SOMEBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
CONTINUATION = 0x0


class Place(msgspec.Struct):
    """One hub for the module, and three friends: who misbehaves, a friend, a bystander."""

    hub: HubProcess
    rude: Person
    friend: Person
    bystander: Person


@pytest.fixture(scope="module")
def place(databases: Databases, valkey_server: Any) -> Iterator[Place]:
    flush(valkey_server.url)
    with databases.fresh() as database_url, asyncio.Runner() as runner:
        starter = hub_starter(database_url, valkey_server.url)
        start = runner.run(starter.__aenter__())
        try:
            hub = runner.run(start())
            yield Place(hub, *runner.run(make_friends(database_url, 3)))
        finally:
            runner.run(starter.__aexit__(None, None, None))


@pytest.fixture(autouse=True)
async def undisturbed(place: Place) -> AsyncIterator[None]:
    """The hub lives and the bystander, who was there all the time, is served as ever."""
    async with await Wire.log_in(place.hub.url, place.bystander.access_token, device="bystander") as bystander:
        yield
        assert place.hub.is_alive()
        assert (await bystander.ask("ping"))["type"] == "ok"
        async with await Wire.log_in(place.hub.url, place.friend.access_token) as friend:
            hug = hug_to(place.bystander)
            assert (await friend.ask("hug.send", **hug))["state"] == "accepted"
        while (await bystander.hear("hug.received"))["id"] != hug["id"]:
            pass  # some tests hug the bystander too


@pytest.fixture
async def rude(place: Place) -> AsyncIterator[Wire]:
    """A session of somebody with bad manners."""
    async with await Wire.log_in(place.hub.url, place.rude.access_token) as wire:
        yield wire


def new_id() -> str:
    text = f"{time.time_ns():032x}"[-32:]
    return f"{text[:8]}-{text[8:12]}-7{text[13:16]}-8{text[17:20]}-{text[20:]}"


def hug_to(person: Person, **more: Any) -> dict[str, Any]:
    return {"id": new_id(), "to": person.id, "kind": "bear", **more}


def text(payload: bytes | str, **frame: Any) -> bytes:
    return build_frame(TEXT, payload if isinstance(payload, bytes) else payload.encode(), **frame)


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


# Who one is.


def jwt_of(person: Person, secret: bytes = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = jwt.decode(person.access_token, options={"verify_signature": False}) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret if algorithm != "none" else "", algorithm=algorithm)


def bad_tokens(person: Person) -> dict[str, tuple[str, int]]:
    """By name: a token, and the close code it deserves."""
    head, payload, signature = person.access_token.split(".")
    now_s = int(time.time())
    return {
        "signed by somebody else": (jwt_of(person, secret=b"x" * 40), 4301),
        "not signed": (jwt_of(person, algorithm="none"), 4301),
        "another algorithm": (jwt_of(person, algorithm="HS512", secret=SECRET * 2), 4301),
        "cut signature": (f"{head}.{payload}.{signature[:-4]}", 4301),
        "no signature": (f"{head}.{payload}.", 4301),
        "another payload": (f"{head}.{payload[:-4]}AAAA.{signature}", 4301),
        "no token at all": ("hugs", 4301),
        "not even ASCII": ("hügs.hügs.hügs", 4301),
        "another audience": (jwt_of(person, aud="others"), 4301),
        "another issuer": (jwt_of(person, iss="others"), 4301),
        "without an end": (jwt_of(person, exp=None), 4301),
        "a user there is not": (jwt_of(person, sub=SOMEBODY), 4301),
        "a user that is no id": (jwt_of(person, sub="ana"), 4301),
        "expired": (jwt_of(person, exp=now_s - 60), 4300),
    }


@pytest.mark.parametrize("name", bad_tokens(Person(SOMEBODY, "x", jwt.encode({"sub": "x"}, SECRET * 2), [])))
async def test_bad_tokens(place: Place, name: str) -> None:
    token, code = bad_tokens(place.rude)[name]
    async with await Wire.open(place.hub.url) as wire:
        wire.say(type="hello", token=token, device="d")
        ended = await wire.ended()
    assert ended.code == code
    assert ended.bye is not None
    assert (ended.bye["code"], ended.bye["reconnect"]) == (code, True)
    assert token not in ended.bye["reason"]


async def test_no_token(place: Place) -> None:
    async with await Wire.open(place.hub.url) as wire:
        wire.say(type="hello", device="d")
        assert (await wire.ended()).code == 4301


async def test_a_token_in_the_header_is_enough(place: Place) -> None:
    async with await Wire.open(place.hub.url, f"Authorization: Bearer {place.rude.access_token}") as wire:
        wire.say(type="hello", device="d")
        assert (await wire.hear("welcome"))["user"]["id"] == place.rude.id


async def test_a_token_in_the_address_is_not(place: Place) -> None:
    async with await Wire.open(place.hub.url, path=f"/v1/socket?token={place.rude.access_token}") as wire:
        if wire.answer.status == 101:
            wire.say(type="hello", device="d")
            assert (await wire.ended()).code == 4301


async def test_a_token_that_ends_closes_the_session_unless_it_is_refreshed(place: Place) -> None:
    now_s = int(time.time())
    short, long = jwt_of(place.rude, exp=now_s + 3), jwt_of(place.rude, exp=now_s + 600)
    async with (
        await Wire.log_in(place.hub.url, short, device="a") as forgetful,
        await Wire.log_in(place.hub.url, short, device="b") as careful,
    ):
        await forgetful.hear("session.expiring")
        await careful.hear("session.expiring")
        assert (await careful.ask("auth.refresh", token=long))["expires_at"]
        refused = await forgetful.ask("auth.refresh", token=jwt_of(place.friend, exp=now_s + 600))
        assert refused["code"] == "unauthenticated", "another user's token"
        assert (await forgetful.ended()).code == 4300
        assert (await careful.ask("ping"))["type"] == "ok"


async def test_a_command_before_hello_is_refused_and_a_late_hello_ends_it(place: Place) -> None:
    async with await Wire.open(place.hub.url) as wire:
        reply = await wire.ask("ping")
        assert (reply["code"], reply["retryable"]) == ("unauthenticated", False)
        began = time.monotonic()
        ended = await wire.ended()
        assert ended.code == 4104
        assert ended.bye is not None
        assert ended.bye["reconnect"] is True
        assert 3 < time.monotonic() - began < 9


async def test_hello_after_a_refused_command_still_opens(place: Place) -> None:
    async with await Wire.open(place.hub.url) as wire:
        await wire.ask("hug.send", **hug_to(place.friend))
        assert (await wire.hello(place.rude.access_token))["resumed"] is False


# The handshake.


async def shake(place: Place, request: bytes) -> Any:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.hub.port)
    try:
        writer.write(request)
        return await read_answer(reader)
    finally:
        writer.transport.abort()


def address(place: Place) -> str:
    return f"127.0.0.1:{place.hub.port}"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["Origin: https://evil.example"], 403),
        (["Origin: null"], 403),
        (["Origin: http://127.0.0.1:1"], 403),
        (["Origin: http://{address}"], 101),
        ([], 101),
    ],
    ids=str,
)
async def test_origins(place: Place, more: list[str], status: int) -> None:
    lines = [line.format(address=address(place)) for line in more]
    assert (await shake(place, upgrade_request(address(place), *lines))).status == status


async def test_subprotocols(place: Place) -> None:
    async def agreed(offer: str | None) -> tuple[int, str | None]:
        answer = await shake(place, upgrade_request(address(place), subprotocol=offer))
        return answer.status, answer.headers.get("sec-websocket-protocol")

    assert await agreed(JSON) == (101, JSON)
    assert await agreed(MSGPACK) == (101, MSGPACK)
    assert await agreed(None) == (101, None)
    assert await agreed(f"v9.hugs, {MSGPACK}") == (101, MSGPACK)
    status, chosen = await agreed("v9.hugs")
    assert status == 400
    assert chosen is None


async def test_compression_is_declined(place: Place) -> None:
    request = upgrade_request(address(place), "Sec-WebSocket-Extensions: permessage-deflate")
    answer = await shake(place, request)
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"/v1/socket", b"/v2/socket", 404),
        (b"GET", b"POST", 405),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"X: y", 400),
        (b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl", 400),
        (b"GET /v1/socket HTTP/1.1", b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    ],
    ids=["wrong path", "POST", "no key", "short key", "TLS on the plain port"],
)
async def test_wrong_handshakes(place: Place, old: bytes, new: bytes, status: int) -> None:
    request = upgrade_request(address(place))
    assert old in request
    assert (await shake(place, request.replace(old, new))).status == status


async def test_another_version_of_the_protocol_is_told_ours(place: Place) -> None:
    """RFC 6455, section 4.2.2."""
    request = upgrade_request(address(place)).replace(b"Version: 13", b"Version: 8")
    answer = await shake(place, request)
    assert answer.status == 426
    assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("pieces", [1, 20], ids=["at once", "in pieces"])
async def test_a_head_that_is_too_long_is_refused(place: Place, pieces: int) -> None:
    request = upgrade_request(address(place), *(f"X-{n}: {'y' * 900}" for n in range(20)))
    assert len(request) > 16 * 1024
    reader, writer = await asyncio.open_connection("127.0.0.1", place.hub.port)
    size = len(request) // pieces + 1
    for start in range(0, len(request), size):
        writer.write(request[start : start + size])
        await writer.drain()
    answer = await read_answer(reader)
    assert answer.status == 431
    assert await reader.read() == b"", "and the connection is closed"
    writer.transport.abort()


async def test_a_head_without_end_costs_no_memory(place: Place) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.hub.port)
    before = place.hub.rss_bytes()
    writer.write(b"GET /v1/socket HTTP/1.1\r\nX: ")
    sent = 0
    with suppress(ConnectionError):
        while sent < 64 * 2**20 and not reader.at_eof():
            writer.write(b"y" * 65_536)
            await writer.drain()
            sent += 65_536
    writer.transport.abort()
    assert sent < 16 * 2**20, "the hub has hung up"
    assert place.hub.rss_bytes() - before < 4 * 2**20


async def test_a_handshake_that_takes_too_long_is_ended(place: Place) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.hub.port)
    request = upgrade_request(address(place))
    began = time.monotonic()
    trickle = asyncio.create_task(_trickle(writer, request))
    answer = await read_answer(reader)
    assert answer.status == 408
    assert await reader.read() == b""
    assert 4 < time.monotonic() - began < 9
    trickle.cancel()
    writer.transport.abort()


async def _trickle(writer: asyncio.StreamWriter, request: bytes) -> None:
    """A byte a second: never silent, never done."""
    for byte in request:
        writer.write(bytes([byte]))
        await asyncio.sleep(1)


async def test_frames_behind_the_handshake_are_not_lost(place: Place) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.hub.port)
    hello = json.dumps({"type": "hello", "token": place.rude.access_token, "device": "eager"})
    writer.write(upgrade_request(address(place)) + text(hello) + text('{"type":"ping","ref":1}'))
    wire = Wire(reader, writer, JSON, await read_answer(reader))
    assert (await wire.hear())["type"] == "welcome"
    assert (await wire.reply_to(1))["type"] == "ok"
    wire.cut()


async def test_a_client_that_vanishes_in_the_middle_of_a_frame_leaves_nothing_behind(place: Place, rude: Wire) -> None:
    rude.write(text(b"x" * 1_000)[:500])
    await rude.writer.drain()
    rude.cut()
    with pytest.raises(Ended):
        await rude.hear()
