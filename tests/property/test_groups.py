"""Group hugs as a state machine against a plain model: whatever people do, in whatever order."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.errors import Conflict, Forbidden, NotFound, Refusal
from domain.group_steps import Told, apply
from domain.groups import (
    SEAT_KEPT_MS,
    Act,
    Away,
    Back,
    Cancel,
    Complete,
    Due,
    Group,
    GroupState,
    How,
    Invite,
    Join,
    Leave,
    Membership,
    SeatLost,
    Squeezed,
    make_group,
    seniority,
)

pytestmark = pytest.mark.property

PEOPLE = ("ana", "bo", "cleo", "dan", "eve")
NOW_MS = 1_780_000_000_000
users = st.sampled_from(PEOPLE)
REFUSALS: dict[str, type[Refusal]] = {"forbidden": Forbidden, "conflict": Conflict}
delays = st.sampled_from([0, 1, 1_000, SEAT_KEPT_MS, 300_000])
acts = st.one_of(
    st.builds(lambda by, some: Invite(by, dict.fromkeys(some, "name")), users, st.lists(users, max_size=3)),
    st.builds(lambda user: Join(user, user.title()), users),
    *(st.builds(kind, users) for kind in (Leave, Away, Back, SeatLost, Complete, Cancel)),
    st.just(Squeezed()),
    st.just(Due()),
)


def new_group(capacity: int = 3, starts_ms: int | None = None) -> Group:
    group = Group(
        id="room",
        creator="ana",
        host="ana",
        name="Sunday",
        state=GroupState.GATHERING,
        capacity=capacity,
        created_ms=NOW_MS,
        starts_ms=starts_ms,
        expires_ms=(starts_ms or NOW_MS) + 600_000,
        members={},
    )
    return make_group(group, "Ana")


class Model:
    """What a group should be, kept the simplest way: a list of who sits, in the order in which they came."""

    def __init__(self, capacity: int, starts_ms: int | None) -> None:
        self.capacity = capacity
        self.starts_ms = starts_ms
        self.expires_ms = (starts_ms or NOW_MS) + 600_000
        self.state = "gathering" if starts_ms is None else "scheduled"
        self.seats: dict[str, int] = {"ana": NOW_MS}
        self.away: dict[str, int] = {}
        self.invited: set[str] = set()
        self.declined: set[str] = set()
        self.took_part: set[str] = {"ana"}
        self.host = "ana"
        self.has_begun = False
        self.stood_up: set[str] = set()

    @property
    def is_over(self) -> bool:
        return self.state in ("completed", "expired", "cancelled")

    def do(self, act: Act, now_ms: int) -> str | None:
        """Carry it out; why not, in one word."""
        if self.is_over:
            return None
        if now_ms >= self.expires_ms:
            self.state = "expired"
            return None
        if self.state == "scheduled" and self.starts_ms is not None and now_ms >= self.starts_ms:
            self.state = "active" if self.seats else "gathering"
            self.has_begun = self.has_begun or bool(self.seats)
        return getattr(self, f"do_{type(act).__name__.lower()}")(act, now_ms)

    def do_due(self, _act: Due, _now_ms: int) -> None:
        return None

    def do_squeezed(self, _act: Squeezed, _now_ms: int) -> None:
        if self.state == "active":
            self.state = "completed"

    def do_complete(self, act: Complete, _now_ms: int) -> str | None:
        if act.by != self.host:
            return "forbidden"
        if not self.has_begun:
            return "conflict"
        self.state = "completed"
        return None

    def do_cancel(self, act: Cancel, _now_ms: int) -> str | None:
        if act.by != self.host:
            return "forbidden"
        self.state = "cancelled"
        return None

    def do_invite(self, act: Invite, _now_ms: int) -> str | None:
        if act.by not in self.seats:
            return "forbidden"
        self.invited |= set(act.users) - set(self.seats) - self.declined
        return None

    def do_join(self, act: Join, now_ms: int) -> str | None:
        if act.user in self.seats:
            self.away.pop(act.user, None)
            return None
        if len(self.seats) >= self.capacity:
            return "conflict"
        if not self.seats:
            self.host = act.user
        self.seats[act.user] = now_ms
        self.invited.discard(act.user)
        self.declined.discard(act.user)
        self.took_part.add(act.user)
        if self.state == "gathering" and len(self.seats) >= 2:
            self.state, self.has_begun = "active", True
        return None

    def do_leave(self, act: Leave, _now_ms: int) -> None:
        if act.user in self.invited:
            self.invited.discard(act.user)
            if act.user not in self.took_part and act.user not in self.stood_up:
                self.declined.add(act.user)
        if act.user in self.seats:
            self.stood_up.add(act.user)
            del self.seats[act.user]
            self.away.pop(act.user, None)
            if not self.has_begun:
                self.took_part.discard(act.user)
            if act.user == self.host and self.seats:
                self.host = min(self.seats, key=lambda user: (self.seats[user], user))
            if self.state == "active" and len(self.seats) < 2:
                self.state = "gathering"

    def do_away(self, act: Away, now_ms: int) -> None:
        if act.user in self.seats and self.state != "scheduled":
            self.away.setdefault(act.user, now_ms)

    def do_back(self, act: Back, _now_ms: int) -> None:
        if self.state != "scheduled":
            self.away.pop(act.user, None)

    def do_seatlost(self, act: SeatLost, now_ms: int) -> None:
        since = self.away.get(act.user)
        if since is not None and now_ms - since >= SEAT_KEPT_MS:
            self.do_leave(Leave(act.user), now_ms)


class Rooms(RuleBasedStateMachine):
    """Every act goes to the group and to the model."""

    @initialize(capacity=st.integers(2, 5), starts_in=st.sampled_from([None, None, 1_000, 400_000]))
    def create(self, capacity: int, starts_in: int | None) -> None:
        starts_ms = NOW_MS + starts_in if starts_in is not None else None
        self.now_ms = NOW_MS
        self.group = new_group(capacity, starts_ms)
        self.model = Model(capacity, starts_ms)
        self.told: list[tuple[Told, str]] = []

    @rule(act=acts, delay=delays)
    @precondition(lambda self: not self.model.is_over)
    def act(self, act: Act, delay: int) -> None:
        self.now_ms += delay
        before = self.group
        copy = msgspec.structs.asdict(before)
        refused = self.model.do(act, self.now_ms)
        if refused is not None:
            with pytest.raises(REFUSALS[refused]):
                apply(before, act, self.now_ms)
            act = Due()  # what time has brought is there all the same
        step = apply(before, act, self.now_ms)
        assert msgspec.structs.asdict(before) == copy, "what was handed in must stay as it is"
        assert apply(step.group, act, self.now_ms).group is step.group, "the same again is nothing new"
        assert step.group.version == before.version + (step.group is not before)
        self.group = step.group
        self.told += [(tiding.told, user) for tiding in step.tidings for user in tiding.to]
        changed = {m.user for m in step.group.members.values() if before.members.get(m.user) is not m}
        assert changed == {member.user for member in step.changed}
        assert all(step.group.members[m.user] is m and m.version == step.group.version for m in step.changed)

    @rule(act=acts, delay=delays)
    @precondition(lambda self: self.model.is_over)
    def act_when_over(self, act: Act, delay: int) -> None:
        self.now_ms += delay
        step = apply(self.group, act, self.now_ms)
        assert step.group is self.group
        assert (step.changed, step.tidings) == ((), ())

    @invariant()
    def agrees_with_the_model(self) -> None:
        group, model = self.group, self.model
        seated = {user: member.joined_ms for user, member in group.members.items() if member.is_joined}
        assert seated == model.seats
        assert group.joined == len(seated) <= group.capacity
        assert group.state == model.state
        assert group.host == model.host
        assert not seated or group.host in seated
        assert {user for user, m in group.members.items() if m.state is Membership.INVITED} == model.invited
        assert {user for user, m in group.members.items() if m.took_part} == model.took_part
        assert {user: m.away_ms for user, m in group.members.items() if m.away_ms is not None} == model.away
        assert (group.began_ms is not None) == model.has_begun
        assert (group.ended_ms is not None) == group.is_over
        assert (group.how is not None) == (group.state is GroupState.COMPLETED)

    @invariant()
    def tells_each_thing_once(self) -> None:
        ends = [user for told, user in self.told if told in (Told.COMPLETED, Told.CANCELLED)]
        assert len(ends) == len(set(ends))
        starts = [user for told, user in self.told if told is Told.STARTED]
        assert len(starts) == len(set(starts))
        if self.group.state is GroupState.COMPLETED:
            assert set(ends) == self.model.took_part
        elif self.group.is_over:
            assert set(ends) == set(self.model.seats) | self.model.invited
        else:
            assert not ends


TestRooms = Rooms.TestCase


@given(st.lists(st.tuples(acts, delays), max_size=30))
def test_the_host_is_the_earliest_after_a_host_has_left(plan: list[tuple[Act, int]]) -> None:
    group, now_ms = new_group(capacity=5), NOW_MS
    for act, delay in plan:
        now_ms += delay
        before = group
        try:
            group = apply(group, act, now_ms).group
        except Refusal:
            continue
        if group.joined and before.is_joined(before.host) and not group.is_joined(before.host):
            assert group.host == min((m for m in group.members.values() if m.is_joined), key=seniority).user


@given(st.permutations(PEOPLE[1:]), st.permutations(PEOPLE[1:]))
def test_those_of_one_millisecond_are_the_same_room_in_any_order(one: list[str], other: list[str]) -> None:
    def room(order: list[str]) -> Group:
        group = new_group(capacity=5)
        for user in order:
            group = apply(group, Join(user, user), NOW_MS + 1).group
        return apply(group, Leave("ana"), NOW_MS + 2).group

    first, second = room(one), room(other)
    assert first.host == second.host == "bo"
    assert first.members.keys() == second.members.keys()


def test_only_a_squeeze_in_an_active_room_completes_it() -> None:
    group = new_group()
    assert apply(group, Squeezed(), NOW_MS).group is group
    group = apply(group, Join("bo", "Bo"), NOW_MS).group
    done = apply(group, Squeezed(), NOW_MS + 5)
    assert (done.group.state, done.group.how) == (GroupState.COMPLETED, How.SQUEEZE)
    assert [(tiding.told, set(tiding.to)) for tiding in done.tidings] == [(Told.COMPLETED, {"ana", "bo"})]


def test_who_is_blocked_with_the_host_finds_no_group_unless_inside() -> None:
    group = new_group()
    barred = Join("bo", "Bo", frozenset({"ana"}))
    with pytest.raises(NotFound):
        apply(group, barred, NOW_MS)
    inside = apply(group, Join("bo", "Bo"), NOW_MS).group
    assert apply(inside, barred, NOW_MS).group is inside
    over = apply(inside, Complete("ana"), NOW_MS).group
    assert apply(over, barred, NOW_MS).group is over
    with pytest.raises(NotFound):
        apply(over, Join("cleo", "Cleo", frozenset({"ana"})), NOW_MS)


def test_no_more_than_the_most_are_invited() -> None:
    group = new_group()
    group = apply(group, Invite("ana", {"bo": "Bo", "cleo": "Cleo"}, most=2), NOW_MS).group
    with pytest.raises(Conflict):
        apply(group, Invite("ana", {"dan": "Dan"}, most=2), NOW_MS)
    assert apply(group, Invite("ana", {"bo": "Bo"}, most=2), NOW_MS).group is group
