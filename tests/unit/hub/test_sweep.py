"""The node's one timer."""

import pytest

from hub.sweep import Sweep

pytestmark = pytest.mark.unit


class Item:
    """Notes when it was asked, and wants to be asked again after each of *gaps* seconds."""

    def __init__(self, *gaps: int) -> None:
        self.due = 0
        self.gaps = list(gaps)
        self.asked: list[int] = []

    def check(self, now: int) -> int:
        self.asked.append(now)
        return now + self.gaps.pop(0) if self.gaps else 0


def test_each_is_asked_at_its_second_even_after_a_pause() -> None:
    sweep = Sweep()
    start = sweep.now
    item, other = Item(3, 2), Item()
    sweep.add(item, start + 2)
    sweep.add(other, start + 4)
    sweep.sweep(start + 20)
    assert item.asked == [start + 2, start + 5, start + 7]
    assert other.asked == [start + 4]
    assert sweep.now == start + 20


def test_only_the_latest_appointment_counts() -> None:
    sweep = Sweep()
    start = sweep.now
    item = Item()
    for second in (9, 3, 6):
        sweep.add(item, start + second)
    sweep.sweep(start + 10)
    assert item.asked == [start + 6]


def test_what_is_overdue_is_asked_next() -> None:
    sweep = Sweep()
    item = Item()
    sweep.add(item, sweep.now - 5)
    sweep.sweep(sweep.now + 1)
    assert len(item.asked) == 1


def test_a_cancelled_appointment_is_skipped() -> None:
    sweep = Sweep()
    item = Item()
    sweep.add(item, sweep.now + 1)
    item.due = 0
    sweep.sweep(sweep.now + 2)
    assert item.asked == []
