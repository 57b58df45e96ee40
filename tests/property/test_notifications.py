"""Deciding, whatever the circumstances: nothing is sent that must not be, and whoever waits is asked again in time."""

from datetime import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.notifications import Circumstances, Decision, Presence, Reason, Send, Suppress, Timing, Wait, decide
from domain.preferences import Category, Channel, Preferences
from domain.quiet_hours import QuietHours

pytestmark = pytest.mark.property

AT_MS = 1_780_000_000_000
DAY_MS = 86_400_000
TIMING = Timing()
ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Pacific/Kiritimati"]

CHANNELS = st.sampled_from([Channel.PUSH, Channel.EMAIL])  # in_app: shown at once, never decided
CATEGORIES = st.sampled_from(Category)
SWITCHES = st.dictionaries(
    st.sampled_from([*Channel, *(f"{category}.{channel}" for category in Category for channel in Channel)]),
    st.booleans(),
    max_size=4,
)
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
PREFERENCES = st.builds(
    Preferences,
    switches=SWITCHES,
    quiet_hours=st.none() | st.builds(QuietHours, CLOCKS, CLOCKS, st.sampled_from(ZONES)),
)
RARELY = st.sampled_from([False] * 5 + [True])


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """All that `decide` is given; *after_ms*: since the event."""

    after_ms: int
    lasts_ms: int
    category: Category
    channel: Channel
    preferences: Preferences
    now: Circumstances

    def decide(self) -> Decision:
        return decide(
            AT_MS,
            AT_MS + self.lasts_ms,
            self.category,
            self.channel,
            self.preferences,
            self.now,
            AT_MS + self.after_ms,
            TIMING,
        )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    lasts_ms = draw(st.sampled_from([1, 60_000, 600_000, 7_200_000, DAY_MS]))
    after_ms = draw(st.integers(0, lasts_ms + 1) | st.integers(0, 20_000))
    sent_ago_ms = draw(st.none() | st.integers(0, 4_000_000))
    now = Circumstances(
        presence=draw(st.sampled_from(Presence)),
        has_target=not draw(RARELY),
        is_acked=draw(RARELY),
        is_read=draw(RARELY),
        is_undone=draw(RARELY),
        is_own_doing=draw(RARELY),
        is_blocked=draw(RARELY),
        is_muted=draw(RARELY),
        is_permitted=not draw(RARELY),
        sent_at_ms=AT_MS + after_ms - sent_ago_ms if sent_ago_ms is not None else None,
    )
    return Case(
        after_ms=after_ms,
        lasts_ms=lasts_ms,
        category=draw(CATEGORIES),
        channel=draw(CHANNELS),
        preferences=draw(PREFERENCES),
        now=now,
    )


@given(cases())
def test_what_is_sent_may_be_sent(case: Case) -> None:
    if case.decide() != Send():
        return
    now = case.now
    assert case.after_ms < case.lasts_ms
    assert now.has_target
    assert not now.is_undone
    assert not now.is_own_doing
    if case.category is not Category.ACCOUNT:
        assert not any((now.is_acked, now.is_read, now.is_blocked, now.is_muted))
        assert now.is_permitted
        assert case.preferences.wants(case.category, case.channel)
        assert case.channel is Channel.EMAIL or now.presence is not Presence.DO_NOT_DISTURB


@given(cases())
def test_a_wait_ends_later_and_not_beyond_the_end(case: Case) -> None:
    found = case.decide()
    if isinstance(found, Wait):
        assert AT_MS + case.after_ms < found.until_ms <= AT_MS + case.lasts_ms
        assert case.category is not Category.ACCOUNT


@given(cases())
def test_asked_again_when_it_says_it_comes_to_an_end(case: Case) -> None:
    """Only do-not-disturb and a presence that is unknown may go on for the same reason, and neither beyond the end."""
    waited: list[Reason] = []
    while isinstance(found := case.decide(), Wait):
        case = msgspec.structs.replace(case, after_ms=found.until_ms - AT_MS)
        waited.append(found.reason)
        assert len(waited) <= DAY_MS // TIMING.dnd_look_ms + 50
    others = [reason for reason in waited if reason not in {Reason.DO_NOT_DISTURB, Reason.PRESENCE_UNKNOWN}]
    assert len(others) <= 4
    if case.now.presence in {Presence.OFFLINE, Presence.CONNECTED}:
        assert len(set(waited)) == len(waited)


@given(cases())
def test_asking_twice_changes_nothing_and_what_is_suppressed_stays_so(case: Case) -> None:
    found = case.decide()
    assert found == case.decide()
    if isinstance(found, Suppress):
        later = msgspec.structs.replace(case, after_ms=case.after_ms + DAY_MS)
        assert isinstance(later.decide(), Suppress)


@given(cases())
def test_nobody_gets_less_for_having_no_quiet_hours_and_being_away(case: Case) -> None:
    found = case.decide()
    plain = msgspec.structs.replace(
        case,
        preferences=msgspec.structs.replace(case.preferences, quiet_hours=None),
        now=msgspec.structs.replace(case.now, presence=Presence.OFFLINE, sent_at_ms=None),
    )
    if isinstance(found, Suppress):
        assert plain.decide() == found
    elif case.channel is Channel.PUSH:
        assert plain.decide() == Send()


@given(cases())
def test_what_is_about_the_account_always_goes(case: Case) -> None:
    now = msgspec.structs.replace(
        case.now, has_target=True, is_acked=False, is_read=False, is_undone=False, is_own_doing=False
    )
    ours = msgspec.structs.replace(case, category=Category.ACCOUNT, now=now)
    assert ours.decide() == (Send() if case.after_ms < case.lasts_ms else Suppress(Reason.EXPIRED))
