"""Mutes that end, and how many one may follow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Forbidden, Invalid
from domain.marks import MUTE_MAX_MS, Mute, check_follows, check_until, is_muted

pytestmark = pytest.mark.unit

NOW_MS = 1_780_000_000_000
TIMES = st.integers(NOW_MS - 2 * MUTE_MAX_MS, NOW_MS + 2 * MUTE_MAX_MS)


def test_without_an_end_a_mute_is_for_good() -> None:
    check_until(None, NOW_MS)
    assert is_muted(Mute(None), NOW_MS)
    assert not is_muted(None, NOW_MS)


@given(TIMES)
def test_what_may_be_chosen_is_in_force_now_and_over_within_ten_years(until_ms: int) -> None:
    is_in_force = is_muted(Mute(until_ms), NOW_MS)
    is_over_in_time = not is_muted(Mute(until_ms), NOW_MS + MUTE_MAX_MS)
    if is_in_force and is_over_in_time:
        check_until(until_ms, NOW_MS)
    else:
        with pytest.raises(Invalid, match="eave `until` out"):
            check_until(until_ms, NOW_MS)


@pytest.mark.parametrize("until_ms", [NOW_MS + 1, NOW_MS + MUTE_MAX_MS])
def test_the_first_and_the_last_moment(until_ms: int) -> None:
    check_until(until_ms, NOW_MS)
    for wrong in (until_ms - MUTE_MAX_MS, until_ms + MUTE_MAX_MS):
        with pytest.raises(Invalid):
            check_until(wrong, NOW_MS)


def test_follows_have_a_limit() -> None:
    check_follows(4, 5)
    check_follows(1_000_000, 0)
    with pytest.raises(Forbidden, match="5 people"):
        check_follows(5, 5)
