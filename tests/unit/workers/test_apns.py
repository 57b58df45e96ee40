"""What is sent to APNs, what its answers mean, and what a credential has to look like."""

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurve, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.apns import DEVICE, push
from workers.push.apns import PAYLOAD_MAX_BYTES, ApnsProvider, encode_payload, read_answer
from workers.push.apns_settings import ApnsSettings
from workers.push.http2 import Response
from workers.push.outgoing import Answer, Verdict

pytestmark = pytest.mark.unit

GIVEN = ("ABCDE12345", "TEAM123456", "com.example.app")


def pem(curve: EllipticCurve) -> str:
    key = generate_private_key(curve)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def answered(status: int, reason: str = "", timestamp: int | None = None, **headers: str) -> Answer:
    body = b"" if status == 200 else msgspec.json.encode({"reason": reason, "timestamp": timestamp})
    given = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return read_answer(Response(status, given, body))


@pytest.mark.parametrize(
    ("status", "reasons", "verdict"),
    [
        (200, [""], Verdict.ACCEPTED),
        (410, ["Unregistered", "ExpiredToken"], Verdict.GONE),
        (400, ["BadDeviceToken"], Verdict.GONE),
        (400, ["DeviceTokenNotForTopic", "TopicDisallowed"], Verdict.MISCONFIGURED),
        (
            403,
            [
                "BadCertificate",
                "BadCertificateEnvironment",
                "ExpiredProviderToken",
                "Forbidden",
                "InvalidProviderToken",
                "MissingProviderToken",
            ],
            Verdict.MISCONFIGURED,
        ),
        (429, ["TooManyRequests", "TooManyProviderTokenUpdates"], Verdict.RETRY),
        (500, ["InternalServerError"], Verdict.RETRY),
        (503, ["ServiceUnavailable", "Shutdown"], Verdict.RETRY),
        (502, [""], Verdict.RETRY),  # of whatever stands before it
        (
            400,
            [
                "BadCollapseId",
                "BadExpirationDate",
                "BadMessageId",
                "BadPriority",
                "BadTopic",
                "DuplicateHeaders",
                "IdleTimeout",
                "InvalidPushType",
                "MissingDeviceToken",
                "MissingTopic",
                "PayloadEmpty",
                "SomethingNew",
            ],
            Verdict.REFUSED,
        ),
        (404, ["BadPath"], Verdict.REFUSED),
        (405, ["MethodNotAllowed"], Verdict.REFUSED),
        (413, ["PayloadTooLarge"], Verdict.REFUSED),
    ],
)
def test_verdicts(status: int, reasons: list[str], verdict: Verdict) -> None:
    for reason in reasons:
        answer = answered(status, reason)
        assert (answer.verdict, answer.detail) == (verdict, f"{status} {reason}".strip())
        assert not answer.is_silent


def test_since_when_a_token_is_gone_and_how_long_to_wait() -> None:
    assert answered(410, "Unregistered", 1_700_000_000_123).gone_since_ms == 1_700_000_000_123
    assert answered(403, "Forbidden", 1_700_000_000_123).gone_since_ms is None
    assert answered(429, "TooManyRequests", retry_after="12").retry_after_s == 12
    assert answered(503, "Shutdown", retry_after="soon").retry_after_s == 0
    assert answered(413, "PayloadTooLarge", retry_after="12").retry_after_s == 0
    assert answered(200, apns_id="0190").ref == "0190"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"reason": 7}', b"\xff", b'{"timestamp": "x"}', b"[" * 100_000]
)
def test_a_body_that_makes_no_sense_is_a_status_alone(body: bytes) -> None:
    for status, verdict in [(410, Verdict.GONE), (503, Verdict.RETRY), (400, Verdict.REFUSED)]:
        answer = read_answer(Response(status, {}, body))
        assert (answer.verdict, answer.detail, answer.gone_since_ms) == (verdict, str(status), None)


def test_a_reason_cannot_write_a_line_of_its_own_into_the_log() -> None:
    assert answered(400, "Bad\nTopic\x1b[31m" + "x" * 500).detail == "400 BadTopic31m" + "x" * 53


def test_a_text_that_is_too_long_is_cut_and_never_in_the_middle_of_a_character() -> None:
    for body in ("ä" * 3_000, '"' * 4_000, "🤗" * 1_200):
        payload = encode_payload(push(body=body))
        assert payload is not None
        assert len(payload) <= PAYLOAD_MAX_BYTES
        assert len(payload) > PAYLOAD_MAX_BYTES - 4 or '"' in body  # each of those counts twice
        text = msgspec.json.decode(payload)["aps"]["alert"]["body"]
        assert text.endswith("…")
        assert body.startswith(text[:-1])
    exact = PAYLOAD_MAX_BYTES - len(encode_payload(push(body="")) or b"")
    assert len(encode_payload(push(body="x" * exact)) or b"") == PAYLOAD_MAX_BYTES
    assert encode_payload(push(title="x" * 5_000)) is None


def test_ids_of_the_app_cannot_replace_what_the_device_shows() -> None:
    payload = encode_payload(push(data={"aps": "x", "hug": "h1"}))
    assert payload is not None
    assert msgspec.json.decode(payload)["aps"]["badge"] == 3


@pytest.mark.parametrize("to", ["", "a" * 63, "a" * 201, "g" * 64, DEVICE + "\n", "../" + DEVICE, "é" * 64])
async def test_what_cannot_be_a_device_token_is_gone_without_asking(to: str) -> None:
    settings = ApnsSettings.load(pem(SECP256R1()), *GIVEN, "https://127.0.0.1:1")
    async with ApnsProvider(settings) as provider:
        answer = await provider.send(push(to=to))
        assert (answer.verdict, answer.detail) == (Verdict.GONE, "not a device token")


async def test_what_cannot_fit_is_refused_without_asking() -> None:
    settings = ApnsSettings.load(pem(SECP256R1()), *GIVEN, "https://127.0.0.1:1")
    async with ApnsProvider(settings) as provider:
        assert (await provider.send(push(title="x" * 5_000))).verdict is Verdict.REFUSED


def test_settings_as_apple_hands_them_out() -> None:
    text = pem(SECP256R1())
    settings = ApnsSettings.load(f"\n{text}\n", *GIVEN)
    assert settings.url == "https://api.push.apple.com"
    assert jwt.decode(jwt.encode({}, settings.key, "ES256"), settings.key.public_key(), ["ES256"]) == {}
    for line in text.splitlines()[1:-1]:
        assert line not in repr(settings)


@pytest.mark.parametrize(
    ("index", "wrong", "allowed"),
    [
        (0, "", "what is in the .p8 file"),
        (0, "not PEM, but secret", "what is in the .p8 file"),
        (1, "abcde12345", "10 of A-Z and 0-9"),
        (2, "", "10 of A-Z and 0-9"),
        (3, "com example", "bundle id"),
        (4, "http://127.0.0.1:1", "an https origin"),
        (4, "https://api.push.apple.com/3/device", "an https origin"),
        (4, "https://host:port", "an https origin"),
    ],
)
def test_a_wrong_setting_is_told_with_what_is_allowed(index: int, wrong: str, allowed: str) -> None:
    given = [pem(SECP256R1()), *GIVEN, "https://api.push.apple.com"]
    given[index] = wrong
    with pytest.raises(ValueError, match=allowed) as raised:
        ApnsSettings.load(*given)
    assert len(raised.value.args) == 1
    assert "secret" not in str(raised.value)


def test_keys_of_another_kind_are_no_keys_of_apple_and_all_is_told_at_once() -> None:
    rsa = generate_rsa(65_537, 2_048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for key in (pem(SECP384R1()), rsa):
        with pytest.raises(ValueError, match="P-256") as raised:
            ApnsSettings.load(key, "", "", "", "")
        assert len(raised.value.args) == 5
