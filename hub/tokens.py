"""Access tokens: JWT (RFC 7519) signed with HS256 by the secret that all nodes share.

Invariant: the algorithm is pinned. Nothing in a token chooses how it is checked, and nothing in it is
believed, or even parsed, before its signature is.

Verifying is done here by hand, because it happens at every opening and costs a tenth of what the general
library spends; the tests hold it against PyJWT.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

import jwt
import msgspec
from msgspec import Struct

from domain.errors import Expired, Unauthenticated

ISSUER = "hugmood"
AUDIENCE = "hugmood"
ACCESS_TTL_S = 900
TOKEN_MAX_BYTES = 4096

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class TokenExpired(Expired):
    """The token was good until a moment ago: get a new one."""


class Claims(Struct, frozen=True, gc=False):
    """What a verified token says. *sid* is the log-in it belongs to."""

    user: str
    sid: str
    roles: list[str]
    expires_ms: int
    is_anonymous: bool = False


class _Header(Struct, forbid_unknown_fields=True, gc=False):
    alg: Literal["HS256"]
    typ: Literal["JWT"] | None = None


class _Payload(Struct, gc=False):
    iss: Literal["hugmood"]
    aud: Literal["hugmood"]
    sub: str
    sid: str
    exp: int
    roles: list[str] = []
    anonymous: bool = False


def issue_access_token(
    secret: bytes,
    user: str,
    sid: str,
    roles: list[str],
    now_ms: int,
    ttl_s: int = ACCESS_TTL_S,
    *,
    is_anonymous: bool = False,
) -> str:
    """A token that says who *user* is until *ttl_s* seconds from now."""
    now_s = now_ms // 1000
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user,
        "sid": sid,
        "roles": roles,
        "iat": now_s,
        "exp": now_s + ttl_s,
    }
    if is_anonymous:
        claims["anonymous"] = True
    return jwt.encode(claims, secret, "HS256")


class TokenVerifier:
    """Checks access tokens of one secret."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._headers = msgspec.json.Decoder(_Header)
        self._payloads = msgspec.json.Decoder(_Payload)
        # What our own tokens begin with, so that only foreign headers are parsed.
        self._usual_header = issue_access_token(secret, "", "", [], 0).partition(".")[0]

    def verify(self, token: str, now_ms: int) -> Claims:
        """The claims of *token*. Raises: Unauthenticated, TokenExpired (an Expired)."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        if len(token) > TOKEN_MAX_BYTES or not token.isascii() or not payload:
            raise _does_not_verify()
        expected = urlsafe_b64encode(hmac.digest(self._secret, signed.encode(), "sha256")).rstrip(b"=")
        if not hmac.compare_digest(expected, signature.encode()):
            raise _does_not_verify()
        try:
            if header != self._usual_header:
                self._headers.decode(_decode_segment(header))
            claims = self._payloads.decode(_decode_segment(payload))
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise _does_not_verify() from None
        if not _UUID.fullmatch(claims.sub) or not _UUID.fullmatch(claims.sid):
            raise _does_not_verify()
        if claims.exp * 1000 <= now_ms:
            raise TokenExpired("The access token has expired. Refresh it.")
        return Claims(claims.sub, claims.sid, claims.roles, claims.exp * 1000, claims.anonymous)


def _decode_segment(segment: str) -> bytes:
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _does_not_verify() -> Unauthenticated:
    return Unauthenticated("The access token does not verify. Log in again.")
