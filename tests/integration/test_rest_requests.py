"""Requests for hugs by REST: asking, answering, withdrawing, what each side may know."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.ids import uuid7
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
