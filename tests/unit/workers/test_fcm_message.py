"""What FCM is sent, that it fits, and what is asked of the credentials."""

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.fake_fcm import FakeFcm
from tests.support.outgoing import outgoing
from workers.push.fcm import PAYLOAD_MAX_BYTES, encode_message
from workers.push.fcm_settings import FcmSettings

pytestmark = pytest.mark.unit

TOKEN = "t" * 163
NOW_S = 1_750_000_000


def test_the_message() -> None:
    encoded = encode_message(outgoing(TOKEN, id="d1", ttl_s=86_400), NOW_S)
    assert encoded is not None
    assert msgspec.json.decode(encoded) == {
        "message": {
            "token": TOKEN,
            "notification": {"title": "A hug", "body": "Ana hugged you"},
            "data": {"hug": "h1", "kind": "hug.received", "delivery": "d1"},
            "android": {
                "priority": "HIGH",
                "ttl": "86400s",
                "collapse_key": "hugs-Ana_1",
                "notification": {"tag": "hugs-Ana_1", "notification_count": 3},
            },
            "apns": {
                "headers": {
                    "apns-collapse-id": "hugs-Ana_1",
                    "apns-expiration": str(NOW_S + 86_400),
                    "apns-priority": "10",
                },
                "payload": {"aps": {"badge": 3, "sound": "default"}},
            },
        }
    }


def test_what_need_not_ring_does_not() -> None:
    encoded = encode_message(outgoing(TOKEN, is_urgent=False, ttl_s=10**9), NOW_S)
    assert encoded is not None
    message = msgspec.json.decode(encoded)["message"]
    assert (message["android"]["priority"], message["android"]["ttl"]) == ("NORMAL", "2419200s")
    assert (message["apns"]["headers"]["apns-priority"], message["apns"]["payload"]) == ("5", {"aps": {"badge": 3}})


def test_nobody_takes_the_place_of_our_ids() -> None:
    encoded = encode_message(outgoing(TOKEN, id="d1", data={"delivery": "x", "kind": "y"}), NOW_S)
    assert encoded is not None
    assert msgspec.json.decode(encoded)["message"]["data"] == {"delivery": "d1", "kind": "hug.received"}


def size(encoded: bytes | None) -> int:
    assert encoded is not None
    return len(encoded) - len(TOKEN)


def test_what_fits_exactly_is_left_and_one_more_is_cut() -> None:
    rest = size(encode_message(outgoing(TOKEN, ""), NOW_S))
    exact = "a" * (PAYLOAD_MAX_BYTES - rest)
    encoded = encode_message(outgoing(TOKEN, exact), NOW_S)
    assert size(encoded) == PAYLOAD_MAX_BYTES
    cut = encode_message(outgoing(TOKEN, exact + "a"), NOW_S)
    assert cut is not None
    assert size(cut) == PAYLOAD_MAX_BYTES
    assert msgspec.json.decode(cut)["message"]["notification"]["body"] == exact[:-3] + "…"


@pytest.mark.parametrize("letter", ["é", "抱", "🫂", '"', "\x01", "👩‍👩‍👧"])
def test_any_text_is_cut_to_fit(letter: str) -> None:
    for length in (4_000, 4_001, 4_002, 4_003):
        cut = encode_message(outgoing(TOKEN, letter * length), NOW_S)
        assert cut is not None
        assert size(cut) <= PAYLOAD_MAX_BYTES
        body = msgspec.json.decode(cut)["message"]["notification"]["body"]
        assert body.endswith("…")
        assert set(body[:-1].split(letter)) == {""}


def test_what_does_not_fit_without_any_text_is_not_sent() -> None:
    assert encode_message(outgoing(TOKEN, "a", data={"x": "y" * 4_096}), NOW_S) is None


@pytest.fixture(scope="module")
def credentials() -> dict[str, str]:
    fake = FakeFcm()
    fake.url = "http://127.0.0.1:9"
    fields: dict[str, str] = msgspec.json.decode(fake.credentials)
    return fields


def test_good_credentials(credentials: dict[str, str]) -> None:
    settings = FcmSettings.load(msgspec.json.encode(credentials).decode(), "https://fcm.googleapis.com/")
    assert (settings.project, settings.url) == (credentials["project_id"], "https://fcm.googleapis.com")
    assert credentials["private_key"].splitlines()[1] not in repr(settings)
    assert "BEGIN" not in repr(settings)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "authorized_user"},
        {"project_id": "a/../b"},
        {"project_id": None},
        {"client_email": ""},
        {"private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"},
        {"token_uri": "http://tokens.example/token"},
        {"token_uri": "/token"},
        {"token_uri": 7},
    ],
)
def test_wrong_credentials_are_refused_and_not_quoted(credentials: dict[str, str], change: dict[str, object]) -> None:
    text = msgspec.json.encode(credentials | change).decode()
    with pytest.raises(ValueError, match="must be the JSON of a service account") as caught:
        FcmSettings.load(text)
    assert "c2VjcmV0" not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"


def test_another_kind_of_key_is_refused(credentials: dict[str, str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ValueError, match="RSA"):
        FcmSettings.load(msgspec.json.encode(credentials | {"private_key": key.decode()}).decode())


@pytest.mark.parametrize("text", ["", "{}", "[]", "{", "\ud800", "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be the JSON of a service account"):
        FcmSettings.load(text)


@pytest.mark.parametrize("url", ["http://fcm.googleapis.com", "https://u:p@fcm.googleapis.com", "https://x/y", ""])
def test_everything_wrong_is_told_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="must be") as caught:
        FcmSettings.load("{}", url)
    assert len(caught.value.args) == 2
