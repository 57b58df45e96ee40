"""Devices by REST: what may be registered, who sees it, and when it goes."""

import os
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.devices import apns_token, base64url, point, subscription
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

PATH = "/v1/me/devices"
NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
MINUTE_MS = 60_000


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def register(user: User, **body: Any) -> dict[str, Any]:
    response = await user.post(PATH, body)
    assert response.status_code == 200, response.text
    device: dict[str, Any] = response.json()
    return device


def is_invalid(response: httpx.Response) -> bool:
    return (response.status_code, response.json()["code"]) == (400, "invalid")


async def test_devices_of_all_providers_are_listed_named_and_removed(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    token, sub = apns_token(), subscription()
    phone = await register(ana, provider="fcm", token="an:fcm_token", name="My phone", language="ar")
    tablet = await register(ana, provider="apns", token=token)
    browser = await register(ana, provider="webpush", subscription=sub)
    assert (await ana.get(PATH)) == {"items": [browser, tablet, phone], "next": None}
    assert (phone["name"], phone["language"], phone["provider"]) == ("My phone", "ar", "fcm")
    assert await register(ana, provider="apns", token=token.upper()) | {"used_at": ""} == tablet | {"used_at": ""}
    text = (await ana.call("GET", PATH)).text
    assert not any(secret in text for secret in (token, "fcm_token", sub["endpoint"], sub["keys"]["auth"]))
    assert (await ben.get(PATH))["items"] == []

    changed = await ana.call("PATCH", f"{PATH}/{phone['id']}", {"name": " Red phone "})
    assert changed.json() == phone | {"name": "Red phone"}
    for user, device, body, status in [
        (ben, phone["id"], {"name": "Mine"}, 404),
        (ana, NOBODY, {"name": "Mine"}, 404),
        (ana, phone["id"], {"name": "  "}, 400),
        (ana, phone["id"], {"language": "not one"}, 400),
    ]:
        assert (await user.call("PATCH", f"{PATH}/{device}", body)).status_code == status
    assert (await ben.call("DELETE", f"{PATH}/{phone['id']}")).status_code == 200
    assert len((await ana.get(PATH))["items"]) == 3
    for _ in range(2):
        assert (await ana.call("DELETE", f"{PATH}/{phone['id']}")).status_code == 200
    assert [device["id"] for device in (await ana.get(PATH))["items"]] == [tablet["id"], browser["id"]]


async def test_a_subscription_with_new_keys_is_the_same_device(server: RestServer) -> None:
    ana = await server.user("Ana")
    first = await register(ana, provider="webpush", subscription=(sub := subscription()))
    again = await register(ana, provider="webpush", subscription=subscription(sub["endpoint"]))
    assert first["id"] == again["id"]
    assert len((await ana.get(PATH))["items"]) == 1


async def test_who_signs_in_on_a_device_takes_it_over(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    first = await register(ana, provider="fcm", token="token")
    server.clock.ahead_ms = MINUTE_MS
    moved = await register(ben, provider="fcm", token="token")
    assert moved["registered_at"] > first["registered_at"]
    assert (await ana.get(PATH))["items"] == []
    assert (await ana.call("PATCH", f"{PATH}/{moved['id']}", {"name": "Mine"})).status_code == 404


async def test_who_logs_out_is_pushed_to_no_more(server: RestServer) -> None:
    ana = await server.registered("ana")
    login = {"email": "ana@example.org", "password": "correct horse"}
    other = User(server, (await server.call("POST", "/v1/auth/login", login)).json())
    await register(ana, provider="fcm", token="one")
    await register(other, provider="fcm", token="other")
    await server.call("POST", "/v1/auth/logout", {"refresh_token": ana.refresh})
    assert len((await other.get(PATH))["items"]) == 1
    assert (await ana.post(PATH, {"provider": "fcm", "token": "one"})).status_code == 401
    await server.call("POST", "/v1/auth/logout", {"all": True}, token=other.access)
    assert await server.database.fetchval("select count(*) from devices") == 0


@pytest.mark.parametrize(
    "body",
    [
        {"provider": "fcm"},
        {"provider": "fcm", "token": ""},
        {"provider": "fcm", "token": "x" * 4097},
        {"provider": "fcm", "token": "with a blank"},
        {"provider": "fcm", "token": "not ascii é"},
        {"provider": "fcm", "token": "a\nb"},
        {"provider": "apns", "token": "ab" * 31},
        {"provider": "apns", "token": "ab" * 101},
        {"provider": "apns", "token": "xy" * 32},
        {"provider": "apns", "token": "a" * 65},
        {"provider": "webpush"},
        {"provider": "webpush", "token": "ab" * 32},
        {"provider": "webpush", "token": "ab" * 32, "subscription": subscription()},
        {"provider": "fcm", "token": "token", "subscription": subscription()},
        {"provider": "pigeon", "token": "token"},
        {"provider": "fcm", "token": "token", "name": "a\tb"},
        {"provider": "fcm", "token": "token", "name": "x" * 65},
        {"provider": "fcm", "token": "token", "colour": "red"},
    ],
)
async def test_what_no_provider_would_take_is_refused(server: RestServer, body: dict[str, Any]) -> None:
    ana = await server.user("Ana")
    assert is_invalid(await ana.post(PATH, body))
    assert (await ana.get(PATH))["items"] == []


async def test_keys_of_subscriptions_are_what_rfc_8291_says(server: RestServer) -> None:
    ana = await server.user("Ana")
    good = subscription()
    off_the_curve = bytearray(point())
    off_the_curve[-1] ^= 1
    for wrong in [
        {"p256dh": base64url(bytes(off_the_curve))},
        {"p256dh": base64url(point()[:-1])},
        {"p256dh": base64url(point(serialization.PublicFormat.CompressedPoint))},
        {"p256dh": base64url(b"\x04" + bytes(64))},
        {"p256dh": "a"},
        {"auth": base64url(os.urandom(15))},
        {"auth": base64url(os.urandom(17))},
        {"auth": "="},
        {"auth": "with a blank"},
    ]:
        body = {"provider": "webpush", "subscription": good | {"keys": good["keys"] | wrong}}
        assert is_invalid(await ana.post(PATH, body)), wrong
    padded = good["keys"] | {"auth": good["keys"]["auth"] + "=="}
    await register(ana, provider="webpush", subscription=good | {"keys": padded})


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/fcm/send/a",
        "https://fcm.googleapis.com:8443/fcm/send/a",
        "https://push.example/a",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://169.254.169.254/latest/meta-data",
        "https://fcm.googleapis.com@push.example/a",
        "https://push.example\\@fcm.googleapis.com/a",
        "https://fcm.googleapis.com.push.example/a",
        "https://fcm.googleapis.com",
        "file:///etc/passwd",
    ],
)
async def test_only_push_services_are_called(server: RestServer, endpoint: str) -> None:
    ana = await server.user("Ana")
    assert is_invalid(await ana.post(PATH, {"provider": "webpush", "subscription": subscription(endpoint)}))


async def test_an_operator_adds_push_services(database_url: str, redis_url: str) -> None:
    async with rest_server(database_url, redis_url, webpush_hosts=frozenset({"push.example"})) as server:
        ana = await server.user("Ana")
        await register(ana, provider="webpush", subscription=subscription("https://push.example/a"))


async def test_a_browser_gets_a_key_to_subscribe_with(server: RestServer, database_url: str, redis_url: str) -> None:
    response = await server.call("GET", "/v1/push/key")
    assert response.status_code == 200
    key = response.json()["key"]
    assert len(key) == 87
    assert (await server.call("GET", "/v1/push/key")).json()["key"] == key
    async with rest_server(database_url, redis_url) as other:
        assert (await other.call("GET", "/v1/push/key")).json()["key"] == key
    assert ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), urlsafe_b64decode(key + "="))


async def test_nobody_registers_without_logging_in(server: RestServer) -> None:
    assert (await server.call("POST", PATH, {"provider": "fcm", "token": "token"})).status_code == 401
    assert (await server.call("GET", PATH)).status_code == 401
