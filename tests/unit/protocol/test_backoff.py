"""When a client comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.backoff import FIRST_S, MOST_S, STABLE_S, Backoff, ceiling_s

pytestmark = pytest.mark.unit


def test_ceiling_doubles_from_half_a_second_to_twenty() -> None:
    assert [ceiling_s(failures) for failures in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]


def test_starts_over_only_after_a_stable_connection() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(4):
        backoff.wait_s()
    backoff.ended(STABLE_S - 0.1)
    assert backoff.wait_s() == 8.0
    backoff.ended(STABLE_S)
    assert backoff.wait_s() == FIRST_S


def test_a_planned_end_waits_exactly_what_the_server_said_once() -> None:
    backoff = Backoff(lambda: 1.0)
    assert backoff.resume_s(700) == 0.7
    assert backoff.resume_s(700) > 0.7, "a hub that sends us away again and again gets jitter"


@given(
    chance=st.floats(min_value=0, max_value=1, exclude_max=True),
    ends=st.lists(st.tuples(st.floats(min_value=0, max_value=60), st.integers(min_value=-1, max_value=120_000))),
)
def test_waits_keep_to_their_bounds(chance: float, ends: list[tuple[float, int]]) -> None:
    backoff = Backoff(lambda: chance)
    failures = 0
    for lasted_s, retry_after_ms in ends:
        backoff.ended(lasted_s)
        failures = 0 if lasted_s >= STABLE_S else failures
        least = max(0, retry_after_ms) / 1000
        wait_s = backoff.wait_s(retry_after_ms)
        assert least <= wait_s <= least + min(MOST_S, FIRST_S * 2**failures)
        failures += 1


@given(failures=st.integers(min_value=-5, max_value=10**9))
def test_ceiling_is_always_a_usable_number(failures: int) -> None:
    assert FIRST_S <= ceiling_s(failures) <= MOST_S
