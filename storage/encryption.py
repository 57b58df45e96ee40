"""Encrypted fields: text that must be unreadable in the database, in dumps and in Redis is stored as an envelope.

    version, 1 byte | length of the key id, 1 byte | key id, ASCII | nonce, 12 bytes | ciphertext with its tag

AES-256-GCM. The associated data says where the envelope belongs, so that it opens at no other table, column or row.
Nonces are random, hence one key is good for 2**32 envelopes (NIST SP 800-38D, section 8.3): a new one is due long
before, as operating.md tells. Invariant: no exception and no repr holds plaintext or a key.
"""

import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.encryption_keys import ID, EncryptionKey, check_keys

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16

_ID = re.compile(ID.encode())
_ANY_TEXT = "surrogatepass"  # a UnicodeEncodeError would carry the text


class Unreadable(Exception):  # noqa: N818  reads as what it is
    """An envelope that cannot be opened. The message says where it lies, and why."""


class UnknownKey(Unreadable):
    """It was sealed with the key `key_id`, which is not in the ring."""

    def __init__(self, place: str, key_id: str) -> None:
        super().__init__(f"{place} is encrypted with the key {key_id}, which is not among the keys given.")
        self.key_id = key_id


class Altered(Unreadable):
    """It is no envelope, or not as it was sealed, or lies where it does not belong."""

    def __init__(self, place: str) -> None:
        super().__init__(f"{place} is not what was encrypted for it: altered, moved or cut off.")


class KeyRing:
    """Seals with the newest key and opens with any. Has no state but its keys: threads may share it.

    An envelope belongs to a table, a column and the id of a row, in the one form in which that id is always written.
    """

    def __init__(self, keys: Sequence[EncryptionKey]) -> None:
        """*keys*: the newest first. Raises: ValueError if there is none, or one twice."""
        check_keys(keys)
        self._ciphers = {key.id: AESGCM(key.secret) for key in keys}
        self._newest = self._ciphers[keys[0].id]
        self._head = head_of(keys[0].id)

    @property
    def head(self) -> bytes:
        """What each envelope of the newest key begins with, and no other: so SQL can find those to seal anew."""
        return self._head

    def seal(self, plain: str, table: str, column: str, row_id: str) -> bytes:
        """The envelope of *plain*, another one each time; `len(head)` + 28 bytes longer than its UTF-8."""
        nonce = os.urandom(NONCE_BYTES)
        data = plain.encode(errors=_ANY_TEXT)
        return self._head + nonce + self._newest.encrypt(nonce, data, _associated(table, column, row_id))

    def open(self, envelope: bytes, table: str, column: str, row_id: str) -> str:
        """What was sealed for this place. Raises: UnknownKey, Altered."""
        place = f"{table}.{column} of {row_id}"
        key_id, start = _read_head(envelope, place)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnknownKey(place, key_id)
        nonce, data = envelope[start : start + NONCE_BYTES], envelope[start + NONCE_BYTES :]
        try:
            plain = cipher.decrypt(nonce, data, _associated(table, column, row_id))
        except InvalidTag:
            raise Altered(place) from None
        return plain.decode(errors=_ANY_TEXT)

    def is_current(self, envelope: bytes) -> bool:
        """Was it sealed with the newest key? Looks at the head only."""
        return envelope.startswith(self._head)


def head_of(key_id: str) -> bytes:
    """What each envelope of that key begins with, and no other."""
    return bytes((VERSION, len(key_id))) + key_id.encode("ascii")


def key_id_of(envelope: bytes) -> str:
    """The id of the key that it says it was sealed with. Raises: Altered if it is no envelope."""
    return _read_head(envelope, "An envelope")[0]


def _read_head(envelope: bytes, place: str) -> tuple[str, int]:
    """The id of the key, and where the nonce begins. Raises: Altered."""
    end = 2 + envelope[1] if len(envelope) > 1 else 0
    key_id = envelope[2:end]
    is_whole = len(envelope) >= end + NONCE_BYTES + TAG_BYTES
    if not is_whole or envelope[0] != VERSION or not _ID.fullmatch(key_id):
        raise Altered(place)
    return key_id.decode("ascii"), end


def _associated(*place: str) -> bytes:
    """Each part behind its length: no two places give the same bytes."""
    parts = [part.encode() for part in place]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
