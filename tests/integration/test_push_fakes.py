"""The fakes refuse what the real ones would: so a push that they take was right."""

import secrets
import time
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from storage.own_keys import VapidKeys
from tests.support.fake_fcm import EMAIL, GRANT, KEY_ID, PROJECT, SCOPE, FakeFcm, private_key
from tests.support.fake_webpush import FakeWebPush
from tests.support.outgoing import outgoing
from tests.support.push_faults import FakeProvider
from workers.push.fcm import encode_message
from workers.push.webpush import Subscription, VapidHeaders, encode_plain, encrypt

pytestmark = pytest.mark.integration

KEYS = VapidKeys(ec.generate_private_key(ec.SECP256R1()))


async def post(fake: FakeProvider, url: str, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as response:
        return response.status


def assertion(fake: FakeFcm, **change: Any) -> dict[str, Any]:
    now_s = int(time.time())
    return {"iss": EMAIL, "scope": SCOPE, "aud": f"{fake.url}/token", "iat": now_s, "exp": now_s + 3_600} | change


async def grant(fake: FakeFcm, claims: dict[str, Any], key: rsa.RSAPrivateKey | None = None, kind: str = GRANT) -> int:
    signed = jwt.encode(claims, key or private_key(), "RS256", {"kid": KEY_ID})
    form = urlencode({"grant_type": kind, "assertion": signed}).encode()
    return await post(fake, f"{fake.url}/token", form, {"Content-Type": "application/x-www-form-urlencoded"})


async def test_an_access_token_is_for_the_right_account_only() -> None:
    async with FakeFcm() as fake:
        assert await grant(fake, assertion(fake)) == 200
        past = int(time.time()) - 7_200
        for change in (
            {"iss": "stranger"},
            {"aud": "https://oauth2.googleapis.com/token"},
            {"scope": "email"},
            {"iat": past, "exp": past + 3_600},
            {"exp": int(time.time()) + 4_000},
        ):
            assert await grant(fake, assertion(fake, **change)) == 400, change
        assert await grant(fake, assertion(fake), rsa.generate_private_key(65_537, 2_048)) == 400
        assert await grant(fake, assertion(fake), kind="password") == 400
        assert len(fake.granted) == 1


async def test_a_message_has_the_shape_the_size_and_the_token() -> None:
    async with FakeFcm() as fake:
        await grant(fake, assertion(fake))
        headers = {"Authorization": f"Bearer {fake.granted[0]}"}
        url = f"{fake.url}/v1/projects/{PROJECT}/messages:send"
        good = encode_message(outgoing("a"), 0)
        assert good is not None
        assert await post(fake, url, good, headers) == 200
        assert await post(fake, url, good, {}) == 401
        assert await post(fake, url, good, {"Authorization": "Bearer other"}) == 401
        assert await post(fake, url.replace(PROJECT, "other"), good, headers) == 403
        message = msgspec.json.decode(good)["message"]
        for change in (
            {"data": {"badge": 3}},
            {"data": {"from": "x"}},
            {"data": {"x": "y" * 4_000}},
            {"priority": "HIGH"},
            {"android": message["android"] | {"ttl": "60"}},
            {"android": message["android"] | {"priority": "high"}},
        ):
            body = msgspec.json.encode({"message": message | change})
            assert await post(fake, url, body, headers) == 400, change
        assert len(fake.pushes) == 1


async def test_a_web_push_has_its_headers_and_its_signature() -> None:
    async with FakeWebPush() as fake:
        to = msgspec.json.decode(fake.subscribe(KEYS.public), type=Subscription)
        body = encrypt(to, encode_plain(outgoing("")))
        usual = {
            "TTL": "60",
            "Content-Encoding": "aes128gcm",
            "Authorization": VapidHeaders("mailto:ops@app.example", KEYS).header(fake.url),
        }

        def signed(aud: str = fake.url, good_s: int = 3_600, by: VapidKeys = KEYS, **more: Any) -> dict[str, str]:
            claims = {"aud": aud, "exp": int(time.time()) + good_s, "sub": "mailto:ops@app.example"} | more
            return {"Authorization": f"vapid t={jwt.encode(claims, by.private, 'ES256')}, k={KEYS.public}"}

        assert await post(fake, to.endpoint, body, usual | signed()) == 201
        stranger = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
        for wrong, status in (
            ({"TTL": "soon"}, 400),
            ({"Content-Encoding": "aesgcm"}, 415),
            ({"Urgency": "now"}, 400),
            ({"Topic": "a" * 33}, 400),
            ({"Topic": "a+b"}, 400),
            ({"Authorization": ""}, 401),
            (signed(aud="http://127.0.0.1"), 403),
            (signed(good_s=-60), 403),
            (signed(good_s=90_000), 403),
            (signed(sub="ops"), 403),
            (signed(by=stranger), 403),
            ({"Authorization": VapidHeaders("mailto:ops@app.example", stranger).header(fake.url)}, 403),
        ):
            assert await post(fake, to.endpoint, body, usual | wrong) == status, wrong
        assert await post(fake, to.endpoint, body + b"x" * 4_096, usual) == 413
        assert await post(fake, to.endpoint, secrets.token_bytes(200), usual) == 400
        assert await post(fake, f"{fake.url}/push/other", body, usual) == 404
        assert len(fake.pushes) == 1
