"""Taking back, reacting and counting by REST; what the history shows of it, and to whom."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from domain.hug_moments import UNDO_WITHIN_MS
from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def friends(server: RestServer) -> tuple[User, User]:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    return ana, ben


async def ids(user: User, **params: Any) -> list[str]:
    return [item["id"] for item in (await user.get("/v1/hugs", **params))["items"]]


def told(server: RestServer, user: User, kind: str) -> list[dict[str, Any]]:
    return [event for event in server.delivery.events(user.id) if event["type"] == kind]


async def test_what_was_taken_back_is_gone_for_the_recipient(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    kept, hug = await server.hug(ana, ben), await server.hug(ana, ben)
    server.clock.ahead_ms += UNDO_WITHIN_MS - 2_000
    undone = await ana.post("/v1/hugs/undo", {"type": "hug.undo", "id": hug})
    assert (undone.status_code, undone.json()["state"], undone.json()["id"]) == (200, "undone", hug)
    assert await ids(ben) == await ids(ben, direction="received", **{"with": ana.id}) == [kept]
    assert (await ben.call("GET", f"/v1/hugs/{hug}")).status_code == 404
    assert [item["state"] for item in (await ana.get("/v1/hugs"))["items"]] == ["undone", "accepted"]
    assert (await ana.get(f"/v1/hugs/{hug}"))["state"] == "undone"

    server.clock.ahead_ms += 60_000  # the same command again has the same answer, however late
    assert (await ana.post("/v1/hugs/undo", {"id": hug})).json() == undone.json()
    assert told(server, ben, "hug.undone") == [{"type": "hug.undone", "id": hug, "from": {"id": ana.id, "name": "Ana"}}]
    unknown = await ben.post("/v1/hugs/react", {"hug": uuid7(1), "emoji": "🤗"})
    late = await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "🤗"})
    assert (late.status_code, late.json()) == (404, unknown.json())
    await ben.post("/v1/hugs/seen", {"ids": [hug]})
    assert await server.database.fetchval("select seen_at from hugs where id = $1", hug) is None


async def test_too_late_to_take_back(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    old, seen, felt = [await server.hug(ana, ben) for _ in range(3)]
    await ben.post("/v1/hugs/seen", {"ids": [seen]})
    await ben.post("/v1/hugs/react", {"hug": felt, "emoji": "🤗"})
    for hug in (seen, felt):
        response = await ana.post("/v1/hugs/undo", {"id": hug})
        assert (response.status_code, response.json()["code"]) == (409, "conflict")
    server.clock.ahead_ms += UNDO_WITHIN_MS + 1
    response = await ana.post("/v1/hugs/undo", {"id": old})
    assert (response.status_code, response.json()["code"]) == (410, "expired")
    assert "10 seconds" in response.json()["detail"]
    assert len(await ids(ben)) == 3
    assert told(server, ben, "hug.undone") == []


async def test_taking_back_does_not_tell_what_receipts_do_not(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    await ben.call("PATCH", "/v1/me/privacy", {"shares_receipts": False})
    unseen, seen = await server.hug(ana, ben), await server.hug(ana, ben)
    await ben.post("/v1/hugs/seen", {"ids": [seen]})
    answers = [(await ana.post("/v1/hugs/undo", {"id": hug})).json() for hug in (unseen, seen)]
    assert [answer["state"] for answer in answers] == ["undone", "undone"]
    assert await ids(ben) == []


@pytest.mark.parametrize("path", ["undo", "react"])
async def test_somebody_elses_hug_is_none(server: RestServer, friends: tuple[User, User], path: str) -> None:
    ana, ben = friends
    eve = await server.user("Eve")
    hug = await server.hug(ana, ben)

    def body(hug: str) -> dict[str, str]:
        return {"id": hug} if path == "undo" else {"hug": hug, "emoji": "🤗"}

    unknown = await eve.post(f"/v1/hugs/{path}", body(uuid7(1)))
    assert (unknown.status_code, unknown.json()["code"], unknown.json()["detail"]) == (404, "not_found", "No such hug.")
    for user in (eve, ben if path == "undo" else ana):
        response = await user.post(f"/v1/hugs/{path}", body(hug))
        assert (response.status_code, response.json()) == (404, unknown.json())
    assert (await ana.get(f"/v1/hugs/{hug}"))["state"] == "accepted"


async def test_a_reaction_is_one_and_replaceable(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    hug = await server.hug(ana, ben)
    first = await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "🤗", "message": ""})
    server.clock.ahead_ms += 1_000
    assert (await ben.post("/v1/hugs/react", {"hug": hug.upper(), "emoji": "🤗"})).json() == first.json()
    expected = {"emoji": "🤗", "at": first.json()["at"]}
    for user in (ana, ben):
        item = await user.get(f"/v1/hugs/{hug}")
        assert (item["state"], item["reaction"]) == ("felt", expected)
    since = rfc3339(server.clock())
    second = await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "❤️", "message": "👩‍👩‍👧‍👦" * 140})
    assert (await ana.get(f"/v1/hugs/{hug}"))["reaction"] == {
        "emoji": "❤️",
        "message": "👩‍👩‍👧‍👦" * 140,
        "at": second.json()["at"],
    }
    assert await ids(ana, changed_since=since) == await ids(ben, changed_since=since) == [hug]
    assert [(event["id"], event["emoji"]) for event in told(server, ana, "hug.felt")] == [(hug, "🤗"), (hug, "❤️")]


@pytest.mark.parametrize(
    "change",
    [{"emoji": "a"}, {"emoji": ""}, {"emoji": "🤗🤗"}, {"message": "x" * 141}, {"message": "a\x00"}, {"id": "1"}],
)
async def test_what_is_no_reaction_changes_nothing(
    server: RestServer, friends: tuple[User, User], change: dict[str, Any]
) -> None:
    ana, ben = friends
    hug = await server.hug(ana, ben)
    response = await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "🤗", **change})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert (await ana.get(f"/v1/hugs/{hug}"))["state"] == "accepted"
    assert told(server, ana, "hug.felt") == []


@pytest.mark.parametrize("how", ["sender blocks", "recipient blocks", "sender leaves"])
async def test_nobody_reacts_to_who_is_out_of_reach(server: RestServer, friends: tuple[User, User], how: str) -> None:
    ana, ben = friends
    hug = await server.hug(ana, ben)
    if how == "sender leaves":
        await server.database.execute("update users set deleted_at = now() where id = $1", ana.id)
    else:
        one, other = (ana, ben) if how == "sender blocks" else (ben, ana)
        await one.post("/v1/blocks", {"user": other.id})
    unknown = await ben.post("/v1/hugs/react", {"hug": uuid7(1), "emoji": "🤗"})
    response = await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "🤗"})
    assert (response.status_code, response.json()) == (404, unknown.json())
    assert told(server, ana, "hug.felt") == []


async def test_every_change_is_one_since(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    untouched, undone, felt, met = [await server.hug(ana, ben) for _ in range(4)]
    server.clock.ahead_ms += 2_000
    since = rfc3339(server.clock())
    assert await ids(ana, changed_since=since) == []
    await ana.post("/v1/hugs/undo", {"id": undone})
    await ben.post("/v1/hugs/react", {"hug": felt, "emoji": "🤗"})
    starts = from_ms(server.clock() + 300)
    await server.database.execute("update hugs set mutual_at = $2 where id = $1", met, starts)
    assert await ids(ana, changed_since=since) == [met, felt, undone]
    assert await ids(ana, changed_since=since, direction="sent", limit=100) == [met, felt, undone]
    assert await ids(ben, changed_since=since) == [met, felt]
    assert (await ben.get(f"/v1/hugs/{met}"))["mutual_at"] == rfc3339(int(starts.timestamp() * 1000))
    assert "mutual_at" not in await ana.get(f"/v1/hugs/{untouched}")


async def test_counts(server: RestServer, friends: tuple[User, User]) -> None:
    ana, ben = friends
    eve = await server.user("Eve")
    await server.befriend(ana, eve)
    empty = await ana.get("/v1/hugs/stats")
    assert empty == {"sent": 0, "received": 0, "kinds": [], "people": []}
    for kind in ("bear", "bear", "quick"):
        await server.hug(ana, ben, kind=kind)
    await server.hug(ben, ana, kind="bear")
    server.clock.ahead_ms += 1_000
    middle = rfc3339(server.clock())
    await server.hug(ana, eve, kind="comfort")
    await ana.post("/v1/hugs/undo", {"id": await server.hug(ana, eve, kind="quick")})
    user_ben, user_eve = {"id": ben.id, "name": "Ben"}, {"id": eve.id, "name": "Eve"}
    assert await ana.get("/v1/hugs/stats") == {
        "sent": 4,
        "received": 1,
        "kinds": [
            {"kind": "bear", "sent": 2, "received": 1},
            {"kind": "comfort", "sent": 1, "received": 0},
            {"kind": "quick", "sent": 1, "received": 0},
        ],
        "people": [{"user": user_ben, "sent": 3, "received": 1}, {"user": user_eve, "sent": 1, "received": 0}],
    }
    later, earlier = await ana.get("/v1/hugs/stats", since=middle), await ana.get("/v1/hugs/stats", until=middle)
    assert (later["sent"], later["people"]) == (1, [{"user": user_eve, "sent": 1, "received": 0}])
    assert (earlier["sent"], earlier["received"], [each["user"] for each in earlier["people"]]) == (3, 1, [user_ben])
    nothing = await ana.get("/v1/hugs/stats", since=middle, until=middle)
    assert nothing == empty
    await eve.post("/v1/blocks", {"user": ana.id})
    assert (await ana.get("/v1/hugs/stats"))["people"][1]["user"]["name"] == "Someone"
    assert (await ana.call("GET", "/v1/hugs/stats", since="yesterday")).status_code == 400
    assert (await eve.get("/v1/hugs/stats"))["received"] == 1, "what was taken back counts for nobody"
