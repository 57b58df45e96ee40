"""What the token of a device looks like, for each provider of pushes."""

import re
from base64 import urlsafe_b64decode
from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric import ec

from domain.errors import Invalid
from domain.push_endpoints import check_endpoint

DEVICES_MAX = 20  # of one user; the one longest unused makes room
AUTH_BYTES = 16
POINT_BYTES = 65  # of P-256, uncompressed
UNCOMPRESSED = 4

_FCM = re.compile(r"[!-~]{1,4096}")
_APNS = re.compile(r"[0-9a-fA-F]{64,200}")


def check_fcm(token: str) -> str:
    """The registration token of an app. Raises: Invalid."""
    if not _FCM.fullmatch(token):
        raise Invalid("A token of FCM has 1 to 4096 printable characters of ASCII and no blank.")
    return token


def check_apns(token: str) -> str:
    """A device token, in lower case. Raises: Invalid."""
    if not _APNS.fullmatch(token) or len(token) % 2:
        raise Invalid("A token of APNs has 64 to 200 hexadecimal digits.")
    return token.lower()


def check_subscription(endpoint: str, p256dh: str, auth: str, more_hosts: Collection[str]) -> None:
    """May it be pushed to, and can that be encrypted (RFC 8291)? *more_hosts*: as `check_endpoint` has them. Raises: Invalid."""
    check_endpoint(endpoint, more_hosts)
    if len(_decoded(auth)) != AUTH_BYTES:
        raise Invalid(f"`auth` of a subscription is the base64url of {AUTH_BYTES} bytes.")
    point = _decoded(p256dh)
    if len(point) != POINT_BYTES or point[0] != UNCOMPRESSED:
        raise _no_point()
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise _no_point() from None


def _decoded(text: str) -> bytes:
    """*text* from base64url, with or without its padding; empty if it is none."""
    text = text.rstrip("=")
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


def _no_point() -> Invalid:
    return Invalid(
        f"`p256dh` of a subscription is the base64url of a point on P-256: {POINT_BYTES} bytes, uncompressed."
    )
