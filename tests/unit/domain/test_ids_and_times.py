"""Ids that sort by time, and times as the protocol writes them."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import uuid7, uuid7_ms
from domain.times import from_ms, rfc3339, to_ms

pytestmark = pytest.mark.unit

MOMENTS_MS = st.integers(0, 4_102_444_800_000)


@given(MOMENTS_MS)
def test_an_id_is_a_version_7_uuid_of_its_moment(now_ms: int) -> None:
    text = uuid7(now_ms)
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert uuid7_ms(text) == now_ms


@given(MOMENTS_MS, st.integers(0, 2**80 - 1))
def test_the_same_noise_makes_the_same_id(now_ms: int, noise: int) -> None:
    text = uuid7(now_ms, noise)
    assert text == uuid7(now_ms, noise)
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (7, uuid.RFC_4122)
    assert uuid7_ms(text) == now_ms
    assert uuid7(now_ms, noise ^ 1) != text


@given(MOMENTS_MS, MOMENTS_MS)
def test_ids_sort_by_time(one: int, other: int) -> None:
    if one != other:
        assert (uuid7(one) < uuid7(other)) == (one < other)


@given(MOMENTS_MS)
def test_times_keep_their_milliseconds(now_ms: int) -> None:
    assert to_ms(from_ms(now_ms)) == now_ms
    text = rfc3339(now_ms)
    assert text.endswith("Z")
    assert len(text) == len("2026-01-31T12:00:00.000Z")
    assert int(text[-4:-1]) == now_ms % 1000
