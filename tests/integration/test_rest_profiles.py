"""What one chooses to show, and what others find and see of one, by REST."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from domain.ids import uuid7
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def ask(asker: User, asked: User) -> None:
    assert (await asker.post("/v1/friends/requests", {"to": asked.id})).status_code == 200


async def test_privacy_has_defaults_and_keeps_what_is_left_out(server: RestServer) -> None:
    ana = await server.user("Ana")
    defaults = await ana.get("/v1/me/privacy")
    assert defaults == {
        "who_may_hug": "friends",
        "who_sees_online": "friends",
        "who_finds": "everyone",
        "who_befriends": "everyone",
        "who_may_ask": "friends",
        "who_sees_moods": "nobody",
        "who_sees_activity": "friends",
        "shares_receipts": True,
        "takes_community_requests": False,
    }
    await ana.call("PATCH", "/v1/me/privacy", {"who_may_hug": "everyone"})
    changed = await ana.call("PATCH", "/v1/me/privacy", {"who_finds": "nobody", "shares_receipts": False})
    expected = {**defaults, "who_may_hug": "everyone", "who_finds": "nobody", "shares_receipts": False}
    assert changed.json() == expected == await ana.get("/v1/me/privacy")
    assert server.delivery.privacy == [ana.id, ana.id]
    assert server.delivery.presence == [], "friends must not see that Ana is about"
    for wrong in (
        {"who_may_hug": "me"},
        {"who_may_hug": None},
        {"who_knows": "nobody"},
        {"shares_receipts": "yes"},
        {"who_may_ask": True},
    ):
        assert (await ana.call("PATCH", "/v1/me/privacy", wrong)).status_code == 400
    assert (await ana.call("PATCH", "/v1/me/privacy", {})).json() == expected
    for audience in ("everyone", "everyone", "nobody"):
        await ana.call("PATCH", "/v1/me/privacy", {"who_sees_activity": audience})
    assert server.delivery.presence == [ana.id, ana.id], "once per change"


async def test_who_may_hug_is_checked(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")

    async def hug() -> int:
        return (await ben.post("/v1/hugs", {"id": uuid7(server.clock()), "to": ana.id, "kind": "warm"})).status_code

    assert await hug() == 403
    await ana.call("PATCH", "/v1/me/privacy", {"who_may_hug": "everyone"})
    assert await hug() == 200
    await ana.call("PATCH", "/v1/me/privacy", {"who_may_hug": "friends"})
    await server.befriend(ana, ben)
    assert await hug() == 200
    await ana.call("PATCH", "/v1/me/privacy", {"who_may_hug": "nobody"})
    assert await hug() == 403


async def test_friends_show_their_presence_to_whom_they_let_see_it(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await server.befriend(ana, eve)
    await eve.call("PATCH", "/v1/me/privacy", {"who_sees_online": "nobody"})
    server.statuses = {ben.id: "away", eve.id: "online"}
    items = (await ana.get("/v1/friends"))["items"]
    assert {item["user"]["name"]: item["status"] for item in items} == {"Ben": "away", "Eve": "offline"}
    assert server.asked == [[ben.id]]


async def test_last_seen_is_for_friends_who_may_see_it_and_only_of_who_is_offline(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await server.database.execute(
        "insert into last_seen (user_id, at) values ($1, '2026-01-31T12:00:00Z'), ($2, now())", ben.id, eve.id
    )

    async def seen() -> tuple[str | None, str | None]:
        (friend,) = (await ana.get("/v1/friends"))["items"]
        return friend["last_seen"], (await ana.get(f"/v1/users/{ben.id}"))["last_seen"]

    at = "2026-01-31T12:00:00.000Z"
    assert await seen() == (at, at)
    assert (await ana.get(f"/v1/users/{eve.id}"))["last_seen"] is None, "Eve is no friend"
    server.statuses = {ben.id: "away"}
    assert await seen() == (None, at)
    server.statuses = {}
    for field in ("who_sees_activity", "who_sees_online"):
        await ben.call("PATCH", "/v1/me/privacy", {field: "nobody"})
        assert await seen() == (None, None)
        await ben.call("PATCH", "/v1/me/privacy", {field: "everyone"})
        assert await seen() == (at, at)


async def test_a_new_name_is_seen_by_others(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    renamed = await ana.call("PATCH", "/v1/me", {"name": " Ana María "})
    assert renamed.json()["name"] == "Ana María"
    assert (await ben.get(f"/v1/users/{ana.id}"))["name"] == "Ana María"
    assert (await ana.call("PATCH", "/v1/me", {"name": "\u0007"})).status_code == 400


async def test_what_one_says_about_oneself_is_seen_by_others(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    assert (await ana.get("/v1/me"))["about"] is None

    async def change(**patch: Any) -> Any:
        response = await ana.call("PATCH", "/v1/me", patch)
        assert response.status_code == 200, response.text
        me, person = await ana.get("/v1/me"), await ben.get(f"/v1/users/{ana.id}")
        assert response.json() == me
        assert (me["name"], me["about"]) == (person["name"], person["about"])
        return me["name"], me["about"]

    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert await change(about=f" I hug.\n{family} ") == ("Ana", f"I hug.\n{family}")
    assert await change(name="Ana María") == ("Ana María", f"I hug.\n{family}")
    assert await change(about="e\u0301" * 280) == ("Ana María", "é" * 280)
    assert await change() == ("Ana María", "é" * 280)
    for wrong in ({"about": "x" * 281}, {"about": "\u0007"}, {"about": 7}, {"name": None}, {"about": "a", "name": ""}):
        assert (await ana.call("PATCH", "/v1/me", wrong)).status_code == 400
    assert await change() == ("Ana María", "é" * 280), "nothing is half done"
    assert await change(about=None) == ("Ana María", None)
    assert await change(about="x", name="Ana") == ("Ana", "x")
    assert await change(about=" ") == ("Ana", None)


async def test_a_person_is_told_with_what_they_are_to_the_asker(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")

    async def relations() -> tuple[str, str]:
        found = (await ana.get("/v1/users", search="BEN"))["items"]
        assert found == [await ana.get(f"/v1/users/{ben.id}")]
        return found[0]["relation"], (await ben.get(f"/v1/users/{ana.id}"))["relation"]

    assert await relations() == ("none", "none")
    await ask(ana, ben)
    assert await relations() == ("requested", "incoming")
    await ask(ben, ana)
    assert await relations() == ("friends", "friends")


async def test_searching_finds_beginnings_of_usernames_and_names(server: RestServer) -> None:
    ana = await server.registered("ana")
    await server.user("Zoë Quick")
    await server.user("zoltan")
    await server.user("%zo")
    await server.user("Benzo")
    await server.registered("zo_1")
    await server.registered("zox1")

    async def found(search: str) -> list[str]:
        return [item["name"] for item in (await ana.get("/v1/users", search=search))["items"]]

    assert set(await found("zo")) == {"zo_1", "zoltan", "zox1", "Zoë Quick"}
    assert set(await found("ZOË")) == {"Zoë Quick"}
    assert await found("zo_") == ["zo_1"], "an underscore is an underscore"
    assert await found("%z") == ["%zo"]
    assert await found("%%") == []
    assert await found("\\%") == []
    assert await found("an") == [], "oneself is not found"
    for search in ("z", "", "x" * 65, "zo\x00"):
        response = await ana.call("GET", "/v1/users", search=search)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert (await ana.call("GET", "/v1/users", search="zo", limit=51)).status_code == 400


async def test_who_does_not_want_to_be_found_is_not(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    for audience, friend_finds, stranger_finds in [
        ("everyone", True, True),
        ("friends", True, False),
        ("nobody", False, False),
    ]:
        await ana.call("PATCH", "/v1/me/privacy", {"who_finds": audience})
        for asker, expected in ((ben, friend_finds), (eve, stranger_finds)):
            assert bool((await asker.get("/v1/users", search="ana"))["items"]) is expected
