"""The keys of encrypted fields: what one is, how it is written, and how a list of them is read.

Invariant: only `line` writes the bytes of a key. Neither its repr, nor an error, nor a log line has them.
"""

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from datetime import date

KEY_BYTES = 32
ID = r"[a-z0-9-]{1,16}"
FORM = f"ID:base64 of {KEY_BYTES} bytes"


class EncryptionKey:
    """One key. No struct: those encode all they have, and what is logged is encoded."""

    __slots__ = ("id", "secret")

    def __init__(self, key_id: str, secret: bytes) -> None:
        """Raises: ValueError, with one argument for each thing that is wrong."""
        problems = []
        if not re.fullmatch(ID, key_id):
            problems.append("an id that is not 1 to 16 of a-z, 0-9 and -")
        if len(secret) != KEY_BYTES:
            problems.append(f"something else than the base64 of {KEY_BYTES} bytes behind its id")
        if problems:
            raise ValueError(*problems)
        self.id = key_id
        self.secret = secret

    @property
    def line(self) -> str:
        """As `load_keys` reads it: the only way in which a key may be shown, to whoever is to keep it."""
        return f"{self.id}:{b64encode(self.secret).decode()}"

    def __repr__(self) -> str:
        return f"EncryptionKey({self.id!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EncryptionKey) and (self.id, self.secret) == (other.id, other.secret)

    def __hash__(self) -> int:
        return hash((self.id, self.secret))


def make_key(day: date) -> EncryptionKey:
    """A random key, whose id begins with the *day* on which it was made."""
    return EncryptionKey(f"{day:%Y%m%d}-{secrets.token_hex(3)}", secrets.token_bytes(KEY_BYTES))


def load_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Keys in the form `FORM`, the newest first, with commas or line ends between them.

    Raises: ValueError, with one argument for each thing that is wrong; none quotes what is secret.
    """
    keys, problems = [], []
    for number, item in enumerate(re.findall(r"[^\s,]+", text), 1):
        try:
            keys.append(_key(item))
        except ValueError as error:
            problems += [f"must hold {FORM} for each key: key {number} has {wrong}" for wrong in error.args]
    if problems:
        raise ValueError(*problems)
    check_keys(keys)
    return tuple(keys)


def check_keys(keys: Sequence[EncryptionKey]) -> None:
    """Can they be one ring? Raises: ValueError, with one argument for each thing that is wrong."""
    problems = [] if keys else [f"must hold at least one key, as {FORM}"]
    for number, key in enumerate(keys):
        before = keys[:number]
        if any(other.id == key.id for other in before):
            problems.append(f"must not hold two keys with the id {key.id}")
        elif any(other.secret == key.secret for other in before):
            problems.append(f"must not hold one key under two ids: that of {key.id} is there before")
    if problems:
        raise ValueError(*problems)


def _key(item: str) -> EncryptionKey:
    key_id, _, encoded = item.partition(":")
    try:
        secret = b64decode(encoded, validate=True)
    except ValueError:
        secret = b""
    return EncryptionKey(key_id, secret)
