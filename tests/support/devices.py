"""What apps and browsers register, made at test time."""

import os
from base64 import urlsafe_b64encode
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


def apns_token() -> str:
    return os.urandom(32).hex()


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def point(form: serialization.PublicFormat = serialization.PublicFormat.UncompressedPoint) -> bytes:
    """A new point on P-256."""
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return key.public_bytes(serialization.Encoding.X962, form)


def subscription(endpoint: str | None = None) -> dict[str, Any]:
    """As `PushSubscription.toJSON()` gives it."""
    return {
        "endpoint": endpoint or f"https://fcm.googleapis.com/fcm/send/{os.urandom(16).hex()}",
        "expirationTime": None,
        "keys": {"p256dh": base64url(point()), "auth": base64url(os.urandom(16))},
    }
