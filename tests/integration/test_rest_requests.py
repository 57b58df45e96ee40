"""Requests for hugs by REST: asking, answering, withdrawing, what each side may know."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.hug_requests import COMMUNITY_HUGS_MAX, COMMUNITY_MS, DIRECT_MS, OPEN_MAX, RequestLimits
from domain.ids import uuid7
from protocol.events import HugSent
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


def ref(user: User) -> dict[str, str]:
    return {"id": user.id, "name": user.name}


async def create(server: RestServer, asker: User, to: User | None = None, **fields: Any) -> httpx.Response:
    body = {"id": uuid7(server.clock()), **({"to": to.id} if to is not None else {}), **fields}
    return await asker.post("/v1/requests", body)


async def ask(server: RestServer, asker: User, to: User | None = None, **fields: Any) -> str:
    response = await create(server, asker, to, **fields)
    assert response.status_code == 200, response.text
    request: str = response.json()["id"]
    return request


async def answer(user: User, request: str, *, accept: bool = True, **fields: Any) -> httpx.Response:
    return await user.post("/v1/requests/answer", {"id": request, "accept": accept, **fields})


async def cancel(user: User, request: str) -> httpx.Response:
    return await user.call("DELETE", f"/v1/requests/{request}")


async def fulfil(server: RestServer, user: User, to: User, request: str, **fields: Any) -> httpx.Response:
    body = {"id": uuid7(server.clock()), "to": to.id, "kind": "bear", "request": request, **fields}
    return await user.post("/v1/hugs", body)


async def state(user: User, request: str) -> str:
    found: str = (await user.get(f"/v1/requests/{request}"))["state"]
    return found


async def ids(user: User, **params: Any) -> list[str]:
    return [item["id"] for item in (await user.get("/v1/requests", **params))["items"]]


async def age(server: RestServer, by_ms: int) -> None:
    """Let all requests have been made so much earlier."""
    by = timedelta(milliseconds=by_ms)
    await server.database.execute(
        "update hug_requests set created_at = created_at - $1::interval, expires_at = expires_at - $1::interval", by
    )


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


async def befriended(server: RestServer, *names: str) -> list[User]:
    """The first of *names* and their friends; what that told them is forgotten."""
    people = await server.users(*names)
    for other in people[1:]:
        await server.befriend(people[0], other)
    server.delivery.rung.clear()
    return people


async def willing(server: RestServer, count: int) -> list[User]:
    """People who take requests of the community."""
    people = await server.users(*(f"Zed {number}" for number in range(count)))
    for person in people:
        await person.call("PATCH", "/v1/me/privacy", {"takes_community_requests": True})
    return people


async def test_a_friend_is_asked_and_hugs(server: RestServer) -> None:
    ana, ben = await befriended(server, "Ana", "Ben")
    asked = (await create(server, ana, ben, message="a hard day")).json()
    assert asked["state"] == "open"
    request = asked["id"]
    assert server.delivery.events(ben.id) == [
        {
            "type": "request.received",
            "id": request,
            "from": ref(ana),
            "expires_at": asked["expires_at"],
            "message": "a hard day",
        }
    ]
    accepted = (await answer(ben, request, message="here you are")).json()
    assert (accepted["id"], accepted["state"]) == (request, "accepted")
    hug = {"id": accepted["hug"], "from": ref(ben), "kind": "warm", "message": "here you are", "request": request}
    assert server.delivery.events(ana.id) == [
        {"type": "hug.received", **hug},
        {
            "type": "request.answered",
            "id": request,
            "from": ref(ben),
            "hug": accepted["hug"],
            "hugs": 1,
            "state": "fulfilled",
        },
    ]
    assert [event.seq for event in server.delivery.rung if event.user == ana.id][-2:] == [2, 3]
    assert await state(ana, request) == await state(ben, request) == "fulfilled"
    (received,) = (await ana.get("/v1/hugs"))["items"]
    assert received["id"] == accepted["hug"]


async def test_a_request_is_permission_where_hugs_are_not_allowed(server: RestServer) -> None:
    ana, ben = await befriended(server, "Ana", "Ben")
    await ana.call("PATCH", "/v1/me/privacy", {"who_may_hug": "nobody"})
    request = await ask(server, ana, ben)
    plain = {"id": uuid7(server.clock()), "to": ana.id, "kind": "bear"}
    assert refusal(await ben.post("/v1/hugs", plain)) == (403, "forbidden")
    sent = await fulfil(server, ben, ana, request, id=plain["id"], style={"glow": True})
    assert sent.status_code == 200, sent.text
    assert await fulfil_again(ben, plain, request) == sent.json()
    received, answered = server.delivery.events(ana.id)
    assert (received["id"], received["style"], received["request"]) == (plain["id"], {"glow": True}, request)
    assert (answered["hug"], answered["state"]) == (plain["id"], "fulfilled")
    (told,) = [event for users, event in server.delivery.told if users == [ben.id]]
    assert isinstance(told, HugSent)
    assert (told.id, told.to, told.style) == (plain["id"], ana.id, {"glow": True})
    assert refusal(await fulfil(server, ben, ana, request)) == (409, "conflict")
    assert refusal(await ben.post("/v1/hugs", {**plain, "id": uuid7(server.clock())})) == (403, "forbidden")


async def fulfil_again(user: User, hug: dict[str, str], request: str) -> Any:
    return (await user.post("/v1/hugs", {**hug, "request": request, "style": {"glow": True}})).json()


@pytest.mark.parametrize("by_block", [False, True])
async def test_who_is_not_wanted_looks_open_until_the_end(server: RestServer, by_block: bool) -> None:
    """The asker can see and do the same, whether the recipient is silent, has declined or has blocked them."""
    ana, ben, cleo = await befriended(server, "Ana", "Ben", "Cleo")
    refused, silent = await ask(server, ana, ben), await ask(server, ana, cleo)
    other_refused, other_silent = await ask(server, ana, ben), await ask(server, ana, cleo)
    if by_block:
        await ben.post("/v1/blocks", {"user": ana.id})
    else:
        for request in (refused, other_refused):
            assert (await answer(ben, request, accept=False)).json()["state"] == "declined"
    server.delivery.rung.clear()

    async def seen(request: str) -> dict[str, Any]:
        """What does not differ between two requests that nothing has happened to."""
        found = await ana.get(f"/v1/requests/{request}")
        assert found in (await ana.get("/v1/requests", direction="outgoing", state=found["state"]))["items"]
        return {name: value for name, value in found.items() if name not in ("id", "to", "at", "expires_at")}

    open_ = {"direction": "outgoing", "from": ref(ana), "community": False, "state": "open", "hugs": 0}
    assert await seen(refused) == await seen(silent) == open_
    assert await ids(ana, direction="outgoing", state="declined") == []
    if not by_block:  # across a block there is no such user to ask anything, not even again
        again = [await ana.post("/v1/requests", {"id": r, "to": u.id}) for r, u in ((refused, ben), (silent, cleo))]
        assert [reply.json()["state"] for reply in again] == ["open", "open"]
    cancelled = [await cancel(ana, request) for request in (other_refused, other_silent)]
    assert [reply.json()["state"] for reply in cancelled] == ["cancelled", "cancelled"]
    await age(server, DIRECT_MS)
    for request in (refused, silent):
        late = await ana.get(f"/v1/requests/{request}")
        assert (late["state"], late["settled_at"]) == ("expired", late["expires_at"])
    replies = [await cancel(ana, request) for request in (refused, silent)]
    assert refusal(replies[0]) == (410, "expired")
    assert replies[0].content == replies[1].content
    assert server.delivery.events(ana.id) == []
    assert server.delivery.events(ben.id) == [], "whoever has declined hears no more of it"
    assert server.delivery.events(cleo.id) == [{"type": "request.expired", "id": other_silent, "state": "cancelled"}]


async def test_answers_may_be_repeated_and_not_changed(server: RestServer) -> None:
    ana, ben, cleo = await befriended(server, "Ana", "Ben", "Cleo")
    yes, no = await ask(server, ana, ben), await ask(server, ana, cleo)
    for user, request, accept in ((ben, yes, True), (cleo, no, False)):
        first = await answer(user, request, accept=accept)
        server.clock.ahead_ms += 1_000
        assert (await answer(user, request, accept=accept)).json() == first.json()
        assert refusal(await answer(user, request, accept=not accept)) == (409, "conflict")
    assert [event["type"] for event in server.delivery.events(ana.id)] == ["hug.received", "request.answered"]
    assert await state(cleo, no) == "declined"


async def test_after_the_end_nothing_can_be_answered(server: RestServer) -> None:
    ana, ben, cleo, dan = await befriended(server, "Ana", "Ben", "Cleo", "Dan")
    withdrawn, late, hugged = [await ask(server, ana, user) for user in (ben, cleo, dan)]
    for _ in range(2):
        assert (await cancel(ana, withdrawn)).json()["state"] == "cancelled"
    await answer(dan, hugged)
    assert server.delivery.events(ben.id)[-1] == {"type": "request.expired", "id": withdrawn, "state": "cancelled"}
    server.delivery.rung.clear()
    assert refusal(await cancel(ana, hugged)) == (410, "expired")
    for accept in (True, False):
        response = await answer(ben, withdrawn, accept=accept)
        assert refusal(response) == (410, "expired")
        assert "withdrawn" in response.json()["detail"]
    await age(server, DIRECT_MS)
    for accept in (True, False):
        response = await answer(cleo, late, accept=accept)
        assert refusal(response) == (410, "expired")
        assert "expired" in response.json()["detail"]
    assert refusal(await fulfil(server, cleo, ana, late)) == (410, "expired")
    assert server.delivery.rung == []


async def test_who_may_ask_is_checked_and_a_block_is_no_such_user(server: RestServer) -> None:
    ana, ben, gone = await server.users("Ana", "Ben", "Gone")
    await server.database.execute("update users set deleted_at = now() where id = $1", gone.id)
    assert refusal(await create(server, ana, ben)) == (403, "forbidden")
    await ben.call("PATCH", "/v1/me/privacy", {"who_may_ask": "everyone"})
    assert (await create(server, ana, ben)).status_code == 200
    await server.befriend(ana, ben)
    await ben.call("PATCH", "/v1/me/privacy", {"who_may_ask": "nobody"})
    assert refusal(await create(server, ana, ben)) == (403, "forbidden")
    await ben.call("PATCH", "/v1/me/privacy", {"who_may_ask": "everyone"})
    await ben.post("/v1/blocks", {"user": ana.id})
    body = {"id": uuid7(server.clock()), "to": ben.id}
    unknown = [await ana.post("/v1/requests", {**body, "to": user}) for user in (ben.id, gone.id, NOBODY)]
    assert {response.content for response in unknown} == {unknown[0].content}
    assert refusal(unknown[0]) == (404, "not_found")
    assert "No such user." in unknown[0].text


async def test_across_a_block_there_is_no_such_request(server: RestServer) -> None:
    ana, ben = await befriended(server, "Ana", "Ben")
    (cleo,) = await willing(server, 1)
    of_ben, hugged, of_all = await ask(server, ana, ben), await ask(server, ana, ben), await ask(server, ana)
    await answer(ben, hugged)
    for user in (ben, cleo):
        await ana.post("/v1/blocks", {"user": user.id})
    server.delivery.rung.clear()
    for user, request in ((ben, of_ben), (ben, hugged), (cleo, of_all)):
        replies = [
            await user.post("/v1/requests/answer", {"id": what, "accept": accept})
            for what in (request, NOBODY)
            for accept in (True, False)
        ]
        replies.append(await fulfil(server, user, ana, request))
        replies.append(await user.call("GET", f"/v1/requests/{request}"))
        assert {reply.content for reply in replies} == {replies[0].content}
        assert refusal(replies[0]) == (404, "not_found")
        assert await ids(user) == []
    assert server.delivery.rung == []
    assert await state(ana, of_ben) == "cancelled"
    assert await state(ana, of_all) == "open"


async def test_the_community_is_asked(server: RestServer) -> None:
    people = await willing(server, 4)
    ana, ben, cleo, dan = people
    await server.user("Who takes none")
    asked = (await create(server, ana, message="anybody?")).json()
    request = asked["id"]
    event = {
        "type": "request.received",
        "id": request,
        "from": ref(ana),
        "expires_at": asked["expires_at"],
        "community": True,
        "message": "anybody?",
    }
    assert all(server.delivery.events(user.id) == [event] for user in (ben, cleo, dan))
    assert len(server.delivery.rung) == 3
    server.delivery.rung.clear()
    assert (await answer(ben, request, kind="comfort")).json()["state"] == "accepted"
    assert (await answer(cleo, request, accept=False)).json()["state"] == "declined"
    assert await ids(cleo) == [], "a decline takes it from the own list"
    assert await ids(dan) == await ids(dan, state="open") == [request]
    mine = await ana.get(f"/v1/requests/{request}")
    assert (mine["state"], mine["hugs"], mine["community"]) == ("open", 1, True)
    assert "to" not in mine
    theirs = await ben.get(f"/v1/requests/{request}")
    assert "hugs" not in theirs
    assert theirs["hug"] == server.delivery.events(ana.id)[0]["id"]
    assert server.delivery.events(ana.id)[1]["state"] == "open"
    await cancel(ana, request)
    assert refusal(await answer(dan, request)) == (410, "expired")
    assert [event.user for event in server.delivery.rung] == [ana.id, ana.id], "the community is told nothing more"


async def test_the_tenth_hug_is_the_last(server: RestServer) -> None:
    ana, *people = await willing(server, COMMUNITY_HUGS_MAX + 2)
    request = await ask(server, ana)
    replies = [await answer(user, request) for user in people]
    assert [reply.status_code for reply in replies] == [200] * COMMUNITY_HUGS_MAX + [410]
    assert (await ana.get(f"/v1/requests/{request}"))["hugs"] == COMMUNITY_HUGS_MAX
    assert await state(ana, request) == await state(people[-1], request) == "fulfilled"


async def test_lists_page_and_filter(server: RestServer) -> None:
    ana, ben, cleo = await befriended(server, "Ana", "Ben", "Cleo")
    made = [await ask(server, ana, user) for user in (ben, cleo, ben, cleo, ben)]
    got = [await ask(server, user, ana) for user in (ben, cleo)]
    await answer(ben, made[0])
    await cancel(ana, made[1])
    await answer(ana, got[0], accept=False)
    newest_first = sorted([*made, *got], reverse=True)
    assert await ids(ana) == newest_first
    assert await ids(ana, direction="outgoing") == sorted(made, reverse=True)
    assert await ids(ana, direction="incoming") == sorted(got, reverse=True)
    assert await ids(ana, state="fulfilled") == [made[0]]
    assert await ids(ana, state="cancelled") == [made[1]]
    assert await ids(ana, state="declined") == [got[0]]
    assert await ids(ben, direction="outgoing", state="open") == [got[0]]
    assert await ids(ana, direction="outgoing", state="open") == sorted(made[2:], reverse=True)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await ana.get("/v1/requests", limit=2, **cursor)
        seen += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"]}
    assert seen == newest_first
    assert page["next"] is None
    for wrong in ({"state": "lost"}, {"direction": "up"}, {"cursor": "x"}, {"limit": 0}):
        assert refusal(await ana.call("GET", "/v1/requests", **wrong)) == (400, "invalid")
    assert refusal(await cleo.call("GET", f"/v1/requests/{made[0]}")) == (404, "not_found")


async def test_what_is_wrong_is_said(server: RestServer) -> None:
    ana, ben = await befriended(server, "Ana", "Ben")
    request = await ask(server, ana, ben)
    for response in [
        await create(server, ana, ana),
        await create(server, ana, ben, message="x" * 281),
        await create(server, ana, ben, kind="warm"),
        await answer(ben, request, kind="tight"),
        await answer(ben, request, message="x" * 281),
        await answer(ben, request, accept=False, message="sorry"),
        await answer(ben, request, accept=False, kind="warm"),
        await fulfil(server, ben, ben, request),
    ]:
        assert refusal(response) == (400, "invalid"), response.text
    assert await state(ana, request) == "open"
    assert refusal(await cancel(ben, request)) == refusal(await cancel(ana, NOBODY)) == (404, "not_found")


async def test_limits_are_told_with_when_there_is_room_again(database_url: str, redis_url: str) -> None:
    limits = RequestLimits(an_hour=4, community_open=2)
    async with rest_server(database_url, redis_url, request_limits=limits) as server:
        ana, ben = await befriended(server, "Ana", "Ben")
        first = await ask(server, ana)
        await ask(server, ana)
        response = await create(server, ana)
        assert refusal(response) == (429, "rate_limited")
        assert COMMUNITY_MS - 60_000 < response.json()["retry_after_ms"] <= COMMUNITY_MS
        for _ in range(2):
            await ask(server, ana, ben)
        response = await create(server, ana, ben)
        assert refusal(response) == (429, "rate_limited")
        assert 3_500_000 < response.json()["retry_after_ms"] <= 3_600_000
        again = await ana.post("/v1/requests", {"id": first})
        assert again.status_code == 200, "repeating a request costs nothing"
        await age(server, 3_600_000)
        assert refusal(await create(server, ana)) == (429, "rate_limited")
        assert (await create(server, ana, ben)).status_code == 200
        await cancel(ana, first)
        assert (await create(server, ana)).status_code == 200


async def test_fifty_open_requests_are_the_most_also_without_limits(server: RestServer) -> None:
    ana, ben = await befriended(server, "Ana", "Ben")
    made = await asyncio.gather(*(ask(server, ana, ben) for _ in range(OPEN_MAX)))
    await answer(ben, made[0], accept=False)
    refused = await create(server, ana, ben)
    assert refusal(refused) == (429, "rate_limited"), "a declined one counts like an open one"
    await cancel(ana, made[0])
    assert (await create(server, ana, ben)).status_code == 200
