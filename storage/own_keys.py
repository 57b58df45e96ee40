"""Secrets that nobody has to give us: made at first use by whichever process needs one first, and the same for all then.

Invariant: once made, a secret never changes; of two processes that make it at once, one wins and both have the winner's.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from storage.encryption import KeyRing
from storage.postgres import Database

TOKEN_HASH = "token_hash"  # noqa: S105  a name
VAPID = "vapid"
TOKEN_HASH_BYTES = 32

_LOAD = "select secret from own_keys where name = $1"
_SAVE = "insert into own_keys (name, secret, made_at) values ($1, $2, now()) on conflict do nothing"


class VapidKeys:
    """The key pair that Web Push knows us by (RFC 8292). No struct: those encode all they have."""

    __slots__ = ("private", "public")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        """*private*: on the curve P-256. `public`: the uncompressed point in base64url, as browsers subscribe with it."""
        self.private = private
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self.public = urlsafe_b64encode(point).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return f"VapidKeys({self.public!r})"


async def load_or_make(database: Database, ring: KeyRing, name: str, make: Callable[[], str]) -> str:
    """The secret of that *name*; if there is none yet, what *make* gives is it. Raises: Unavailable, Unreadable."""
    envelope = await database.fetchval(_LOAD, name)
    if envelope is None:
        await database.execute(_SAVE, name, ring.seal(make(), "own_keys", "secret", name))
        envelope = await database.fetchval(_LOAD, name)
    return ring.open(envelope, "own_keys", "secret", name)


async def token_hash_key(database: Database, ring: KeyRing) -> bytes:
    """What tokens of devices are hashed with, so that they can be found though they are sealed. Raises: Unavailable, Unreadable."""
    return bytes.fromhex(
        await load_or_make(database, ring, TOKEN_HASH, lambda: secrets.token_bytes(TOKEN_HASH_BYTES).hex())
    )


async def vapid_keys(database: Database, ring: KeyRing) -> VapidKeys:
    """Ours: each subscription is bound to them for its life. Raises: Unavailable, Unreadable."""
    pem = await load_or_make(database, ring, VAPID, _make_private_key)
    private = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("own_keys.secret of vapid is no key of an elliptic curve")
    return VapidKeys(private)


def _make_private_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )
