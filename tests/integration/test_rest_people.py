"""Friends and blocks by REST, between people who are really there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.friendships import FriendLimits
from domain.ids import uuid7
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def ask(asker: User, asked: User) -> httpx.Response:
    return await asker.post("/v1/friends/requests", {"to": asked.id})


async def answer(answerer: User, asker: User, *, accept: bool) -> httpx.Response:
    return await answerer.post("/v1/friends/requests/answer", {"from": asker.id, "accept": accept})


def ref(user: User) -> dict[str, str]:
    return {"id": user.id, "name": user.name}


async def names(user: User, path: str) -> list[str]:
    return [item["user"]["name"] for item in (await user.get(path))["items"]]


async def test_asking_and_accepting_makes_friends_of_both(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    asked = (await ask(ana, ben)).json()
    assert (asked["type"], asked["state"]) == ("ok", "requested")
    assert server.delivery.events(ben.id) == [{"type": "friend.requested", "from": ref(ana)}]
    (outgoing,) = (await ana.get("/v1/friends/requests"))["items"]
    (incoming,) = (await ben.get("/v1/friends/requests"))["items"]
    assert (outgoing["user"], outgoing["direction"]) == (ref(ben), "outgoing")
    assert (incoming["user"], incoming["direction"]) == (ref(ana), "incoming")
    assert asked["at"] == outgoing["at"] == incoming["at"]
    assert server.delivery.turned == []

    accepted = await answer(ben, ana, accept=True)
    assert accepted.json()["state"] == "accepted"
    assert server.delivery.events(ana.id) == [{"type": "friend.accepted", "user": ref(ben)}]
    assert server.delivery.events(ben.id)[1:] == [{"type": "friend.accepted", "user": ref(ana)}]
    assert server.delivery.turned == [(ben.id, ana.id, True)]
    (friend,) = (await ana.get("/v1/friends"))["items"]
    assert friend == {"user": ref(ben), "status": "offline", "since": accepted.json()["at"], "last_seen": None}
    assert (await ben.get("/v1/friends/requests"))["items"] == []


async def test_everything_done_twice_is_done_once(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    first, second = await ask(ana, ben), await ask(ana, ben)
    assert first.json() == second.json()
    first, second = await answer(ben, ana, accept=True), await answer(ben, ana, accept=True)
    assert first.json() == second.json()
    assert (await ask(ana, ben)).json()["state"] == "accepted"
    for _ in range(2):
        assert (await ana.call("DELETE", f"/v1/friends/{ben.id}")).json()["state"] == "ended"
    for _ in range(2):
        assert (await ana.post("/v1/blocks", {"user": ben.id})).json()["state"] == "blocked"
    for _ in range(2):
        assert (await ana.call("DELETE", f"/v1/blocks/{ben.id}")).json()["state"] == "unblocked"
    assert [event["type"] for event in server.delivery.events(ben.id)] == [
        "friend.requested",
        "friend.accepted",
        "friend.ended",
    ]
    assert [event["type"] for event in server.delivery.events(ana.id)] == ["friend.accepted"]
    assert server.delivery.turned == [
        (ben.id, ana.id, True),
        (ana.id, ben.id, False),
        (ana.id, ben.id, None),
        (ana.id, ben.id, None),
    ]


async def test_crossing_requests_make_a_friendship(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ask(ana, ben)
    assert (await ask(ben, ana)).json()["state"] == "accepted"
    assert await names(ana, "/v1/friends") == ["Ben"]
    assert server.delivery.events(ana.id) == [{"type": "friend.accepted", "user": ref(ben)}]


async def test_declining_is_silent_and_can_be_asked_again(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ask(ana, ben)
    for _ in range(2):
        assert (await answer(ben, ana, accept=False)).json()["state"] == "declined"
    assert server.delivery.events(ana.id) == []
    assert (await ana.get("/v1/friends/requests"))["items"] == []
    assert (await ask(ana, ben)).json()["state"] == "requested"


async def test_what_was_withdrawn_cannot_be_accepted(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ask(ana, ben)
    await ana.call("DELETE", f"/v1/friends/{ben.id}")
    response = await answer(ben, ana, accept=True)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert "request" in response.json()["detail"]


async def test_ending_does_not_decline_what_the_other_has_asked(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ask(ana, ben)
    await ben.call("DELETE", f"/v1/friends/{ana.id}")
    assert await names(ben, "/v1/friends/requests") == ["Ana"]


async def test_declining_a_friend_is_a_contradiction(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    response = await answer(ben, ana, accept=False)
    assert (response.status_code, response.json()["code"]) == (409, "conflict")


async def test_ending_a_friendship_tells_the_other(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    await ana.call("DELETE", f"/v1/friends/{ben.id.upper()}")
    assert server.delivery.events(ben.id)[-1] == {"type": "friend.ended", "user": ana.id}
    assert server.delivery.turned[-1] == (ana.id, ben.id, False)
    assert (await ben.get("/v1/friends"))["items"] == []


async def test_a_block_ends_everything_and_tells_nothing(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    before = server.delivery.events(ben.id)
    await ana.post("/v1/blocks", {"user": ben.id})
    assert server.delivery.events(ben.id) == before
    assert (await ben.get("/v1/friends"))["items"] == []
    assert server.delivery.turned[-1] == (ana.id, ben.id, False)
    assert await names(ana, "/v1/blocks") == ["Ben"]
    await ana.call("DELETE", f"/v1/blocks/{ben.id}")
    assert (await ana.get("/v1/friends"))["items"] == [], "unblocking restores nothing"


@pytest.mark.parametrize("is_blocker", [False, True])
async def test_who_is_blocked_looks_exactly_like_who_does_not_exist(server: RestServer, is_blocker: bool) -> None:
    ana, ben, gone = await server.users("Ana", "Ben", "Gone")
    await server.database.execute("update users set deleted_at = now() where id = $1", gone.id)
    await ask(ben, ana)
    blocker, blocked = (ana, ben) if is_blocker else (ben, ana)
    await blocker.post("/v1/blocks", {"user": blocked.id})

    async def replies(target: str) -> list[tuple[int, bytes, str | None]]:
        calls: list[tuple[str, str, Any]] = [
            ("POST", "/v1/friends/requests", {"to": target}),
            ("POST", "/v1/friends/requests/answer", {"from": target, "accept": True}),
            ("POST", "/v1/friends/requests/answer", {"from": target, "accept": False}),
            ("DELETE", f"/v1/friends/{target}", None),
            ("POST", "/v1/hugs", {"id": uuid7(server.clock()), "to": target, "kind": "bear"}),
            ("POST", "/v1/mutes", {"user": target}),
            ("POST", "/v1/follows", {"user": target}),
        ]
        if not is_blocker:  # who has blocked may look whom
            calls.append(("GET", f"/v1/users/{target}", None))
        responses = [await ana.call(method, path, body) for method, path, body in calls]
        return [(r.status_code, r.content, r.headers.get("content-type")) for r in responses]

    blocked_replies = await replies(ben.id)
    assert blocked_replies == await replies(NOBODY) == await replies(gone.id)
    assert {status for status, _, _ in blocked_replies} == {404}
    assert b"No such user." in blocked_replies[0][1]
    for path in ("/v1/friends", "/v1/friends/requests"):
        assert (await ana.get(path))["items"] == []
    assert (await ana.get("/v1/users", search="be"))["items"] == []
    assert len((await ana.get("/v1/blocks"))["items"]) == int(is_blocker)


async def test_whatever_is_lifted_or_blocked_is_answered_alike(server: RestServer) -> None:
    """Otherwise the answer would tell somebody who is blocked from somebody who does not exist."""
    ana, ben, eve, gone = await server.users("Ana", "Ben", "Eve", "Gone")
    await server.database.execute("update users set deleted_at = now() where id = $1", gone.id)
    await ben.post("/v1/blocks", {"user": ana.id})

    async def replies(target: str) -> list[tuple[int, dict[str, Any]]]:
        responses = [
            await ana.call("DELETE", f"/v1/mutes/{target}"),
            await ana.call("DELETE", f"/v1/follows/{target}"),
            await ana.post("/v1/blocks", {"user": target}),
            await ana.post("/v1/blocks", {"user": target}),
            await ana.call("DELETE", f"/v1/blocks/{target}"),
            await ana.call("DELETE", f"/v1/blocks/{target}"),
            await ana.post("/v1/blocks", {"user": target}),
        ]
        answers = [(response.status_code, response.json()) for response in responses]
        assert all(answer.pop("at") for _, answer in answers)
        return answers

    assert await replies(ben.id) == await replies(NOBODY) == await replies(gone.id) == await replies(eve.id)
    assert await names(ana, "/v1/blocks") == ["Eve"], "who does not exist for Ana is on no list of hers"


async def test_who_is_blocked_can_block_back(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ben.post("/v1/blocks", {"user": ana.id})
    await ana.post("/v1/blocks", {"user": ben.id})
    await ben.call("DELETE", f"/v1/blocks/{ana.id}")
    assert await names(ana, "/v1/blocks") == ["Ben"]
    assert (await ask(ben, ana)).status_code == 404, "Ana's own block holds"
    assert (await ana.get(f"/v1/users/{ben.id}"))["blocked"] is True
    assert (await ben.call("GET", f"/v1/users/{ana.id}")).status_code == 404
    await ana.call("DELETE", f"/v1/blocks/{ben.id}")
    assert (await ask(ben, ana)).status_code == 200


async def test_oneself_is_no_target(server: RestServer) -> None:
    ana = await server.user("Ana")
    for method, path, body in [
        ("POST", "/v1/friends/requests", {"to": ana.id}),
        ("POST", "/v1/friends/requests/answer", {"from": ana.id.upper(), "accept": True}),
        ("DELETE", f"/v1/friends/{ana.id}", None),
        ("POST", "/v1/blocks", {"user": ana.id}),
        ("DELETE", f"/v1/blocks/{ana.id}", None),
        ("POST", "/v1/mutes", {"user": ana.id}),
        ("DELETE", f"/v1/mutes/{ana.id}", None),
        ("POST", "/v1/follows", {"user": ana.id.upper()}),
        ("DELETE", f"/v1/follows/{ana.id}", None),
    ]:
        response = await ana.call(method, path, body)
        assert (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_who_takes_no_requests_can_still_ask(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await ana.call("PATCH", "/v1/me/privacy", {"who_befriends": "nobody"})
    response = await ask(ben, ana)
    assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    await ask(ana, ben)
    assert (await ask(ben, ana)).json()["state"] == "accepted"


async def test_lists_page_without_gap_or_repetition(server: RestServer) -> None:
    ana = await server.user("Ana")
    others = await server.users(*(f"Zed {number}" for number in range(7)))
    for other in others:
        await server.befriend(ana, other)
    for path, params in (("/v1/friends", {}), ("/v1/users", {"search": "zed"})):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(4):
            page = await ana.get(path, limit=2, **params, **cursor)
            seen += [item.get("user", item)["name"] for item in page["items"]]
            cursor = {"cursor": page["next"]}
        assert page["next"] is None
        assert len(seen) == 7
        assert set(seen) == {other.name for other in others}


async def test_the_number_of_friends_is_limited_on_both_sides(database_url: str, redis_url: str) -> None:
    limits = FriendLimits(friends=2, requests_a_day=0)
    async with rest_server(database_url, redis_url, friend_limits=limits) as server:
        ana, *others = await server.users("Ana", "B", "C", "D", "E")
        for other in others:
            await ask(other, ana)
        responses = await asyncio.gather(*(answer(ana, other, accept=True) for other in others))
        assert sorted(response.status_code for response in responses) == [200, 200, 403, 403]
        assert len(await names(ana, "/v1/friends")) == 2
        refused = next(o for o, r in zip(others, responses, strict=True) if r.status_code == 403)
        await ask(ana, refused)
        assert len(await names(ana, "/v1/friends")) == 2, "crossing requests know the limit too"


async def test_a_day_has_room_for_so_many_requests(database_url: str, redis_url: str) -> None:
    limits = FriendLimits(friends=0, requests_a_day=3)
    async with rest_server(database_url, redis_url, friend_limits=limits) as server:
        ana, *others = await server.users("Ana", "B", "C", "D", "E")
        for other in [*others[:3], *others[:3]]:
            assert (await ask(ana, other)).status_code == 200, "repeating a request costs nothing"
        response = await ask(ana, others[3])
        problem = response.json()
        assert (response.status_code, problem["code"]) == (429, "rate_limited")
        assert 86_000_000 < problem["retry_after_ms"] <= 86_400_000
        assert len(await names(ana, "/v1/friends/requests")) == 3
        server.clock.ahead_ms = 10 * 60_000
        assert (await ask(others[3], ana)).status_code == 200, "the count is Ana's own"
        await server.database.execute("update friend_request_counts set since = since - interval '1 day'")
        await answer(ana, others[3], accept=False)
        assert (await ask(ana, others[3])).status_code == 200
