"""Hugs and their history by REST."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def ids(user: User, **params: Any) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    page = await user.get("/v1/hugs", **params)
    while True:
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        page = await user.get("/v1/hugs", cursor=page["next"], **params)


async def test_a_hug_by_rest_is_a_hug(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    hug = uuid7(server.clock())
    body = {"id": hug, "to": ben.id, "kind": "bear", "message": "well done!", "style": {"glow": 0.5}}
    first, second = await ana.post("/v1/hugs", body), await ana.post("/v1/hugs", {**body, "ref": 7})
    assert first.json() == second.json()
    assert (first.json()["type"], first.json()["id"], first.json()["state"]) == ("ok", hug, "accepted")
    assert [event["type"] for event in server.delivery.events(ben.id)].count("hug.received") == 1

    expected = {
        "id": hug,
        "from": {"id": ana.id, "name": "Ana"},
        "to": {"id": ben.id, "name": "Ben"},
        "kind": "bear",
        "state": "accepted",
        "at": first.json()["at"],
        "message": "well done!",
        "style": {"glow": 0.5},
    }
    assert await ana.get(f"/v1/hugs/{hug}") == expected
    assert (await ben.get("/v1/hugs", direction="received"))["items"] == [expected]

    seen = await ben.post("/v1/hugs/seen", {"ids": [hug]})
    told = await ana.get(f"/v1/hugs/{hug}")
    assert told == {**expected, "state": "seen", "delivered_at": seen.json()["at"], "seen_at": seen.json()["at"]}


async def test_a_hug_is_told_to_its_two_people_only(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    hug = await server.hug(ana, ben)
    foreign, unknown = await eve.call("GET", f"/v1/hugs/{hug}"), await eve.call("GET", f"/v1/hugs/{uuid7(1)}")
    assert foreign.status_code == 404
    assert foreign.content == unknown.content
    assert await ids(eve) == []
    assert await ids(eve, **{"with": ana.id}) == []


async def test_another_ones_id_is_a_conflict(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await server.befriend(eve, ben)
    hug = await server.hug(ana, ben)
    response = await eve.post("/v1/hugs", {"id": hug, "to": ben.id, "kind": "warm"})
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_history_pages_newest_first_without_gap_or_repetition(server: RestServer, limit: int) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await server.befriend(ana, eve)
    sent, received, with_ben = [], [], []
    for number in range(12):
        server.clock.ahead_ms += 1_000
        if number % 3 == 0:
            received.append(await server.hug(ben, ana))
            with_ben.append(received[-1])
        elif number % 3 == 1:
            sent.append(await server.hug(ana, ben))
            with_ben.append(sent[-1])
        else:
            sent.append(await server.hug(ana, eve))
    everything = sorted(sent + received)  # ids sort by their time
    assert await ids(ana, limit=limit, direction="sent") == sent[::-1]
    assert await ids(ana, limit=limit, direction="received") == received[::-1]
    assert await ids(ana, limit=limit) == everything[::-1]
    assert await ids(ana, limit=limit, **{"with": ben.id.upper()}) == with_ben[::-1]
    assert await ids(ana, limit=limit, direction="sent", **{"with": ben.id}) == [i for i in with_ben if i in sent][::-1]


async def test_what_changed_since_is_what_was_sent_delivered_or_seen_since(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    hugs = []
    for _ in range(4):
        server.clock.ahead_ms += 1_000
        hugs.append(await server.hug(ana, ben))
    server.clock.ahead_ms += 1_000
    since = server.clock()
    delivered, seen = from_ms(since + 10), from_ms(since + 20)
    await server.database.execute("update hugs set delivered_at = $2 where id = $1", hugs[0], delivered)
    server.clock.ahead_ms += 1_000
    await ben.post("/v1/hugs/seen", {"ids": [hugs[2]]})
    changed = {"direction": "sent", "changed_since": rfc3339(since)}
    assert await ids(ana, **changed) == [hugs[2], hugs[0]]
    assert await ids(ana, limit=1, **changed) == [hugs[2], hugs[0]]
    assert seen < from_ms(server.clock())
    page = await ana.get("/v1/hugs", direction="sent")
    assert [item["state"] for item in page["items"]] == ["accepted", "seen", "accepted", "delivered"]
    response = await ana.call("GET", "/v1/hugs", changed_since="yesterday")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_who_blocked_or_is_gone_is_someone(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await server.befriend(ana, eve)
    await server.hug(ben, ana)
    await server.hug(ana, eve)
    await ben.post("/v1/blocks", {"user": ana.id})
    await server.database.execute("update users set deleted_at = now() where id = $1", eve.id)
    items = (await ana.get("/v1/hugs"))["items"]
    assert {(item["from"]["name"], item["to"]["name"]) for item in items} == {("Someone", "Ana"), ("Ana", "Someone")}
    (own,) = (await ben.get("/v1/hugs"))["items"]
    assert own["to"]["name"] == "Ana", "who has blocked knows whom"


@pytest.mark.parametrize("cursor", ["x", "!!", "bnVsbA", "WzEsMl0", "W10x", "A" * 513, "WyIwIiwxXQ"])
async def test_a_made_up_cursor_is_refused(server: RestServer, cursor: str) -> None:
    ana = await server.user("Ana")
    for path in ("/v1/hugs", "/v1/friends", "/v1/friends/requests", "/v1/blocks"):
        response = await ana.call("GET", path, cursor=cursor)
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), path
    assert (await ana.call("GET", "/v1/users", search="ana", cursor=cursor)).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "handshake"},
        {"message": "a\x00b"},
        {"message": "x" * 281},
        {"style": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}},
        {"style": [1]},
        {"id": "17"},
        {"to": None},
        {"type": "hug.undo"},
        {"colour": "red"},
    ],
)
async def test_what_is_no_hug_is_refused(server: RestServer, change: dict[str, Any]) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    body = {"type": "hug.send", "id": uuid7(server.clock()), "to": ben.id, "kind": "warm"}
    response = await ana.post("/v1/hugs", {**body, **change})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert (await ana.post("/v1/hugs", body)).status_code == 200
