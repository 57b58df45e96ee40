"""Envelopes of encrypted fields, whatever is in them: they open where they belong, unaltered, and nowhere else."""

from contextlib import suppress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from storage.encryption import KeyRing, Unreadable, key_id_of
from storage.encryption_keys import EncryptionKey

pytestmark = pytest.mark.property

KEYS = [EncryptionKey("k0", b"0" * 32), EncryptionKey("k1", b"1" * 32), EncryptionKey("0123456789abcdef", b"2" * 32)]
NEWEST, *_ = RINGS = [KeyRing([key, *(other for other in KEYS if other is not key)]) for key in KEYS]
PLACE = ("moods", "note", "1")

texts = st.text(st.characters())  # lone surrogates as well
places = st.tuples(*[st.text("ab\0.\x01", max_size=3)] * 3)


@given(texts, st.tuples(st.text(), st.text(), st.text()), st.sampled_from(RINGS))
@example("", PLACE, NEWEST)
@example("a\0b", PLACE, NEWEST)
@example("👩🏽‍🤝‍👩🏻", PLACE, NEWEST)
@example("\ud800", PLACE, NEWEST)
@example("x" * 100_000, PLACE, NEWEST)
def test_what_goes_in_comes_out_with_any_ring_that_has_the_key(
    text: str, place: tuple[str, str, str], ring: KeyRing
) -> None:
    envelope = ring.seal(text, *place)
    assert [other.open(envelope, *place) for other in RINGS] == [text] * len(RINGS)
    assert [other.is_current(envelope) for other in RINGS] == [other is ring for other in RINGS]


@given(st.text(min_size=8))
def test_the_text_is_not_in_the_envelope(text: str) -> None:
    assert text.encode() not in NEWEST.seal(text, *PLACE)


@given(texts, st.sampled_from(RINGS), st.data())
def test_one_bit_is_enough(text: str, ring: KeyRing, data: st.DataObject) -> None:
    envelope = bytearray(ring.seal(text, *PLACE))
    bit = data.draw(st.integers(0, 8 * len(envelope) - 1))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unreadable):
        ring.open(bytes(envelope), *PLACE)


@given(texts, st.data())
def test_a_part_or_more_is_not_the_whole(text: str, data: st.DataObject) -> None:
    envelope = NEWEST.seal(text, *PLACE)
    for wrong in (
        envelope[: data.draw(st.integers(0, len(envelope) - 1))],
        envelope[data.draw(st.integers(1, len(envelope))) :],
        envelope + data.draw(st.binary(min_size=1)),
    ):
        with pytest.raises(Unreadable):
            NEWEST.open(wrong, *PLACE)


@given(texts, places, places)
@example("", ("a", "bc", ""), ("ab", "c", ""))
def test_it_opens_at_no_other_place(text: str, place: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assume(place != other)
    envelope = NEWEST.seal(text, *place)
    with pytest.raises(Unreadable):
        NEWEST.open(envelope, *other)


@given(st.binary())
def test_any_bytes_are_unreadable_and_nothing_worse(garbage: bytes) -> None:
    with pytest.raises(Unreadable):
        NEWEST.open(garbage, *PLACE)
    with suppress(Unreadable):
        key_id_of(garbage)
