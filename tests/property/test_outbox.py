"""The queue of commands: nothing is lost, nothing is answered twice, whatever connections do."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.commands import Command, Ping
from protocol.outbox import Outbox, OutboxFull

pytestmark = pytest.mark.property


def queue(outbox: Outbox) -> int:
    ref = outbox.next_ref()
    outbox.add(ref, Ping(ref=ref))
    return ref


def take_all(outbox: Outbox, now: float = 0.0) -> list[int | str | None]:
    taken: list[int | str | None] = []
    while (command := outbox.take(now)) is not None:
        taken.append(command.ref)
    return taken


def test_sent_in_order_and_no_more_than_the_server_allows() -> None:
    outbox = Outbox()
    outbox.in_flight = 2
    refs = [queue(outbox) for _ in range(4)]
    assert take_all(outbox) == refs[:2]
    assert outbox.answered(refs[0])
    assert take_all(outbox) == [refs[2]]


def test_unanswered_commands_are_sent_again_in_their_old_order() -> None:
    outbox = Outbox()
    refs = [queue(outbox) for _ in range(3)]
    assert take_all(outbox) == refs
    assert outbox.answered(refs[1])
    outbox.disconnected()
    assert take_all(outbox) == [refs[0], refs[2]]


def test_a_repetition_waits_until_its_time_and_holds_up_nobody() -> None:
    outbox = Outbox()
    slow, fast = queue(outbox), queue(outbox)
    assert take_all(outbox) == [slow, fast]
    assert outbox.again(slow, not_before=5.0)
    assert outbox.wake_at() == 5.0
    assert take_all(outbox, now=4.9) == []
    assert take_all(outbox, now=5.0) == [slow]


def test_is_bounded() -> None:
    outbox = Outbox(most=2)
    first = queue(outbox)
    queue(outbox)
    with pytest.raises(OutboxFull):
        queue(outbox)
    outbox.forget(first)
    queue(outbox)


class Commands(RuleBasedStateMachine):
    """An outbox beside a plain list of what is still owed."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(most=20)
        self.outbox.in_flight = 3
        self.now = 0.0
        self.owed: list[int] = []
        self.on_the_wire: list[int] = []

    @rule()
    def give(self) -> None:
        if len(self.owed) < 20:
            self.owed.append(queue(self.outbox))
        else:
            with pytest.raises(OutboxFull):
                queue(self.outbox)

    @rule()
    def send(self) -> None:
        command: Command | None = self.outbox.take(self.now)
        if command is not None:
            assert isinstance(command.ref, int)
            assert command.ref in self.owed
            assert command.ref not in self.on_the_wire
            self.on_the_wire.append(command.ref)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if self.on_the_wire:
            ref = data.draw(st.sampled_from(self.on_the_wire))
            self.on_the_wire.remove(ref)
            self.owed.remove(ref)
            assert self.outbox.answered(ref)
            assert not self.outbox.answered(ref), "one answer ends it"

    @rule(data=st.data(), after=st.floats(min_value=0, max_value=10))
    def ask_again(self, data: st.DataObject, after: float) -> None:
        if self.on_the_wire:
            ref = data.draw(st.sampled_from(self.on_the_wire))
            self.on_the_wire.remove(ref)
            assert self.outbox.again(ref, self.now + after)

    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        if self.owed:
            ref = data.draw(st.sampled_from(self.owed))
            self.owed.remove(ref)
            self.outbox.forget(ref)
            if ref in self.on_the_wire:
                self.on_the_wire.remove(ref)

    @rule()
    def disconnect(self) -> None:
        self.outbox.disconnected()
        self.on_the_wire.clear()

    @rule(seconds=st.floats(min_value=0, max_value=10))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.outbox.refs() == self.owed

    @invariant()
    def no_more_on_the_wire_than_allowed(self) -> None:
        assert len(self.on_the_wire) <= 3

    @invariant()
    def whoever_waits_is_woken(self) -> None:
        """If time alone can make a command sendable, `wake_at` says when."""
        idle = set(self.owed) - set(self.on_the_wire)
        if idle and len(self.on_the_wire) < 3:
            assert self.outbox.wake_at() is not None

    def teardown(self) -> None:
        self.outbox.disconnected()
        sent = []
        while (command := self.outbox.take(float("inf"))) is not None:
            sent.append(command.ref)
            assert isinstance(command.ref, int)
            self.outbox.answered(command.ref)
        assert sent == self.owed, "after the last reconnect everything owed is sent, oldest first"


TestCommands = Commands.TestCase
TestCommands.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
