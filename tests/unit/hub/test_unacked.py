"""Who is connected and does not ack: told after so many seconds, and when they leave."""

from collections.abc import Iterable

import pytest

from domain.presence import Rank
from hub.forms import Payload
from hub.node import Node
from hub.unacked import Unacked
from storage.inbox import InboxEvent

pytestmark = pytest.mark.unit

AFTER_S = 3


class Session:
    """A member that takes everything."""

    def __init__(self, user: str, acked: int = 0) -> None:
        self.id = f"session-{id(self)}"
        self.user = user
        self.name = "Ana"
        self.sid = "sid"
        self.rank = Rank.ONLINE
        self.cursor = 0
        self.acked = acked
        self.bundle: list[bytes] | None = None

    def offer(self, seq: int, _payload: Payload) -> bool:
        self.cursor = seq
        return True

    def tell(self, _payload: Payload) -> None: ...

    def show(self, _subject: str, _payload: Payload) -> None: ...

    def may_take(self) -> bool:
        return True

    def revoke(self) -> None: ...


class Hub:
    """A node that is watched, and whom the workers were told of."""

    def __init__(self) -> None:
        self.node = Node("one")
        self.told: list[list[str]] = []
        self.unacked = Unacked(self.node, AFTER_S, self._tell)

    def _tell(self, users: Iterable[str]) -> None:
        self.told.append(sorted(users))

    def join(self, user: str, acked: int = 0) -> Session:
        session = Session(user, acked)
        self.node.join(session)
        return session

    def bring(self, user: str, seq: int) -> None:
        self.node.deliver(InboxEvent(user, seq, b'{"type":"hug.received"}'))

    def seconds(self, count: int) -> list[list[str]]:
        """Let them go by; whom the workers were told of meanwhile."""
        before = len(self.told)
        for _ in range(count):
            self.unacked.look()
        return self.told[before:]


@pytest.fixture
def hub() -> Hub:
    return Hub()


def test_told_once_when_the_time_is_up_and_not_before(hub: Hub) -> None:
    hub.join("ana")
    hub.bring("ana", 1)
    assert hub.seconds(AFTER_S) == []  # up to a second less than that has gone by
    assert hub.seconds(1) == [["ana"]]
    assert hub.seconds(3 * AFTER_S) == []


def test_all_of_one_second_are_told_together(hub: Hub) -> None:
    for user in ("ana", "bo", "cleo"):
        hub.join(user)
        hub.bring(user, 7)
    hub.unacked.look()
    hub.bring("bo", 8)
    assert hub.seconds(AFTER_S) == [["ana", "bo", "cleo"]]
    assert hub.seconds(1) == [["bo"]]


def test_who_has_acked_is_left_alone(hub: Hub) -> None:
    session = hub.join("ana")
    for seq in (1, 2, 3):
        hub.bring("ana", seq)
    session.acked = 3
    assert hub.seconds(3 * AFTER_S) == []


def test_an_ack_of_less_than_all_is_not_enough(hub: Hub) -> None:
    session = hub.join("ana")
    for seq in (1, 2, 3):
        hub.bring("ana", seq)
    session.acked = 2
    assert hub.seconds(3 * AFTER_S) == [["ana"]]


def test_each_second_is_judged_by_what_came_in_it(hub: Hub) -> None:
    session = hub.join("ana")
    hub.bring("ana", 1)
    hub.unacked.look()
    hub.bring("ana", 2)
    session.acked = 1
    assert hub.seconds(AFTER_S) == []
    assert hub.seconds(1) == [["ana"]]


def test_one_session_that_acks_is_enough(hub: Hub) -> None:
    hub.join("ana")
    other = hub.join("ana")
    hub.join("ana")
    hub.bring("ana", 5)
    other.acked = 5
    assert hub.seconds(3 * AFTER_S) == []


def test_who_leaves_without_having_acked_is_told_of_at_once(hub: Hub) -> None:
    session = hub.join("ana")
    hub.bring("ana", 1)
    hub.node.leave(session)
    assert hub.told == [["ana"]]
    assert hub.seconds(3 * AFTER_S) == []  # and not again
    hub.node.leave(session)
    assert hub.told == [["ana"]]


def test_who_leaves_having_acked_or_having_got_nothing_is_not(hub: Hub) -> None:
    session = hub.join("ana")
    hub.bring("ana", 1)
    session.acked = 1
    hub.node.leave(session)
    hub.node.leave(hub.join("bo"))
    hub.bring("bo", 1)  # is not here any more
    assert hub.told == []
    assert hub.seconds(3 * AFTER_S) == []


def test_one_of_two_that_leaves_is_no_matter(hub: Hub) -> None:
    one, two = hub.join("ana"), hub.join("ana")
    hub.bring("ana", 1)
    hub.node.leave(one)
    assert hub.told == []
    hub.node.leave(two)
    assert hub.told == [["ana"]]


def test_who_comes_back_in_between_and_acks(hub: Hub) -> None:
    session = hub.join("ana")
    hub.bring("ana", 1)
    hub.node.leave(session)
    hub.told.clear()
    back = hub.join("ana", acked=0)
    hub.node.heard_of("ana", 1)
    back.acked = 1
    assert hub.seconds(3 * AFTER_S) == []


def test_what_the_mailbox_has_for_who_has_just_come_counts(hub: Hub) -> None:
    """It was brought by nobody's ring: the session reads it, and may never ack it."""
    hub.join("ana")
    hub.node.heard_of("ana", 4)
    hub.node.heard_of("bo", 4)  # is not here
    assert hub.seconds(AFTER_S + 1) == [["ana"]]
    session = hub.join("cleo", acked=4)
    hub.node.heard_of("cleo", 4)
    assert hub.seconds(3 * AFTER_S) == []
    hub.node.leave(session)
    assert hub.told == [["ana"]]


def test_an_older_head_takes_nothing_back(hub: Hub) -> None:
    session = hub.join("ana")
    hub.bring("ana", 3)
    hub.node.heard_of("ana", 1)
    session.acked = 1
    assert hub.seconds(AFTER_S + 1) == [["ana"]]
