"""The stream of server-sent events: the same mailbox and the same cursors as a socket, without a WebSocket."""

import time
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.stream import Stream
from tests.support.wire import Wire

pytestmark = pytest.mark.integration


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def hug(wire: Wire, to: Person, number: int = 1, **fields: Any) -> list[str]:
    """Send *number* hugs, one after the other; their ids."""
    ids = [uuid7(now_ms()) for _ in range(number)]
    for hug_id in ids:
        reply = await wire.ask("hug.send", id=hug_id, to=to.id, kind="bear", **fields)
        assert reply.get("state") == "accepted", reply
    return ids


async def hear_hugs(reader: Wire | Stream, number: int) -> list[tuple[int, str]]:
    """The next *number* hugs as (seq, id)."""
    events = [await reader.hear("hug.received") for _ in range(number)]
    return [(event["seq"], event["id"]) for event in events]


async def test_it_begins_at_the_head_and_says_what_a_socket_says(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        await hug(sender, ben, 2)
        async with await Stream.log_in(hub.url, ben.access_token) as stream:
            head = stream.answer.headers
            assert head["content-type"] == "text/event-stream; charset=utf-8"
            assert (head["cache-control"], head["x-accel-buffering"]) == ("no-store", "no")
            assert "content-length" not in head
            assert stream.retry_ms is not None
            welcome = stream.welcome
            assert (welcome["resumed"], welcome["head"], welcome["user"]["id"]) == (False, 2, ben.id)
            assert (await sender.hear("presence"))["user"] == ben.id
            (live,) = await hug(sender, ben)
            event = await stream.hear("hug.received", "caught_up")
            assert (event["seq"], event["id"], event["has_id"]) == (3, live, True)
            await sender.ask("presence.set", status="away")
            event = await stream.hear("presence")
            while event["status"] != "away":
                event = await stream.hear("presence")
            assert (event["user"], event["has_id"]) == (ana.id, False)


@pytest.mark.parametrize("in_header", [True, False])
async def test_after_a_killed_hub_it_goes_on_exactly_after_the_last_event(
    start_hub: StartHub, database_url: str, *, in_header: bool
) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(other.url, ana.access_token) as sender:
        stream = await Stream.log_in(one.url, ben.access_token)
        ids = await hug(sender, ben, 3)
        assert await hear_hugs(stream, 3) == list(enumerate(ids, 1))
        await one.kill()
        assert not (await stream.ended()).is_whole
        ids += await hug(sender, ben, 3)
        cursor: dict[str, Any] = {"after": stream.last_id}
        if in_header:
            cursor = {"last_event_id": stream.last_id, "after": 0}  # the header goes before the parameter
        async with await Stream.log_in(other.url, ben.access_token, epoch=stream.welcome["epoch"], **cursor) as again:
            assert again.welcome["resumed"] is True
            assert await hear_hugs(again, 3) == list(enumerate(ids[3:], 4))
            caught_up = await again.hear("caught_up")
            assert (caught_up["seq"], caught_up["has_id"]) == (6, False)
        # What it came back with was acknowledged.
        delivered = {(await sender.hear("hug.delivered"))["id"] for _ in range(3)}
        assert delivered == set(ids[:3])


async def test_socket_and_streams_of_one_person_hear_the_same_in_the_same_order(
    start_hub: StartHub, database_url: str
) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben, chris = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as from_ana,
        await Wire.log_in(other.url, chris.access_token) as from_chris,
        await Wire.log_in(one.url, ben.access_token, after=0) as socket,
        await Stream.log_in(one.url, ben.access_token, after=0) as here,
        await Stream.log_in(other.url, ben.access_token, after=0) as there,
    ):
        for _ in range(10):
            for sender in (from_ana, from_chris):
                for _ in range(5):
                    sender.say(type="hug.send", id=uuid7(now_ms()), to=ben.id, kind="warm")
        heard = [await hear_hugs(reader, 100) for reader in (socket, here, there)]
        assert [seq for seq, _ in heard[0]] == list(range(1, 101))
        assert heard[0] == heard[1] == heard[2]


async def test_more_than_256_unacknowledged_events_hold_no_stream_back(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as sender,
        await Stream.log_in(hub.url, ben.access_token) as stream,
    ):
        ids = await hug(sender, ben, 300)
        assert await hear_hugs(stream, 300) == list(enumerate(ids, 1))


@pytest.mark.parametrize("cursor", [{"last_event_id": 4}, {"after": 2**53}, {"after": 1, "epoch": "another"}])
async def test_what_cannot_be_resumed_is_said_and_nothing_is_replayed(
    hub: HubProcess, database_url: str, cursor: dict[str, Any]
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        await hug(sender, ben, 3)
        async with await Stream.log_in(hub.url, ben.access_token, **cursor) as stream:
            assert (stream.welcome["resumed"], stream.welcome["head"]) == (False, 3)
            (live,) = await hug(sender, ben)
            event = await stream.hear("hug.received", "caught_up")
            assert (event["seq"], event.get("id")) == (4, live)


async def test_whoever_has_gone_has_left_at_once(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    async with httpx.AsyncClient(trust_env=False) as http:

        async def count(name: str) -> float:
            lines = (await http.get(hub.metrics_url)).text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))

        streams = [await Stream.log_in(hub.url, ana.access_token) for _ in range(3)]
        assert (await count("hugmood_streams"), await count("hugmood_users")) == (3, 1)
        for stream in streams:
            stream.cut()
        while await count("hugmood_users"):
            pass
        assert await count("hugmood_streams") == 0


async def test_a_drain_says_bye_and_ends_the_stream_whole(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        stream = await Stream.log_in(two.url, ben.access_token, after=0)
        await sender.hear("presence")
        began = time.monotonic()
        assert await two.stop() == 0
        assert time.monotonic() - began < 5, "an open stream must not hold the hub up"
        over = await stream.ended()
        assert over.is_whole
        assert over.bye is not None
        assert (over.bye["code"], over.bye["reconnect"]) == (4200, True)
        ids = await hug(sender, ben)
        async with await Stream.log_in(one.url, ben.access_token, after=0) as back:
            assert await hear_hugs(back, 1) == [(1, ids[0])]
        assert [message for message in sender.kept() if message["type"] == "presence"] == []


async def test_a_log_in_that_is_ended_takes_its_stream_with_it(start_hub: StartHub) -> None:
    one, two = await start_hub(), await start_hub()
    async with httpx.AsyncClient(base_url=one.url, trust_env=False) as rest:
        login = (await rest.post("/v1/auth/anonymous", json={"name": "Ana"})).json()
        stream = await Stream.log_in(two.url, login["access_token"])
        await rest.post("/v1/auth/logout", json={"refresh_token": login["refresh_token"]})
        over = await stream.ended()
        assert over.is_whole
        assert over.bye is not None
        assert (over.bye["code"], over.bye["reconnect"]) == (4007, False)
        refused = await Stream.open(two.url, login["access_token"])
        assert refused.answer.status == 401


async def test_a_token_that_ends_ends_the_stream(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    async with await Stream.log_in(hub.url, ana.token(now_ms(), ttl_s=3)) as stream:
        assert (await stream.hear())["type"] == "session.expiring"
        over = await stream.ended()
        assert over.bye is not None
        assert (over.bye["code"], over.is_whole) == (4300, True)


async def test_without_a_good_token_there_is_no_stream(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    forged = ana.token(now_ms(), 60, secret=b"another secret, also 32 bytes long")
    for token in (None, "", "a.b.c", forged):
        stream = await Stream.open(hub.url, token)
        assert stream.answer.status == 401
        assert b'"code":"unauthenticated"' in stream.answer.body
    late = await Stream.open(hub.url, ana.token(now_ms() - 60_000, 30))
    assert late.answer.status == 401
    assert b'"code":"expired"' in late.answer.body
    in_address = await Stream.open(hub.url, None, token=ana.access_token)
    assert in_address.answer.status in (400, 401)


@pytest.mark.parametrize(
    "asked",
    [
        {"last_event_id": "first"},
        {"last_event_id": -1},
        {"last_event_id": 2**53 + 1},
        {"last_event_id": "9" * 5_000},
        {"after": "x"},
        {"after": -1},
        {"status": "sleepy"},
        {"device": ""},
        {"more": 1},
    ],
    ids=str,
)
async def test_bad_cursors_and_parameters_are_refused(
    hub: HubProcess, database_url: str, asked: dict[str, Any]
) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    stream = await Stream.open(hub.url, ana.access_token, **asked)
    assert stream.answer.status == 400
    assert b'"code":"invalid"' in stream.answer.body


async def test_other_methods_are_refused_and_connections_per_user_hold(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub(limits="on", max_connections_per_user="2")
    (ana,) = await make_friends(database_url, 1, friends=0)
    for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
        async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
            for path in ("/v1/events", "/v1/poll"):
                answer = await http.request(method, path)
                assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    async with (
        await Stream.log_in(hub.url, ana.access_token),
        await Wire.log_in(hub.url, ana.access_token),
    ):
        refused = await Stream.open(hub.url, ana.access_token)
        assert refused.answer.status == 429
        assert int(refused.answer.headers["retry-after"]) > 0


async def test_a_web_page_of_an_allowed_origin_may_resume(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub(allowed_origins="https://app.example")
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as http:
        asked = {
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization, last-event-id",
        }
        answer = await http.options("/v1/events", headers=asked)
        assert answer.status_code == 200
        assert "last-event-id" in answer.headers["access-control-allow-headers"].lower()
