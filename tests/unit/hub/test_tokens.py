"""Access tokens: what is accepted, held against PyJWT, and everything that must not be."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Expired, Unauthenticated
from domain.ids import uuid7
from hub.tokens import TokenVerifier, issue_access_token

pytestmark = pytest.mark.unit

SECRET = b"a secret of thirty-two bytes, or more"
NOW_MS = 1_780_000_000_000
USER, SID = uuid7(NOW_MS), uuid7(NOW_MS)
GOOD = {"iss": "hugmood", "aud": "hugmood", "sub": USER, "sid": SID, "roles": ["user"], "exp": NOW_MS // 1000 + 60}

verifier = TokenVerifier(SECRET)


def segment(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: Any, payload: Any, secret: bytes = SECRET, digest: str = "sha256") -> str:
    text = f"{segment(header)}.{segment(payload)}"
    return f"{text}.{segment(hmac.digest(secret, text.encode(), digest))}"


def test_what_was_issued_verifies_with_us_and_with_pyjwt() -> None:
    token = issue_access_token(SECRET, USER, SID, ["user", "admin"], NOW_MS, 60)
    claims = verifier.verify(token, NOW_MS + 59_000)
    assert (claims.user, claims.sid, claims.roles, claims.is_anonymous) == (USER, SID, ["user", "admin"], False)
    assert claims.expires_ms == NOW_MS + 60_000
    options = {"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_iat": False}
    theirs = jwt.decode(token, SECRET, ["HS256"], options=options, audience="hugmood", issuer="hugmood")
    assert theirs["sub"] == USER
    assert theirs["exp"] - theirs["iat"] == 60


def test_what_pyjwt_issues_in_whatever_order_verifies() -> None:
    assert verifier.verify(signed({"typ": "JWT", "alg": "HS256"}, GOOD), NOW_MS).user == USER
    assert verifier.verify(signed({"alg": "HS256"}, {**GOOD, "more": [1]}), NOW_MS).user == USER


def test_anonymous_people_carry_the_claim() -> None:
    token = issue_access_token(SECRET, USER, SID, [], NOW_MS, is_anonymous=True)
    assert verifier.verify(token, NOW_MS).is_anonymous


def test_it_ends_to_the_second() -> None:
    token = issue_access_token(SECRET, USER, SID, [], NOW_MS)
    assert verifier.verify(token, NOW_MS + 899_999).user == USER
    with pytest.raises(Expired):
        verifier.verify(token, NOW_MS + 900_000)


HS256 = {"alg": "HS256", "typ": "JWT"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "\u00e9.b.c",
        f"{segment({'alg': 'none'})}.{segment(GOOD)}.",
        f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(GOOD)}",
        signed({"alg": "none"}, GOOD),
        signed({"alg": "hs256"}, GOOD),
        signed({"alg": "HS512"}, GOOD, digest="sha512"),
        signed({"alg": "RS256"}, GOOD),
        signed({**HS256, "crit": ["exp"]}, GOOD),
        signed({**HS256, "jwk": {"k": "x"}}, GOOD),
        signed({**HS256, "typ": "at+jwt"}, GOOD),
        signed(b"[]", GOOD),
        signed(HS256, b"not json"),
        signed(HS256, b"\xff"),
        signed(HS256, b"[" * 2_000),
        signed(HS256, GOOD, secret=b""),
        signed(HS256, GOOD, secret=SECRET[:-1]),
        signed(HS256, GOOD) + "A",
        signed(HS256, GOOD)[:-1],
        signed(HS256, GOOD) + "=",
        " " + signed(HS256, GOOD),
        signed(HS256, {**GOOD, "more": "x" * 4_096}),
        *(
            signed(HS256, {key: value for key, value in GOOD.items() if key != missing})
            for missing in ("iss", "aud", "sub", "sid", "exp")
        ),
        signed(HS256, {**GOOD, "iss": "else"}),
        signed(HS256, {**GOOD, "aud": "else"}),
        signed(HS256, {**GOOD, "aud": ["hugmood", "else"]}),
        signed(HS256, {**GOOD, "sub": "ana"}),
        signed(HS256, {**GOOD, "sub": USER.upper()}),
        signed(HS256, {**GOOD, "sub": USER + "\n"}),
        signed(HS256, {**GOOD, "sub": None}),
        signed(HS256, {**GOOD, "sid": "1"}),
        signed(HS256, {**GOOD, "exp": str(GOOD["exp"])}),
        signed(HS256, {**GOOD, "exp": None}),
        signed(HS256, {**GOOD, "roles": "admin"}),
    ],
)
def test_what_must_not_verify_does_not(token: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(token, NOW_MS)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_arbitrary_text_is_refused_as_a_token(text: str) -> None:
    with pytest.raises(Unauthenticated):
        verifier.verify(text, NOW_MS)


@given(position=st.integers(0, 10_000), char=st.sampled_from("ABCab01-_.=\u00e9"))
def test_one_changed_character_is_one_too_many(position: int, char: str) -> None:
    token = issue_access_token(SECRET, USER, SID, ["user"], NOW_MS)
    position %= len(token)
    changed = token[:position] + char + token[position + 1 :]
    if changed != token:
        with pytest.raises(Unauthenticated):
            verifier.verify(changed, NOW_MS)
