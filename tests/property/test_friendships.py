"""Two people acting in any order, against a model that knows only who has asked whom and whether they are friends."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.errors import Conflict, Forbidden, NotFound, RateLimited
from domain.friendships import (
    DAY_MS,
    Friendship,
    after_answer,
    after_end,
    after_request,
    check_requests,
    check_room,
    mirrored,
)

pytestmark = pytest.mark.property

ANA, BEN = 0, 1
people = st.sampled_from([ANA, BEN])


class TwoPeople(RuleBasedStateMachine):
    """`self.pair`: the friendship as Ana sees it. The model: the set of who has asked, and a flag."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Friendship.NONE
        self.askers: set[int] = set()
        self.are_friends = False

    def seen_by(self, person: int) -> Friendship:
        return self.pair if person == ANA else mirrored(self.pair)

    def store(self, person: int, friendship: Friendship) -> None:
        self.pair = friendship if person == ANA else mirrored(friendship)

    @rule(person=people)
    def request(self, person: int) -> None:
        self.store(person, after_request(self.seen_by(person)))
        if not self.are_friends:
            self.askers.add(person)
            if len(self.askers) == 2:
                self.askers, self.are_friends = set(), True

    @rule(person=people)
    def accept(self, person: int) -> None:
        has_been_asked = 1 - person in self.askers
        try:
            self.store(person, after_answer(self.seen_by(person), accept=True))
        except NotFound:
            assert not has_been_asked
            assert not self.are_friends
            return
        assert has_been_asked or self.are_friends
        self.askers, self.are_friends = set(), True

    @rule(person=people)
    def decline(self, person: int) -> None:
        try:
            self.store(person, after_answer(self.seen_by(person), accept=False))
        except Conflict:
            assert self.are_friends
            return
        assert not self.are_friends
        self.askers.discard(1 - person)

    @rule(person=people)
    def end(self, person: int) -> None:
        self.store(person, after_end(self.seen_by(person)))
        self.are_friends = False
        self.askers.discard(person)

    @rule(person=people, act=st.sampled_from(["request", "end", "decline"]))
    def twice_is_once(self, person: int, act: str) -> None:
        once = self.seen_by(person)
        step = {
            "request": after_request,
            "end": after_end,
            "decline": lambda f: f if f is Friendship.FRIENDS else after_answer(f, accept=False),
        }[act]
        if act == "request" and once is Friendship.INCOMING:
            assert step(step(once)) is Friendship.FRIENDS
        assert step(step(once)) is step(once)

    @invariant()
    def agrees_with_the_model(self) -> None:
        if self.are_friends:
            expected = Friendship.FRIENDS
        elif ANA in self.askers:
            expected = Friendship.REQUESTED
        elif BEN in self.askers:
            expected = Friendship.INCOMING
        else:
            expected = Friendship.NONE
        assert self.pair is expected
        assert mirrored(mirrored(self.pair)) is self.pair


TestTwoPeople = TwoPeople.TestCase
TestTwoPeople.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_limits_of_zero_are_none() -> None:
    check_room(10**6, 10**6, 0)
    check_requests(10**6, 0, 0, 0)


def test_either_side_may_be_full() -> None:
    check_room(999, 999, 1_000)
    for own, other in ((1_000, 0), (0, 1_000)):
        with pytest.raises(Forbidden):
            check_room(own, other, 1_000)


def test_the_request_too_many_says_when_there_is_room_again() -> None:
    check_requests(20, 0, 20, 5)
    with pytest.raises(RateLimited) as refused:
        check_requests(21, 1_000, 20, 5_000)
    assert refused.value.retry_after_ms == DAY_MS - 4_000
