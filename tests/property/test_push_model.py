"""The rules of the server, asked again and again as the workers ask them, against the model that shares nothing with them."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.notifications import KINDS, Circumstances, Presence, Send, Suppress, Timing, Wait, decide
from domain.preferences import Category, Channel, Preferences
from domain.quiet_hours import QuietHours
from domain.times import to_ms
from tests.support import push_model
from tests.support.push_model import HOUR_MS, MINUTE_MS, SECOND_MS, Happened, Person, expect

pytestmark = pytest.mark.property

MIDNIGHT = datetime(2026, 5, 20, tzinfo=UTC)
QUIET = QuietHours(time(1), time(5), "UTC")
TIMING = Timing()
ACTORS = ["me", "ana", "ben", "cleo"]


def quiet_nights() -> list[tuple[int, int]]:
    """Those of three days, in ms."""
    days = [to_ms(MIDNIGHT + number * timedelta(days=1)) for number in range(3)]
    return [(day + 1 * HOUR_MS, day + 5 * HOUR_MS) for day in days]


@st.composite
def people(draw: st.DrawFn) -> Person:
    """Nothing about them changes, so that it does not matter when exactly they are looked at."""
    names = st.sets(st.sampled_from(ACTORS), max_size=1)
    return Person(
        devices=dict.fromkeys(draw(st.sampled_from([[], ["phone"], ["phone"], ["phone", "tablet"]])), 0),
        off=frozenset(draw(st.sets(st.sampled_from(["push", "hugs", "groups"]), max_size=1)) if draw(RARELY) else ()),
        quiet=quiet_nights() if draw(st.booleans()) else (),
        presence=[(0, draw(st.sampled_from(["offline", "offline", "connected", "do_not_disturb"])))],
        muted=dict.fromkeys(draw(names), 0),
        blocked=dict.fromkeys(draw(names), 0) if draw(RARELY) else {},
    )


RARELY = st.sampled_from([False, False, False, True])


@st.composite
def histories(draw: st.DrawFn) -> list[Happened]:
    """Up to a day of events, in bursts; what is acked is acked up to there."""
    now_ms = to_ms(MIDNIGHT) + draw(st.integers(0, 6 * HOUR_MS))
    events = []
    acks_ms = draw(st.lists(st.integers(now_ms, now_ms + 3 * HOUR_MS), max_size=2))
    for seq in range(1, draw(st.integers(1, 12)) + 1):
        now_ms += draw(st.integers(0, 3 * SECOND_MS) | st.integers(0, 12 * MINUTE_MS) | st.integers(0, 6 * HOUR_MS))
        lasts_ms = draw(st.none() | st.integers(1, HOUR_MS))
        acked_ms = min((ack_ms for ack_ms in acks_ms if ack_ms > now_ms), default=None)
        events.append(
            Happened(
                seq=seq,
                at_ms=now_ms,
                kind=draw(st.sampled_from(["hug.received", "group.started", "account.notice"])),
                actor=draw(st.sampled_from(ACTORS)),
                acked_ms=acked_ms,
                undone_ms=now_ms + draw(st.integers(0, HOUR_MS)) if draw(RARELY) else None,
                expires_ms=now_ms + lasts_ms if lasts_ms is not None and draw(RARELY) else None,
            )
        )
    return events


class Server:
    """One burst, looked at whenever it is due or something comes in."""

    def __init__(self, person: Person, events: list[Happened]) -> None:
        self.person = person
        self.events = events
        self.kind = KINDS[events[0].kind]
        self.sent_ms: int | None = None
        self.fates: dict[int, str] = {}
        self.pushes: list[tuple[int, list[int]]] = []

    def run(self) -> None:
        coming = sorted(event.at_ms for event in self.events)
        due_ms: int | None = None
        while coming or due_ms is not None:
            now_ms = min(moment for moment in (*coming[:1], due_ms) if moment is not None)
            coming = [moment for moment in coming if moment > now_ms]
            due_ms = self.look(now_ms)

    def look(self, now_ms: int) -> int | None:
        """When to look again; None: nothing waits."""
        asked = {
            event.seq: self.decide(event, now_ms)
            for event in self.events
            if event.at_ms <= now_ms and self.fates.get(event.seq, "sent") == "sent"
        }
        waiting = {seq: decision for seq, decision in asked.items() if seq not in self.fates}
        going = [seq for seq, decision in waiting.items() if isinstance(decision, Send)]
        self.fates |= {seq: str(one.reason) for seq, one in waiting.items() if isinstance(one, Suppress)}
        if going:
            before = [seq for seq, one in asked.items() if seq not in waiting and not isinstance(one, Suppress)]
            self.pushes.append((now_ms, sorted(before + going)))
            self.fates |= dict.fromkeys(going, "sent")
            self.sent_ms = now_ms
        return min((one.until_ms for one in waiting.values() if isinstance(one, Wait)), default=None)

    def decide(self, event: Happened, now_ms: int) -> Send | Wait | Suppress:
        person, ttl_ms = self.person, self.kind.ttl // timedelta(milliseconds=1)
        ends_ms = event.at_ms + ttl_ms
        now = Circumstances(
            presence=Presence(person.presence[0][1]),
            has_target=bool(person.devices),
            is_acked=event.acked_ms is not None and event.acked_ms <= now_ms,
            is_undone=event.undone_ms is not None and event.undone_ms <= now_ms,
            is_own_doing=event.actor == person.id,
            is_blocked=event.actor in person.blocked,
            is_muted=event.actor in person.muted,
            sent_at_ms=self.sent_ms,
        )
        return decide(
            event.at_ms,
            ends_ms if event.expires_ms is None else min(ends_ms, event.expires_ms),
            self.kind.category or Category.INSIGHTS,
            Channel.PUSH,
            Preferences(
                switches={"push" if each == "push" else f"{each}.push": False for each in person.off},
                quiet_hours=QUIET if person.quiet else None,
            ),
            now,
            now_ms,
            TIMING,
        )


@settings(deadline=None, max_examples=300)
@given(people(), histories())
def test_the_rules_come_to_what_the_model_says(person: Person, events: list[Happened]) -> None:
    expected = expect(person, events)
    for kind in {event.kind for event in events}:
        server = Server(person, [event for event in events if event.kind == kind])
        server.run()
        pushes = [push for push in expected.pushes if push.kind == kind]
        assert server.pushes == [(push.not_before_ms, list(push.covers)) for push in pushes]
        told = {event.seq: expected.fates[event.seq] for event in server.events}
        assert sent(server.fates) == sent(told)
        if not person.quiet and person.presence[0][1] == push_model.OFFLINE:
            assert server.fates == told  # otherwise it depends on when it is looked at which reason comes first


def sent(fates: Mapping[int, str]) -> set[int]:
    return {seq for seq, fate in fates.items() if fate == "sent"}


def test_the_model_knows_the_kinds_that_are_pushed() -> None:
    pushed = {name: kind for name, kind in KINDS.items() if kind.is_pushed and kind.category is not None}
    assert {
        name: (str(kind.category), kind.ttl // timedelta(milliseconds=1)) for name, kind in pushed.items()
    } == push_model.KINDS
