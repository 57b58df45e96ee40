"""Envelopes of encrypted fields: their form, which keys open them, and what errors tell."""

import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from storage.encryption import Altered, KeyRing, UnknownKey, Unreadable, key_id_of
from storage.encryption_keys import EncryptionKey

pytestmark = pytest.mark.unit

ONE, OTHER = EncryptionKey("k0", bytes(range(32))), EncryptionKey("k1", b"1" * 32)  # one bit between the ids
PLACE = ("moods", "note", "0190b0a4-5f6e-7000-8000-000000000001")
NOTE = "Grüße 🫂"
# Sealed by the first version. Whatever becomes of the code, this has to open.
STORED = bytes.fromhex(
    "01026b30000102030405060708090a0b"  # version, length, k0, nonce
    "007015a7067aa73b7dde3c097b9a195bf5371c02bae097cb56f5b2e2"
)


def test_what_was_stored_still_opens() -> None:
    assert KeyRing([OTHER, ONE]).open(STORED, *PLACE) == NOTE


def test_an_envelope_is_as_documented() -> None:
    envelope = KeyRing([ONE]).seal(NOTE, *PLACE)
    assert envelope[:4] == b"\x01\x02k0"
    associated = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in PLACE)
    assert AESGCM(ONE.secret).decrypt(envelope[4:16], envelope[16:], associated) == NOTE.encode()
    assert len(envelope) == len(KeyRing([ONE]).head) + 28 + len(NOTE.encode())


def test_each_time_another_nonce() -> None:
    ring = KeyRing([ONE])
    assert len({ring.seal(NOTE, *PLACE)[4:16] for _ in range(100)}) == 100


def test_every_bit_counts() -> None:
    ring = KeyRing([ONE, OTHER])
    for bit in range(8 * len(STORED)):
        altered = bytearray(STORED)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unreadable):
            ring.open(bytes(altered), *PLACE)


def test_the_newest_key_seals_and_any_opens() -> None:
    before, after = KeyRing([ONE]), KeyRing([OTHER, ONE])
    old, new = before.seal(NOTE, *PLACE), after.seal(NOTE, *PLACE)
    assert (key_id_of(old), key_id_of(new)) == ("k0", "k1")
    assert (after.is_current(old), after.is_current(new)) == (False, True)
    assert old.startswith(before.head)
    assert after.open(old, *PLACE) == after.open(new, *PLACE) == NOTE


def test_current_is_not_what_merely_begins_alike() -> None:
    longer = KeyRing([EncryptionKey("k0-2", b"2" * 32)]).seal(NOTE, *PLACE)
    assert not KeyRing([ONE]).is_current(longer)


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(UnknownKey, match=r"moods\.note of 0190.* is encrypted with the key k0, which is not") as caught:
        KeyRing([OTHER]).open(STORED, *PLACE)
    assert caught.value.key_id == "k0"


def test_another_key_under_the_same_id_does_not_open() -> None:
    with pytest.raises(Altered):
        KeyRing([EncryptionKey("k0", b"x" * 32)]).open(STORED, *PLACE)


def test_errors_hold_no_text_and_no_key() -> None:
    note = "what nobody else may read"
    ring = KeyRing([ONE])
    envelope = ring.seal(note, *PLACE)
    for wrong in (envelope[:-1], envelope[:-1] + b"?"):
        with pytest.raises(Altered) as caught:
            ring.open(wrong, *PLACE)
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__dict__) + repr(ring)
        assert note not in told
        assert repr(ONE.secret)[2:20] not in told


def test_the_head_alone_and_garbage_are_no_envelopes() -> None:
    for garbage in (b"", b"\x01", b"\x01\x02k0", STORED[:31], b"\x02" + STORED[1:], b"\x01\x02K0" + STORED[4:]):
        with pytest.raises(Altered):
            key_id_of(garbage)
        with pytest.raises(Altered, match=r"moods\.note of 0190"):
            KeyRing([ONE]).open(garbage, *PLACE)


def test_a_ring_has_keys_each_once() -> None:
    for keys in ([], [ONE, ONE], [ONE, EncryptionKey("again", ONE.secret)]):
        with pytest.raises(ValueError, match="must"):
            KeyRing(keys)


def test_threads_may_share_a_ring() -> None:
    ring = KeyRing([OTHER, ONE])

    def there_and_back(number: int) -> bool:
        row, note = str(number), f"{number} " * (number % 50)
        return ring.open(ring.seal(note, "moods", "note", row), "moods", "note", row) == note

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(there_and_back, range(2_000)))
