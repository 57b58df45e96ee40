"""The breaker: while it is open nothing but a probe, and none before its time; one answer closes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workers.push.breaker import OPEN_AFTER, PAUSE_MAX_S, PAUSE_MIN_S, Breaker

pytestmark = pytest.mark.property

MOST = 8
moments = st.sampled_from([0.0, 0.001, 0.5, 1.0, 2.0, 30.0, 61.0])


class Sender(RuleBasedStateMachine):
    """Begins whatever it is allowed to, and is told of a failure or an answer to any of it in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 1_000.0
        self.flying = 0
        self.failures = 0  # in a row
        self.not_before = 0.0
        self.times_opened = 0

    @property
    def is_open(self) -> bool:
        return self.failures >= OPEN_AFTER

    def allowed(self) -> int:
        return self.breaker.allowed(self.now, self.flying, MOST)

    @rule(seconds=moments)
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def begin(self) -> None:
        count = self.allowed()
        if self.is_open and count:
            assert count == 1
            assert self.flying == 0
            assert self.now >= self.not_before
        self.flying += count

    @precondition(lambda self: self.flying)
    @rule(retry_after_s=st.sampled_from([0.0, 0.0, 5.0, 600.0]))
    def fail(self, retry_after_s: float) -> None:
        is_late = self.is_open and self.now < self.not_before  # it was under way when the breaker opened
        self.flying -= 1
        self.failures += 1
        if self.is_open and not is_late:
            self.times_opened += self.failures == OPEN_AFTER
            self.not_before = self.now + max(PAUSE_MIN_S, retry_after_s)
        self.breaker.failed(self.now, retry_after_s)

    @precondition(lambda self: self.flying)
    @rule()
    def answer(self) -> None:
        self.flying -= 1
        self.failures = 0
        self.breaker.succeeded()

    @invariant()
    def it_is_what_it_was_told(self) -> None:
        assert self.breaker.is_open == self.is_open
        assert self.breaker.opened == self.times_opened
        assert 0 <= self.allowed() <= MOST - self.flying
        if not self.is_open:
            assert self.allowed() == MOST - self.flying
            assert self.breaker.wait_s(self.now) == 0

    @invariant()
    def it_says_how_long_nothing_may_be_begun(self) -> None:
        wait_s = self.breaker.wait_s(self.now)
        if self.is_open and not self.flying:
            assert (self.allowed() == 0) == (wait_s > 0)
            assert self.breaker.allowed(self.now + wait_s + 1e-6, 0, MOST) == 1


TestSender = Sender.TestCase


@given(st.lists(st.just(0.0) | st.floats(0, 10), min_size=1, max_size=20))
def test_pauses_grow_up_to_a_minute_and_begin_again_small(late: list[float]) -> None:
    breaker, now = Breaker(), 0.0
    for _ in range(OPEN_AFTER):
        breaker.failed(now)
    pause = PAUSE_MIN_S
    for seconds in late:
        assert breaker.wait_s(now) == pytest.approx(pause)
        now += pause + seconds + 1e-6
        assert breaker.allowed(now, 0, MOST) == 1
        breaker.failed(now)
        pause = min(PAUSE_MAX_S, pause * 2)
    breaker.succeeded()
    assert breaker.allowed(now, 3, MOST) == MOST - 3
    for _ in range(OPEN_AFTER):
        breaker.failed(now)
    assert (breaker.wait_s(now), breaker.opened) == (pytest.approx(PAUSE_MIN_S), 2)


@given(st.floats(0, 3_600))
def test_a_probe_waits_as_long_as_the_provider_has_asked_for(retry_after_s: float) -> None:
    breaker = Breaker()
    for _ in range(OPEN_AFTER - 1):
        breaker.failed(0.0, retry_after_s)
        assert breaker.allowed(0.0, 0, MOST) == MOST
    breaker.failed(0.0, retry_after_s)
    until = max(PAUSE_MIN_S, retry_after_s)
    assert breaker.allowed(until - 1e-6, 0, MOST) == 0
    assert breaker.allowed(until, 0, MOST) == 1
    assert breaker.allowed(until, 1, MOST) == 0


def test_failures_of_what_was_under_way_do_not_put_off_the_probe() -> None:
    breaker = Breaker()
    for _ in range(OPEN_AFTER):
        breaker.failed(0.0)
    for _ in range(50):
        breaker.failed(PAUSE_MIN_S / 2, 600.0)
    assert breaker.allowed(PAUSE_MIN_S, 0, MOST) == 1


def test_more_under_way_than_may_be_is_no_reason_to_take_any_back() -> None:
    assert Breaker().allowed(0.0, MOST + 3, MOST) == 0
