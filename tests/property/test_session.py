"""The session as a state machine, against a model that is just a list of numbers.

Whatever order rings come in, however often the socket stalls, and however slowly the client
acknowledges: what was written is 1, 2, 3 … and in the end everything arrives.
"""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hub.forms import Form, Payload
from hub.node import Node
from hub.session import UNACKED_MAX, Session
from protocol.codec import Codec, numbered
from protocol.codes import CloseCode
from protocol.events import CaughtUp
from storage.inbox import InboxEvent

pytestmark = pytest.mark.property

USER = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
BODY = b'{"type":"hug.received"}'


class RecordingWire:
    """A connection that keeps what was written."""

    codec = Codec.JSON
    form = Form.JSON
    address = "test"

    def __init__(self) -> None:
        self.messages: list[dict[str, object]] = []
        self.is_stalled = False
        self.closed: CloseCode | None = None
        self.is_held = False

    def write(self, data: bytes) -> None:
        start = 2 if data[1] < 126 else 4
        self.messages.append(json.loads(data[start:]))

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code

    def take(self, payload: Payload) -> bool:
        if self.has_room():
            self.write(payload.bytes_as(self.form))
        return self.has_room()

    def has_room(self) -> bool:
        return not self.is_stalled

    def hold(self) -> None:
        self.is_held = True

    def release(self) -> None:
        self.is_held = False

    @property
    def seqs(self) -> list[object]:
        return [message["seq"] for message in self.messages if message["type"] == "hug.received"]


class SessionMachine(RuleBasedStateMachine):
    """One session of a user whose mailbox grows; rings come late, twice, or never."""

    @initialize(before=st.integers(0, 400), held=st.integers(0, 400))
    def open(self, before: int, held: int) -> None:
        self.start = min(held, before)
        self.head = before
        self.unrung: list[int] = []
        self.wire = RecordingWire()
        self.node = Node("node")
        self.session = Session("s", self.wire, self.node, lambda _session, _data: None, None)
        self.session.joined(USER)
        self.node.heard_of(USER, self.head)
        self.session.opened(CaughtUp(seq=0), cursor=self.start, replay_to=self.head)

    @rule(count=st.integers(1, 30))
    def commit(self, count: int) -> None:
        self.unrung += range(self.head + 1, self.head + count + 1)
        self.head += count

    @precondition(lambda self: self.unrung)
    @rule(data=st.data())
    def ring_any(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(self.unrung))
        self.node.deliver(InboxEvent(USER, seq, BODY))

    @precondition(lambda self: self.unrung)
    @rule()
    def ring_in_order(self) -> None:
        for seq in self.unrung:
            self.node.deliver(InboxEvent(USER, seq, BODY))
        self.unrung.clear()

    @precondition(lambda self: self.unrung)
    @rule()
    def lose_rings(self) -> None:
        self.unrung.clear()

    @rule()
    def stall(self) -> None:
        self.wire.is_stalled = True

    @rule()
    def drain(self) -> None:
        self.wire.is_stalled = False
        self.session.room_again()

    @rule(back=st.integers(0, 300))
    def ack(self, back: int) -> None:
        self.session.ack(max(self.start, self.session.cursor - back))

    @rule(rows=st.integers(1, 40))
    def read_mailbox(self, rows: int) -> None:
        if self.session in self.node.behind:
            for seq in range(self.session.cursor + 1, min(self.session.cursor + rows, self.head) + 1):
                self.session.offer(seq, Payload(numbered(BODY, seq)))
            if not self.session.may_take() or not self.node.is_short(self.session):
                self.node.behind.discard(self.session)

    @rule()
    def compare(self) -> None:
        self.node.heard_of(USER, self.head)

    @invariant()
    def written_in_order_without_gap(self) -> None:
        assert self.wire.seqs == list(range(self.start + 1, self.session.cursor + 1))

    @invariant()
    def window_holds(self) -> None:
        assert self.session.cursor - self.session.acked <= UNACKED_MAX

    @invariant()
    def nobody_is_forgotten(self) -> None:
        """Whoever is short of what the node has heard of, and could take it, is being read for."""
        if self.node.is_short(self.session) and self.session.may_take():
            assert self.session in self.node.behind

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        self.drain()
        while self.session.cursor < self.head:
            before = self.session.cursor
            self.ack(0)
            self.compare()
            self.read_mailbox(40)
            assert self.session.cursor > before, "the session is stuck"
        caught_up = [message for message in self.wire.messages[1:] if message["type"] == "caught_up"]
        assert len(caught_up) == 1


TestSession = SessionMachine.TestCase
TestSession.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
