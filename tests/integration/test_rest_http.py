"""The HTTP side of REST: sizes, types, methods, problems for everything, and the document that describes it."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from tests.support.rest_server import RestServer, rest_server

pytestmark = pytest.mark.integration

ANONYMOUS = "/v1/auth/anonymous"
JSON = {"Content-Type": "application/json"}


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url, allowed_origins=("https://app.example",)) as running:
        yield running


def check_problem(response: httpx.Response, status: int, code: str) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"] == "about:blank"
    assert response.headers["cache-control"] == "no-store"
    return str(problem["detail"])


async def test_a_body_over_16_kib_is_too_large_however_it_comes(server: RestServer) -> None:
    body = b'{"name":"' + b"x" * 16_384 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    whole = await server.http.post(ANONYMOUS, content=body, headers=JSON)
    chunked = await server.http.post(ANONYMOUS, content=chunks(), headers=JSON)
    for response in (whole, chunked):
        assert "16 KiB" in check_problem(response, 413, "too_large")
    fits = b'{"name":"Ana"' + b" " * 16_370 + b"}"
    assert len(fits) == 16_384
    assert (await server.http.post(ANONYMOUS, content=fits, headers=JSON)).status_code == 201


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
async def test_a_body_that_is_not_json_by_its_own_account_is_refused(server: RestServer, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind is not None else {}
    response = await server.http.post(ANONYMOUS, content=b'{"name":"Ana"}', headers=headers)
    assert "application/json" in check_problem(response, 415, "invalid")
    fine = await server.http.post(ANONYMOUS, content=b"{}", headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert fine.status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"refresh_token":"\xff"}',
        b'{"refresh_token":"\\ud800"}',
        b'{"refresh_token":"a\\u0000"}',
        b'{"refresh_token":7}',
        b'{"refresh_token":"a","more":1}',
        b"[" * 8_000,
        b'{"refresh_token":' + b"[" * 8_000,
        b'{"more":' + b'{"a":' * 3_000,
    ],
)
async def test_what_is_no_body_is_refused(server: RestServer, body: bytes) -> None:
    response = await server.http.post("/v1/auth/refresh", content=body, headers=JSON)
    check_problem(response, 400, "invalid")


async def test_unknown_addresses_and_methods_are_problems_too(server: RestServer) -> None:
    check_problem(await server.http.get("/v1/nothing"), 404, "not_found")
    check_problem(await server.http.get("/"), 404, "not_found")
    plain = await server.http.get("/v1/socket")
    check_problem(plain, 426, "invalid")
    assert plain.headers["upgrade"] == "websocket"
    for method, path, allowed in [
        ("PUT", "/v1/blocks", "GET, HEAD, POST"),
        ("OPTIONS", "/v1/blocks", "GET, HEAD, POST"),
        ("DELETE", "/v1/friends/requests", "GET, HEAD, POST"),  # not the friend called "requests"
        ("GET", "/v1/hugs/seen", "POST"),
        ("POST", "/v1/me", "GET, HEAD, PATCH"),
    ]:
        response = await server.http.request(method, path)
        check_problem(response, 405, "invalid")
        assert response.headers["allow"] == allowed


async def test_without_a_good_token_nothing_is_told(server: RestServer) -> None:
    document = (await server.http.get("/openapi.json")).json()
    operations = [
        (method.upper(), path, operation.get("security"))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]
    needed = ([{"access_token": []}], [{"api_key": []}])
    closed = [(method, path) for method, path, security in operations if security in needed]
    opened = {path for method, path, _ in operations if (method, path) not in closed}
    opened -= {"/v1/care", "/v1/moods/words", "/v1/push/key"}  # help is for everybody; words and that key are no secret
    assert all(path.startswith(("/v1/auth/", "/healthz", "/readyz")) for path in opened), opened
    for method, path in closed:
        address = path.replace("{id}", "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11")
        for header in (None, "", "Bearer", "Basic YTpi", "Bearer a.b.c", "Bearer \u00fc"):
            headers = {"Authorization": header.encode("latin-1")} if header is not None else {}
            response = await server.http.request(method, address, headers=headers)
            check_problem(response, 401, "unauthenticated")
            assert response.headers["www-authenticate"] == "Bearer"


async def test_parameters_are_checked(server: RestServer) -> None:
    ana = await server.user("Ana")
    for path, params in [
        ("/v1/friends", {"limit": 0}),
        ("/v1/friends", {"limit": 101}),
        ("/v1/friends", {"limit": "many"}),
        ("/v1/friends", {"page": 2}),
        ("/v1/me", {"verbose": 1}),
        ("/v1/hugs", {"direction": "sideways"}),
        ("/v1/hugs", {"with": "ana"}),
        ("/v1/users", {}),
    ]:
        check_problem(await ana.call("GET", path, **params), 400, "invalid")
    doubled = await server.http.get("/v1/friends?limit=1&limit=2", headers={"Authorization": f"Bearer {ana.access}"})
    check_problem(doubled, 400, "invalid")
    check_problem(await ana.call("GET", "/v1/users/ana"), 400, "invalid")
    check_problem(await ana.call("DELETE", "/v1/blocks/%00"), 400, "invalid")


async def test_our_own_fault_is_told_as_no_more_than_that(server: RestServer) -> None:
    ana = await server.user("Ana")
    await server.database.execute("drop table privacy cascade")
    response = await ana.call("GET", "/v1/me/privacy")
    detail = check_problem(response, 500, "internal")
    assert "privacy" not in detail
    assert "relation" not in response.text


async def test_a_database_that_is_away_is_unavailable(database_url: str, redis_url: str, own_postgres: Any) -> None:
    postgres = own_postgres()
    async with rest_server(postgres.url, redis_url) as server:
        ana = await server.user("Ana")
        postgres.kill()
        response = await ana.call("GET", "/v1/me")
        check_problem(response, 503, "unavailable")
        assert response.json()["retryable"]
        assert int(response.headers["retry-after"]) >= 1
        postgres.start()
        assert (await ana.call("GET", "/v1/me")).status_code == 200


async def test_limits_hold_when_redis_is_away(database_url: str, own_redis: Any) -> None:
    redis = own_redis()
    async with rest_server(database_url, redis.url, limits_on=True) as server:
        wrong = {"email": "eve@example.org", "password": "wrong horse"}
        assert (await server.call("POST", "/v1/auth/login", wrong)).status_code == 401
        redis.kill()
        statuses = [(await server.call("POST", "/v1/auth/login", wrong)).status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2, "counted by the node itself"
        assert (await server.user("Ana")).name == "Ana", "others come in"


async def test_head_is_get_without_a_body(server: RestServer) -> None:
    ana = await server.user("Ana")
    response = await ana.call("HEAD", "/v1/me")
    assert (response.status_code, response.content) == (200, b"")


async def test_only_named_origins_may_call_from_a_browser(server: RestServer) -> None:
    asking = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    named = await server.http.options("/v1/hugs", headers={"Origin": "https://app.example", **asking})
    other = await server.http.options("/v1/hugs", headers={"Origin": "https://evil.example", **asking})
    assert named.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers


async def test_the_document_is_valid_and_tells_what_is_there(server: RestServer) -> None:
    response = await server.http.get("/openapi.json")
    document = response.json()
    validate(document)
    assert response.headers["content-type"] == "application/json"
    ana = await server.user("Ana")
    for path, item in document["paths"].items():
        if path in {"/healthz", "/readyz"}:
            continue  # the hub's own
        for method, operation in item.items():
            address = path.replace("{id}", ana.id)
            answer = await ana.call(method.upper(), address)
            assert str(answer.status_code) in operation["responses"], (method, path, answer.status_code)
    assert r"\Z" not in response.text
    assert "type" not in document["components"]["schemas"]["HugSend"]["required"]
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["$ref"].endswith("/ErrorCode")


async def test_the_page_shows_every_endpoint_and_loads_nothing(server: RestServer) -> None:
    document = (await server.http.get("/openapi.json")).json()
    response = await server.http.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    for path, item in document["paths"].items():
        for method in item:
            assert re.search(rf"<b>{method.upper()}</b> {re.escape(path)}<", response.text), (method, path)
    assert "<script" not in response.text
    assert not re.search(r"(src|href)=['\"](?!/openapi\.json)", response.text)
