"""Friends, blocks, privacy and search by REST, between people who are really there."""

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
    await answer(ben, ana, accept=True)
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
