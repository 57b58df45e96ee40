"""Handshakes and log-ins that are wrong: each gets the answer the protocol names, the hub lives, and nobody else notices."""

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import jwt
import pytest

from tests.support.hubs import SECRET, Person
from tests.support.manners import Place, hug_to, text
from tests.support.wire import (
    JSON,
    MSGPACK,
    Ended,
    Wire,
    read_answer,
    upgrade_request,
)

pytestmark = pytest.mark.integration

SOMEBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"


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
