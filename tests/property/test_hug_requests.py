"""A request for a hug as a state machine, against a model that knows who did what, in which order, and the time."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.errors import Conflict, Expired, RateLimited, Refusal
from domain.hug_requests import (
    COMMUNITY_HUGS_MAX,
    HOUR_MS,
    NO_REQUEST_LIMITS,
    OPEN_MAX,
    Asked,
    Deed,
    HugRequest,
    RequestLimits,
    RequestState,
    after_cancel,
    after_decline,
    after_hug,
    after_time,
    check_may_ask_again,
    expires_ms,
    shown_to_asker,
    shown_to_receiver,
    state_at,
)

pytestmark = pytest.mark.property

RECEIVERS = COMMUNITY_HUGS_MAX + 2
receivers = st.integers(0, RECEIVERS - 1)


@contextmanager
def refused(kind: type[Refusal] | None) -> Iterator[None]:
    """The block raises *kind*, or nothing if that is None."""
    if kind is None:
        yield
        return
    with pytest.raises(kind):
        yield


class OneRequest(RuleBasedStateMachine):
    """The model: who hugged and who declined, whether it was withdrawn, and the clock."""

    @initialize(is_community=st.booleans())
    def ask(self, is_community: bool) -> None:
        self.now_ms = 1_000
        self.end_ms = expires_ms(self.now_ms, is_community=is_community)
        self.request = HugRequest(is_community, RequestState.OPEN, 0, self.end_ms)
        self.deeds = dict.fromkeys(range(RECEIVERS if is_community else 1), Deed.NOTHING)
        self.most = COMMUNITY_HUGS_MAX if is_community else 1
        self.is_withdrawn = False
        self.is_late = False  # the time was up before anything settled it

    @property
    def hugs(self) -> int:
        return sum(deed is Deed.HUGGED for deed in self.deeds.values())

    @property
    def is_declined(self) -> bool:
        return not self.request.is_community and self.deeds[0] is Deed.DECLINED

    @property
    def is_over(self) -> bool:
        return self.hugs == self.most or self.is_declined or self.is_withdrawn or self.is_late

    @rule(receiver=receivers)
    def hug(self, receiver: int) -> None:
        receiver %= len(self.deeds)
        deed, before = self.deeds[receiver], self.request
        why = Conflict if deed is Deed.DECLINED else Expired if deed is Deed.NOTHING and self.is_over else None
        with refused(why):
            self.request = after_hug(before, deed, self.now_ms)
            self.deeds[receiver] = Deed.HUGGED
        if deed is Deed.HUGGED:
            assert self.request is before, "hugging again changes nothing"

    @rule(receiver=receivers)
    def decline(self, receiver: int) -> None:
        receiver %= len(self.deeds)
        deed, before = self.deeds[receiver], self.request
        seen = shown_to_asker(before, self.now_ms)
        why = Conflict if deed is Deed.HUGGED else Expired if deed is Deed.NOTHING and self.is_over else None
        with refused(why):
            self.request = after_decline(before, deed, self.now_ms)
            self.deeds[receiver] = Deed.DECLINED
        assert shown_to_asker(self.request, self.now_ms) is seen, "declining is silent"
        if before.is_community:
            assert self.request is before

    @rule()
    def cancel(self) -> None:
        why = Expired if not self.is_withdrawn and (self.is_late or self.hugs == self.most) else None
        with refused(why):
            self.request = after_cancel(self.request, self.now_ms)
            self.is_withdrawn = True

    @rule(part=st.sampled_from([1, 2, 5]), is_written_down=st.booleans())
    def wait(self, part: int, is_written_down: bool) -> None:
        self.now_ms += (self.end_ms - 1_000) // part
        if self.now_ms >= self.end_ms and self.hugs < self.most and not self.is_withdrawn:
            self.is_late = True
        if is_written_down:
            self.request = after_time(self.request, self.now_ms)
            assert after_time(self.request, self.now_ms) == self.request

    @invariant()
    def it_is_what_the_model_says(self) -> None:
        expected = RequestState.OPEN
        if self.hugs == self.most:
            expected = RequestState.FULFILLED
        elif self.is_withdrawn:
            expected = RequestState.CANCELLED
        elif self.is_late:
            expected = RequestState.EXPIRED
        assert shown_to_asker(self.request, self.now_ms) is expected
        assert self.request.hugs == self.hugs <= self.most
        if expected is not RequestState.OPEN:
            assert state_at(self.request, self.now_ms) is expected
        for deed in self.deeds.values():
            shown = shown_to_receiver(self.request, deed, self.now_ms)
            assert shown is (RequestState.DECLINED if deed is Deed.DECLINED else state_at(self.request, self.now_ms))


TestOneRequest = OneRequest.TestCase
TestOneRequest.settings = settings(max_examples=100, stateful_step_count=40)

moments = st.none() | st.integers(0, 10 * HOUR_MS)
counts = st.integers(0, OPEN_MAX + 2)


@given(
    asked=st.builds(
        Asked,
        within_hour=counts,
        first_within_hour_ms=moments,
        open=counts,
        first_expires_ms=moments,
        community_open=counts,
        first_community_expires_ms=moments,
    ),
    limits=st.builds(RequestLimits, an_hour=st.integers(0, 12), community_open=st.integers(0, 4)),
    is_community=st.booleans(),
)
def test_a_limit_is_passed_exactly_if_one_more_would_be_too_many(
    asked: Asked, limits: RequestLimits, is_community: bool
) -> None:
    too_many = (
        asked.open >= OPEN_MAX
        or (limits.an_hour > 0 and asked.within_hour >= limits.an_hour)
        or (is_community and limits.community_open > 0 and asked.community_open >= limits.community_open)
    )
    with refused(RateLimited if too_many else None):
        check_may_ask_again(asked, limits, 5 * HOUR_MS, is_community=is_community)


def test_without_limits_only_the_size_holds() -> None:
    asked = Asked(1_000, 0, OPEN_MAX - 1, 1, OPEN_MAX - 1, 1)
    check_may_ask_again(asked, NO_REQUEST_LIMITS, 10, is_community=True)
    with pytest.raises(RateLimited, match="50 open requests"):
        check_may_ask_again(Asked(0, None, OPEN_MAX, 70, 0, None), NO_REQUEST_LIMITS, 10, is_community=False)


def test_a_refusal_says_when_there_is_room_again() -> None:
    asked = Asked(10, 1_000, 3, 70_000, 3, 80_000)
    for limits, is_community, until_ms in [
        (RequestLimits(), False, 1_000 + HOUR_MS),
        (RequestLimits(an_hour=0), True, 80_000),
    ]:
        with pytest.raises(RateLimited) as caught:
            check_may_ask_again(asked, limits, 5_000, is_community=is_community)
        assert caught.value.retry_after_ms == until_ms - 5_000
