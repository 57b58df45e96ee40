"""What each answer of a push service comes to, how a push is encrypted and signed, and what is asked of the settings."""

import http_ece
import jwt
import msgspec
import pytest
import pywebpush
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.rest_push import Subscription
from storage.own_keys import VapidKeys
from tests.support.fake_webpush import Browser, from_base64url, subscription
from tests.support.outgoing import outgoing
from workers.push.outgoing import Verdict
from workers.push.posting import Reply, retry_after_s
from workers.push.webpush import (
    PLAIN_MAX_BYTES,
    VAPID_KEPT_S,
    VapidHeaders,
    WebPushSettings,
    encode_plain,
    encrypt,
    webpush_answer,
)

pytestmark = pytest.mark.unit

NOW_S = 1_750_000_000.0


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (201, Verdict.ACCEPTED),
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (404, Verdict.GONE),
        (410, Verdict.GONE),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (502, Verdict.RETRY),
        (503, Verdict.RETRY),
        (599, Verdict.RETRY),
        (400, Verdict.MISCONFIGURED),
        (401, Verdict.MISCONFIGURED),
        (403, Verdict.MISCONFIGURED),
        (413, Verdict.MISCONFIGURED),
        (301, Verdict.MISCONFIGURED),
        (307, Verdict.MISCONFIGURED),
    ],
)
def test_each_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    answer = webpush_answer(Reply(status, b"<html>", 7.0))
    assert (answer.verdict, answer.detail) == (verdict, str(status))
    assert answer.retry_after_s == (7.0 if verdict is Verdict.RETRY else 0.0)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"reason":"BadJwtToken"}', "403 BadJwtToken"),
        (b'{"reason":"https://push.example/secret"}', "403"),
        (b'{"reason":7}', "403"),
        (b"\xff", "403"),
        (b"[" * 10_000, "403"),
    ],
)
def test_a_reason_is_one_word(body: bytes, detail: str) -> None:
    assert webpush_answer(Reply(403, body, 0.0)).detail == detail


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 0),
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 15 Jun 2025 15:07:40 GMT", 60),
        ("Sun, 15 Jun 2025 15:06:39 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("1.5", 0),
        ("²", 0),
        ("9" * 400, 30 * 86_400),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float) -> None:
    assert retry_after_s(value, NOW_S) == seconds


# RFC 8291, section 5 and appendix A.
PLAIN = b"When I grow up, I want to be a watermelon"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
RECEIVER = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
RECEIVER_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
    "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def private(raw: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(from_base64url(raw)), ec.SECP256R1())


def test_the_example_of_the_rfc_byte_by_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(private(RECEIVER), from_base64url(AUTH), "")
    to = msgspec.json.decode(subscription("https://push.example/x", browser), type=Subscription)
    assert (to.keys.p256dh, to.keys.auth) == (RECEIVER_PUBLIC, AUTH)
    monkeypatch.setattr(pywebpush.ec, "generate_private_key", lambda *_: private(SENDER))
    monkeypatch.setattr(http_ece.os, "urandom", lambda _: from_base64url(SALT))
    assert encrypt(to, PLAIN) == from_base64url(BODY)
    assert browser.decrypt(from_base64url(BODY)) == PLAIN


def test_the_longest_text_fits_into_4096_bytes() -> None:
    browser = Browser(ec.generate_private_key(ec.SECP256R1()), b"a" * 16, "")
    to = msgspec.json.decode(subscription("https://push.example/x", browser), type=Subscription)
    plain = b"x" * PLAIN_MAX_BYTES
    body = encrypt(to, plain)
    assert len(body) == 4_096
    assert browser.decrypt(body) == plain
    assert encrypt(to, plain) != body, "another key and salt each time"


def test_what_the_app_gets() -> None:
    assert msgspec.json.decode(encode_plain(outgoing("", id="d1"))) == {
        "title": "A hug",
        "body": "Ana hugged you",
        "data": {"hug": "h1", "kind": "hug.received", "delivery": "d1"},
        "badge": 3,
        "tag": "hugs-Ana_1",
    }


def test_a_signature_is_kept_for_twelve_hours_for_each_origin() -> None:
    keys = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
    now_s = NOW_S
    headers = VapidHeaders("mailto:ops@app.example", keys, lambda: now_s)
    first = headers.header("https://push.example:8443")
    assert headers.header("https://other.example") != first
    now_s += VAPID_KEPT_S - 1
    assert headers.header("https://push.example:8443") == first
    now_s += 1
    assert headers.header("https://push.example:8443") != first
    token, _, key = first.removeprefix("vapid t=").partition(", k=")
    assert key == keys.public
    claims = jwt.decode(
        token,
        keys.private.public_key(),
        algorithms=["ES256"],
        audience="https://push.example:8443",
        options={"verify_exp": False},
    )
    assert VAPID_KEPT_S < claims["exp"] - NOW_S <= 86_400
    assert claims["sub"] == "mailto:ops@app.example"
    assert set(claims) == {"aud", "exp", "sub"}


def test_many_origins_are_not_kept_for_ever() -> None:
    keys = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
    headers = VapidHeaders("mailto:ops@app.example", keys, lambda: NOW_S)
    for number in range(1_100):
        headers.header(f"https://{number}.push.apple.com")
    assert len(headers._kept) <= 1_000


def test_a_key_pair_shows_its_public_half_only() -> None:
    keys = VapidKeys(private(RECEIVER))
    assert keys.public == RECEIVER_PUBLIC
    assert repr(keys) == f"VapidKeys('{RECEIVER_PUBLIC}')"


@pytest.mark.parametrize("subject", ["mailto:ops@app.example", " https://app.example/contact "])
def test_good_settings(subject: str) -> None:
    settings = WebPushSettings.load(subject, "push.example")
    assert (settings.subject, set(settings.more_hosts)) == (subject.strip(), {"push.example"})


@pytest.mark.parametrize(
    "subject", ["", "ops@app.example", "mailto:", "http://app.example", "mailto:<ops@app.example>"]
)
def test_wrong_settings_are_all_told(subject: str) -> None:
    with pytest.raises(ValueError, match="mailto:you@") as caught:
        WebPushSettings.load(subject, "a b")
    assert len(caught.value.args) == 2
