"""Mutes and follows by REST: one-sided, unseen by the other, gone where a block stands."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.times import from_ms, rfc3339
from storage.cleanup import delete_ended_mutes
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
MINUTE_MS = 60_000


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def mute(user: User, other: User, until: str | None = None) -> httpx.Response:
    return await user.post("/v1/mutes", {"user": other.id} | ({"until": until} if until is not None else {}))


async def listed(user: User, path: str) -> list[str]:
    return [item["user"]["name"] for item in (await user.get(path))["items"]]


async def test_a_mute_is_listed_and_seen_by_nobody_else(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    first = (await mute(ana, ben)).json()
    assert (first["type"], first["state"]) == ("ok", "muted")
    until = rfc3339(server.clock() + MINUTE_MS)
    assert (await mute(ana, ben, until)).json() == first, "muted since the first time"
    assert (await ana.get("/v1/mutes"))["items"] == [
        {"user": {"id": ben.id, "name": "Ben"}, "at": first["at"], "until": until}
    ]
    assert (await ana.get(f"/v1/users/{ben.id}"))["muted"] is True
    assert (await mute(ana, ben)).json() == first
    assert (await ana.get("/v1/mutes"))["items"][0]["until"] is None, "for good again"
    assert await ben.get(f"/v1/users/{ana.id}") == {
        "id": ana.id,
        "name": "Ana",
        "username": None,
        "relation": "none",
        "about": None,
        "last_seen": None,
        "following": False,
        "muted": False,
        "blocked": False,
    }
    assert await listed(ben, "/v1/mutes") == []
    assert server.delivery.rung == []
    assert server.delivery.told == []
    assert server.delivery.turned == []
    for _ in range(2):
        assert (await ana.call("DELETE", f"/v1/mutes/{ben.id.upper()}")).json()["state"] == "unmuted"
    assert await listed(ana, "/v1/mutes") == []
    assert (await ana.get(f"/v1/users/{ben.id}"))["muted"] is False


async def test_the_end_of_a_mute_is_ahead_and_within_ten_years(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    now_ms = server.clock()
    wrong: list[Any] = [rfc3339(now_ms - 1), rfc3339(now_ms + 11 * 366 * 86_400_000), "0001-01-01T00:00:00Z"]
    wrong += ["9999-12-31T23:59:59-12:00", "2027-01-01", "2027-01-01T00:00:00", 7, "tomorrow"]
    for until in wrong:
        response = await mute(ana, ben, until)
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), until
    assert await listed(ana, "/v1/mutes") == []


async def test_a_mute_that_has_ended_is_as_if_it_had_never_been(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    first = (await mute(ana, ben, rfc3339(server.clock() + MINUTE_MS))).json()
    await mute(ana, eve, rfc3339(server.clock() + 10 * MINUTE_MS))
    ended = from_ms(server.clock()) - timedelta(seconds=1)
    await server.database.execute("update mutes set until = $1 where muted_id = $2", ended, ben.id)
    assert await listed(ana, "/v1/mutes") == ["Eve"]
    assert (await ana.get(f"/v1/users/{ben.id}"))["muted"] is False
    server.clock.ahead_ms = 1_000
    assert (await mute(ana, ben)).json()["at"] > first["at"], "muted anew"
    await server.database.execute("update mutes set until = $1 where muted_id = $2", ended, ben.id)
    assert await delete_ended_mutes(server.database, from_ms(server.clock())) == 1
    assert await delete_ended_mutes(server.database, from_ms(server.clock())) == 0
    assert await listed(ana, "/v1/mutes") == ["Eve"]


async def test_following_is_one_sided(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    first, second = [await ana.post("/v1/follows", {"user": ben.id}) for _ in range(2)]
    assert first.json() == second.json()
    assert first.json()["state"] == "followed"
    assert (await ana.get("/v1/follows"))["items"] == [
        {"user": {"id": ben.id, "name": "Ben"}, "at": first.json()["at"]}
    ]
    assert (await ana.get(f"/v1/users/{ben.id}"))["following"] is True
    assert (await ben.get(f"/v1/users/{ana.id}"))["following"] is False
    assert await listed(ben, "/v1/follows") == []
    for _ in range(2):
        assert (await ana.call("DELETE", f"/v1/follows/{ben.id}")).json()["state"] == "unfollowed"
    assert await listed(ana, "/v1/follows") == []
    assert server.delivery.rung == []


@pytest.mark.parametrize("is_back", [False, True])
async def test_a_block_ends_follows_and_hides_mutes_both_ways(server: RestServer, is_back: bool) -> None:
    ana, ben = await server.users("Ana", "Ben")
    for one, other in ((ana, ben), (ben, ana)):
        await one.post("/v1/follows", {"user": other.id})
        await mute(one, other)
    blocker, blocked = (ben, ana) if is_back else (ana, ben)
    await blocker.post("/v1/blocks", {"user": blocked.id})
    for user in (ana, ben):
        assert await listed(user, "/v1/follows") == await listed(user, "/v1/mutes") == []
    await blocker.call("DELETE", f"/v1/blocks/{blocked.id}")
    for user in (ana, ben):
        assert await listed(user, "/v1/follows") == [], "unblocking restores nothing"
        assert len(await listed(user, "/v1/mutes")) == 1, "the other's voice is still unwanted"


async def test_lists_page_in_the_order_of_ids(server: RestServer) -> None:
    ana, *others = await server.users("Ana", "B", "C", "D", "E", "F")
    for other in others:
        await mute(ana, other)
        await ana.post("/v1/follows", {"user": other.id})
    for path in ("/v1/mutes", "/v1/follows"):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await ana.get(path, limit=2, **cursor)
            seen += [item["user"]["id"] for item in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == sorted(other.id for other in others)


async def test_the_number_of_follows_is_limited(database_url: str, redis_url: str) -> None:
    async with rest_server(database_url, redis_url, follows_max=2) as server:
        ana, *others = await server.users("Ana", "B", "C", "D", "E")
        responses = await asyncio.gather(*(ana.post("/v1/follows", {"user": other.id}) for other in others))
        assert sorted(response.status_code for response in responses) == [200, 200, 403, 403]
        for followed in (await ana.get("/v1/follows"))["items"]:
            again = await ana.post("/v1/follows", {"user": followed["user"]["id"]})
            assert again.status_code == 200, "whom one follows already one may follow"
            await ana.call("DELETE", f"/v1/follows/{followed['user']['id']}")
        assert (await ana.post("/v1/follows", {"user": others[0].id})).status_code == 200


async def test_who_does_not_exist_can_be_neither_muted_nor_followed(server: RestServer) -> None:
    ana = await server.user("Ana")
    for path in ("/v1/mutes", "/v1/follows"):
        response = await ana.post(path, {"user": NOBODY})
        assert (response.status_code, response.json()["detail"]) == (404, "No such user.")
