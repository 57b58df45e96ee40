"""What the servers of app owners may do with their keys, on real PostgreSQL: who gets in, and what their users are told."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from domain.ids import uuid7
from hub.api import endpoints
from storage.api_keys import add_key, revoke_key
from storage.direct import connect
from storage.limits import Limit
from tests.support.people import NOW_MS
from tests.support.rest_server import RestServer, rest_server

pytestmark = pytest.mark.integration

ONE, BATCH = "/v1/server/notifications", "/v1/server/notifications/batch"


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def make_key(database_url: str, *scopes: str) -> tuple[str, str]:
    async with connect(database_url) as connection:
        return await add_key(connection, "shop", scopes, datetime.now(UTC))


@pytest_asyncio.fixture
async def key(database_url: str) -> str:
    return (await make_key(database_url, "notifications.send"))[1]


def about(user: str, **fields: Any) -> dict[str, Any]:
    return {"user": user, "category": "insights", "title": "Your week", **fields}


def refusal(response: httpx.Response) -> tuple[int, str, str]:
    return response.status_code, response.json()["code"], response.json()["detail"]


async def test_what_a_server_says_is_a_durable_event(server: RestServer, key: str) -> None:
    ana = await server.user("Ana")
    body = about(ana.id.upper(), body="Eleven hugs", data={"screen": "week"}, collapse_key="week", ttl_s=3600)
    response = await server.call("POST", ONE, body, token=key)
    assert response.status_code == 200, response.text
    (event,) = server.delivery.events(ana.id)
    lives_for = datetime.fromisoformat(event.pop("expires_at")) - await server.database.fetchval(
        "select at from notices"
    )
    assert 3590 < lives_for.total_seconds() < 3610
    assert event == {
        "type": "notification",
        "id": response.json()["id"],
        "about": "notice",
        "category": "insights",
        "title": "Your week",
        "body": "Eleven hugs",
        "data": {"screen": "week"},
        "collapse_key": "week",
    }
    assert response.json() == {"id": event["id"]}
    polled = await server.database.fetch("select seq, kind, body from inbox where user_id = $1", ana.id)
    assert [(row["seq"], row["kind"]) for row in polled] == [(1, "notification")]


async def test_an_idempotency_key_is_one_notification(server: RestServer, key: str, database_url: str) -> None:
    ana, ben = await server.users("Ana", "Ben")

    async def send(body: dict[str, Any], token: str = key, **headers: str) -> httpx.Response:
        return await server.http.post(ONE, json=body, headers={"Authorization": f"Bearer {token}", **headers})

    first, *others = await asyncio.gather(*(send(about(ana.id, idempotency_key="w7")) for _ in range(6)))
    answers = [response.json() for response in (first, *others)]
    assert len({answer["id"] for answer in answers}) == 1
    assert sum("is_repeated" not in answer for answer in answers) == 1
    by_header = await send(about(ana.id.upper()), **{"Idempotency-Key": "w7"})
    assert by_header.json() == {"id": answers[0]["id"], "is_repeated": True}
    changed = await send(about(ana.id, idempotency_key="w7", body="more"))
    assert refusal(changed)[:2] == (409, "conflict")
    assert len(server.delivery.rung) == 1

    assert "is_repeated" not in (await send(about(ben.id, idempotency_key="w7"))).json(), "another user"
    _, other_key = await make_key(database_url, "notifications.send")
    assert "is_repeated" not in (await send(about(ana.id, idempotency_key="w7"), other_key)).json(), "another server"
    assert "is_repeated" not in (await send(about(ana.id))).json()
    assert "is_repeated" not in (await send(about(ana.id))).json(), "without a key each is a new one"
    both = await send(about(ana.id, idempotency_key="w7"), **{"Idempotency-Key": "w8"})
    assert refusal(both)[:2] == (400, "invalid")
    for wrong in ("", "x" * 129):
        assert refusal(await send(about(ana.id), **{"Idempotency-Key": wrong}))[:2] == (400, "invalid")


async def test_in_a_batch_each_is_answered_by_itself(server: RestServer, key: str) -> None:
    ana, ben = await server.users("Ana", "Ben")
    items = [
        about(ana.id, idempotency_key="a"),
        about(uuid7(NOW_MS), idempotency_key="a"),
        about(ben.id),
        about(ana.id, idempotency_key="a"),
        about(ana.id, idempotency_key="a", title="Another"),
        about(ben.id, idempotency_key="b", data={str(number): "x" * 512 for number in range(4)}),
        about(ben.id, idempotency_key="c", data={"a": "x" * 510, "b": "x" * 512, "c": "x" * 512, "d": "x" * 510}),
    ]
    response = await server.call("POST", BATCH, {"notifications": items}, token=key)
    assert response.status_code == 200, response.text
    answers = response.json()["items"]
    assert [answer.get("code") for answer in answers] == [
        None,
        "not_found",
        "invalid",
        None,
        "conflict",
        "too_large",
        None,
    ]
    assert all(("id" in answer) is ("code" not in answer) for answer in answers)
    assert answers[3] == {"id": answers[0]["id"], "is_repeated": True}
    assert [event.user for event in server.delivery.rung] == [ana.id, ben.id]
    again = (await server.call("POST", BATCH, {"notifications": items}, token=key)).json()["items"]
    assert [answer.get("is_repeated", False) for answer in again] == [True, False, False, True, False, False, True]
    assert len(server.delivery.rung) == 2


async def test_sizes(server: RestServer, key: str) -> None:
    ana = await server.user("Ana")
    many = [about(ana.id, idempotency_key=str(number), body="x" * 300) for number in range(500)]
    response = await server.call("POST", BATCH, {"notifications": many}, token=key)
    assert response.status_code == 200, response.text
    assert len(server.delivery.rung) == 500
    too_many = [*many, about(ana.id, idempotency_key="one more")]
    for wrong in ([], too_many):
        assert refusal(await server.call("POST", BATCH, {"notifications": wrong}, token=key))[:2] == (400, "invalid")
    long = [about(ana.id, idempotency_key=str(number), body="x" * 1000) for number in range(250)]
    status, code, detail = refusal(await server.call("POST", BATCH, {"notifications": long}, token=key))
    assert (status, code) == (413, "too_large")
    assert "256 KiB" in detail
    large = about(ana.id, data={str(number): "x" * 512 for number in range(4)})
    assert refusal(await server.call("POST", ONE, large, token=key))[:2] == (413, "too_large")


async def test_whom_nobody_knows_cannot_be_told(server: RestServer, key: str) -> None:
    ana = await server.user("Ana")
    await server.database.execute("update users set deleted_at = now() where id = $1", ana.id)
    for user in (ana.id, uuid7(NOW_MS)):
        assert refusal(await server.call("POST", ONE, about(user), token=key)) == (404, "not_found", "No such user.")


async def test_only_a_good_key_opens(server: RestServer, database_url: str, key: str) -> None:
    ana = await server.user("Ana")
    number, revoked = await make_key(database_url, "notifications.send")
    assert (await server.call("POST", ONE, about(ana.id), token=revoked)).status_code == 200
    async with connect(database_url) as connection:
        await revoke_key(connection, number, datetime.now(UTC))
    wrong = [revoked, "hm_" + "A" * 43, ana.access, ana.refresh, key + "A", key[3:], "hm_"]
    for path, body in ((ONE, about(ana.id)), (BATCH, {"notifications": [about(ana.id, idempotency_key="a")]})):
        refusals = {refusal(await server.call("POST", path, body, token=token)) for token in wrong}
        assert refusals == {(401, "unauthenticated", "This is no key of a server, or it has been revoked.")}
        assert refusal(await server.call("POST", path, body))[:2] == (401, "unauthenticated")
        _, other = await make_key(database_url)
        assert refusal(await server.call("POST", path, body, token=other))[:2] == (403, "forbidden")
    assert len(server.delivery.rung) == 1
    for method, path in (("GET", "/v1/me"), ("GET", "/v1/hugs"), ("POST", "/v1/auth/logout")):
        assert (await server.call(method, path, token=key)).status_code in (400, 401, 415)
    assert (await server.call("GET", "/v1/me", token=key)).status_code == 401


async def test_when_a_key_was_used_is_known_to_the_minute(server: RestServer, key: str) -> None:
    ana = await server.user("Ana")
    used = []
    for ahead_ms in (0, 30_000, 61_000):
        server.clock.ahead_ms = ahead_ms
        await asyncio.gather(*(server.call("POST", ONE, about(ana.id), token=key) for _ in range(3)))
        used.append(await server.database.fetchval("select used_at from api_keys"))
    assert used[0] == used[1] < used[2]


async def test_a_key_has_an_allowance_of_its_own(
    database_url: str, redis_url: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "CALLS_BY_KEY", Limit("server_calls", 2, 60_000))
    async with rest_server(database_url, redis_url, limits_on=True) as server:
        _, other = await make_key(database_url, "notifications.send")
        ana = await server.user("Ana")
        statuses = [(await server.call("POST", ONE, about(ana.id), token=key)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await server.call("POST", ONE, about(ana.id), token=other)).status_code == 200
