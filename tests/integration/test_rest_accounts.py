"""Accounts by REST: credentials, tokens, limits, as a client sees them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio

from domain.friendships import FriendLimits
from tests.support.rest_server import SECRET, RestServer, rest_server

pytestmark = pytest.mark.integration

ANA = {"email": "Ana@Example.org", "username": "Ana.B", "password": "correct horse"}


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


@pytest_asyncio.fixture
async def limited(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url, limits_on=True, friend_limits=FriendLimits()) as running:
        yield running


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert (problem["type"], problem["status"], problem["code"]) == ("about:blank", status, code)
    assert problem["detail"]
    return problem


async def refresh(server: RestServer, token: str) -> httpx.Response:
    return await server.call("POST", "/v1/auth/refresh", {"refresh_token": token})


async def test_who_registers_is_logged_in_and_can_log_in_again(server: RestServer) -> None:
    response = await server.call("POST", "/v1/auth/register", ANA)
    assert response.status_code == 201
    first = response.json()
    user = first["user"]
    assert (user["email"], user["username"], user["name"]) == ("ana@example.org", "ana.b", "Ana.B")
    assert (user["anonymous"], user["roles"], first["expires_in"]) == (False, ["user"], 900)

    again = await server.call("POST", "/v1/auth/login", {"email": "ANA@example.org", "password": ANA["password"]})
    assert again.status_code == 200
    second = again.json()
    assert second["user"] == user
    assert second["refresh_token"] != first["refresh_token"]

    claims = jwt.decode(first["access_token"], SECRET, ["HS256"], audience="hugmood", issuer="hugmood")
    assert claims["sub"] == user["id"]
    assert claims["exp"] - claims["iat"] == 900
    other = jwt.decode(second["access_token"], SECRET, ["HS256"], audience="hugmood", issuer="hugmood")
    assert claims["sid"] != other["sid"]

    rows = await server.database.fetchrow(
        "select (select seq from inbox_heads) as seq, (select count(*) from token_families) as families,"
        " (select count(*) from refresh_tokens) as tokens, (select password_hash from credentials) as hash"
    )
    assert rows is not None
    assert (rows["seq"], rows["families"], rows["tokens"]) == (0, 2, 2)
    assert rows["hash"].startswith("$2b$")


async def test_what_is_taken_is_a_conflict_and_leaves_nothing_behind(server: RestServer) -> None:
    await server.call("POST", "/v1/auth/register", ANA)
    same_email = await server.call("POST", "/v1/auth/register", {**ANA, "username": "other"})
    same_username = await server.call("POST", "/v1/auth/register", {**ANA, "email": "b@example.org"})
    assert "e-mail" in check_problem(same_email, 409, "conflict")["detail"]
    assert "username" in check_problem(same_username, 409, "conflict")["detail"]
    assert await server.database.fetchval("select count(*) from users") == 1


async def test_registering_the_same_at_once_makes_one_account(server: RestServer) -> None:
    responses = await asyncio.gather(*(server.call("POST", "/v1/auth/register", ANA) for _ in range(8)))
    assert sorted(response.status_code for response in responses) == [201] + [409] * 7
    assert await server.database.fetchval("select count(*) from users") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"email": "ana"},
        {"email": "ana@localhost"},
        {"email": "añá@example.org"},
        {"email": "a b@example.org"},
        {"email": "ana@example.org\x00"},
        {"email": f"{'a' * 250}@example.org"},
        {"username": "an"},
        {"username": "a" * 33},
        {"username": "ana b"},
        {"username": "-ana"},
        {"username": "anä"},
        {"username": "ana\x00"},
        {"password": "short"},
        {"password": "x" * 73},
        {"password": "ä" * 37},
        {"password": "nul\x00byte in it"},
        {"name": " "},
        {"name": "a\nb"},
        {"name": "x" * 65},
        {"name": "\u202eevil"},
        {"unknown": 1},
        {"password": 12345678},
    ],
)
async def test_what_cannot_be_an_account_is_refused(server: RestServer, change: dict[str, Any]) -> None:
    problem = check_problem(await server.call("POST", "/v1/auth/register", {**ANA, **change}), 400, "invalid")
    assert not problem["retryable"]
    assert await server.database.fetchval("select count(*) from users") == 0


async def test_a_password_of_72_bytes_works_whole(server: RestServer) -> None:
    password = "ä" * 36
    await server.registered("ana", password)
    wrong = await server.call("POST", "/v1/auth/login", {"email": "ana@example.org", "password": "ä" * 35 + "aa"})
    right = await server.call("POST", "/v1/auth/login", {"email": "ana@example.org", "password": password})
    longer = await server.call("POST", "/v1/auth/login", {"email": "ana@example.org", "password": password + "x"})
    assert (wrong.status_code, right.status_code) == (401, 200)
    assert "72 bytes" in check_problem(longer, 400, "invalid")["detail"]


async def test_wrong_password_and_no_such_account_are_answered_alike(server: RestServer) -> None:
    await server.registered("ana")
    wrong = await server.call("POST", "/v1/auth/login", {"email": "ana@example.org", "password": "wrong horse"})
    nobody = await server.call("POST", "/v1/auth/login", {"email": "eve@example.org", "password": "wrong horse"})
    check_problem(wrong, 401, "unauthenticated")
    assert wrong.content == nobody.content


async def test_anonymous_people_have_a_name_and_a_claim(server: RestServer) -> None:
    unnamed = await server.http.post("/v1/auth/anonymous")
    named = await server.call("POST", "/v1/auth/anonymous", {"name": "  Zoé 🐻‍❄️ "})
    assert (unnamed.status_code, named.status_code) == (201, 201)
    assert unnamed.json()["user"]["name"].startswith("Guest ")
    assert named.json()["user"]["name"] == "Zoé 🐻‍❄️"
    assert named.json()["user"]["anonymous"] is True
    claims = jwt.decode(named.json()["access_token"], SECRET, ["HS256"], audience="hugmood")
    assert claims["anonymous"] is True


async def test_each_refresh_brings_the_next_token(server: RestServer) -> None:
    user = await server.user("Ana")
    token = user.refresh
    seen = {token}
    for _ in range(4):
        response = await refresh(server, token)
        assert response.status_code == 200
        token = response.json()["refresh_token"]
        assert token not in seen
        seen.add(token)
        assert (await server.call("GET", "/v1/me", token=response.json()["access_token"])).status_code == 200


async def test_a_lost_answer_can_be_had_again_for_ten_seconds(server: RestServer) -> None:
    user = await server.user("Ana")
    first = await refresh(server, user.refresh)
    server.clock.ahead_ms = 9_000
    again = await refresh(server, user.refresh)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first.json()["refresh_token"]
    assert (await refresh(server, again.json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize("after_ms", [11_000, 0])
async def test_a_copied_token_ends_the_log_in(server: RestServer, after_ms: int) -> None:
    """Late in any case; within the grace if the successor has been used, for then the answer was not lost."""
    user = await server.user("Ana")
    successor = (await refresh(server, user.refresh)).json()
    if not after_ms:
        successor = (await refresh(server, successor["refresh_token"])).json()
    server.clock.ahead_ms = after_ms
    check_problem(await refresh(server, user.refresh), 401, "unauthenticated")
    check_problem(await refresh(server, successor["refresh_token"]), 401, "unauthenticated")
    check_problem(await server.call("GET", "/v1/me", token=successor["access_token"]), 401, "unauthenticated")


async def test_refreshing_at_once_gives_everybody_the_same(server: RestServer) -> None:
    for _ in range(10):
        user = await server.user("Ana")
        responses = await asyncio.gather(*(refresh(server, user.refresh) for _ in range(6)))
        assert [response.status_code for response in responses] == [200] * 6
        (successor,) = {response.json()["refresh_token"] for response in responses}
        assert (await refresh(server, successor)).status_code == 200
    assert await server.database.fetchval("select count(*) from refresh_tokens") == 30


async def test_refresh_tokens_end_after_seven_days_and_access_tokens_after_fifteen_minutes(server: RestServer) -> None:
    user = await server.user("Ana")
    server.clock.ahead_ms = 15 * 60_000 + 1_000
    expired = check_problem(await user.call("GET", "/v1/me"), 401, "expired")
    assert expired["title"] == "Unauthorized"
    server.clock.ahead_ms = 7 * 86_400_000 + 1_000
    check_problem(await refresh(server, user.refresh), 401, "expired")


async def test_a_stale_access_token_does_not_hinder_refreshing(server: RestServer) -> None:
    user = await server.user("Ana")
    response = await server.call("POST", "/v1/auth/refresh", {"refresh_token": user.refresh}, token="rubbish")
    assert response.status_code == 200


async def test_an_unknown_refresh_token_is_refused(server: RestServer) -> None:
    check_problem(await refresh(server, "A" * 43), 401, "unauthenticated")
    check_problem(await refresh(server, "ü"), 401, "unauthenticated")
    check_problem(await refresh(server, ""), 400, "invalid")


async def test_logging_out_ends_one_log_in(server: RestServer) -> None:
    user = await server.registered("ana")
    other = (
        await server.call("POST", "/v1/auth/login", {"email": "ana@example.org", "password": "correct horse"})
    ).json()
    ended = await server.call("POST", "/v1/auth/logout", {"refresh_token": user.refresh})
    assert ended.status_code == 200
    again = await server.call("POST", "/v1/auth/logout", {"refresh_token": user.refresh})
    assert again.status_code == 200
    check_problem(await refresh(server, user.refresh), 401, "unauthenticated")
    check_problem(await user.call("GET", "/v1/me"), 401, "unauthenticated")
    assert (await refresh(server, other["refresh_token"])).status_code == 200


async def test_logging_out_everywhere(server: RestServer) -> None:
    user = await server.registered("ana")
    login = {"email": "ana@example.org", "password": "correct horse"}
    others = [(await server.call("POST", "/v1/auth/login", login)).json() for _ in range(2)]
    bystander = await server.user("Ben")
    response = await user.post("/v1/auth/logout", {"all": True})
    assert response.status_code == 200
    assert len(server.ended) == 3
    assert server.ended == [(user.id, sid) for sid in response.json()["ids"]]
    for token in [user.refresh, *(other["refresh_token"] for other in others)]:
        check_problem(await refresh(server, token), 401, "unauthenticated")
    assert (await refresh(server, bystander.refresh)).status_code == 200


async def test_logging_out_with_the_access_token_ends_its_log_in(server: RestServer) -> None:
    user = await server.user("Ana")
    assert (await server.http.post("/v1/auth/logout", headers={"Authorization": f"Bearer {user.access}"})).is_success
    check_problem(await refresh(server, user.refresh), 401, "unauthenticated")
    check_problem(await server.http.post("/v1/auth/logout"), 401, "unauthenticated")
    check_problem(await server.call("POST", "/v1/auth/logout", {"all": True}), 401, "unauthenticated")


async def test_a_deleted_user_is_nobody(server: RestServer) -> None:
    user = await server.registered("ana")
    await server.database.execute("update users set deleted_at = now()")
    check_problem(await user.call("GET", "/v1/me"), 401, "unauthenticated")
    check_problem(await refresh(server, user.refresh), 401, "unauthenticated")
    login = {"email": "ana@example.org", "password": "correct horse"}
    check_problem(await server.call("POST", "/v1/auth/login", login), 401, "unauthenticated")


async def test_guessing_a_password_is_slowed_down_and_the_right_one_starts_anew(limited: RestServer) -> None:
    await limited.registered("ana")
    right = {"email": "ana@example.org", "password": "correct horse"}
    wrong = {**right, "password": "wrong horse"}
    for _ in range(2):
        for _ in range(9):
            check_problem(await limited.call("POST", "/v1/auth/login", wrong), 401, "unauthenticated")
        assert (await limited.call("POST", "/v1/auth/login", right)).status_code == 200
    for _ in range(10):
        await limited.call("POST", "/v1/auth/login", wrong)
    slowed = await limited.call("POST", "/v1/auth/login", right)
    problem = check_problem(slowed, 429, "rate_limited")
    assert problem["retryable"]
    assert 0 < problem["retry_after_ms"] <= 15 * 60_000
    assert int(slowed.headers["retry-after"]) * 1000 >= problem["retry_after_ms"]
    nobody = {"email": "eve@example.org", "password": "wrong horse"}
    statuses = [(await limited.call("POST", "/v1/auth/login", nobody)).status_code for _ in range(11)]
    assert statuses == [401] * 10 + [429], "an account that does not exist is limited just the same"


async def test_limits_off_means_off(server: RestServer) -> None:
    wrong = {"email": "eve@example.org", "password": "wrong horse"}
    statuses = {(await server.call("POST", "/v1/auth/login", wrong)).status_code for _ in range(15)}
    assert statuses == {401}
