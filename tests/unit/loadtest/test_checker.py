"""The checker must see every kind of broken promise, or a green benchmark says nothing."""

import pytest

from loadtest.clients.checker import Ledger, judge, percentiles

pytestmark = pytest.mark.unit


def ledger(count: int = 3) -> Ledger:
    """A ledger with *count* hugs on their way, all accepted."""
    one = Ledger("ana → ben")
    for number in range(count):
        one.ok(one.sent(float(number)), 10.0 + number)
    return one


def problems(one: Ledger) -> list[str]:
    one.close()
    return [problem.removeprefix("ana → ben: ") for problem in one.problems]


def test_all_well() -> None:
    one = ledger()
    for index in range(3):
        one.arrived(41 + index, index, 20.0)
    assert one.is_settled()
    assert problems(one) == []
    verdict = judge([one, one])
    assert (verdict.sent, verdict.accepted, verdict.refused, verdict.received, verdict.problems) == (6, 6, 0, 6, [])


@pytest.mark.parametrize(
    ("arrivals", "expected"),
    [
        ([(1, 0), (2, 1)], ["hug 2 was accepted and never came"]),
        ([(1, 0), (2, 1), (2, 1), (3, 2)], ["seq 2 came after 2", "hug 1 came twice"]),
        ([(1, 0), (2, 1), (3, 1), (4, 2)], ["hug 1 came twice"]),
        ([(1, 0), (3, 1), (4, 2)], ["seq 3 came after 1"]),
        ([(1, 0), (2, 2), (3, 1)], ["hug 1 came after 2"]),
        ([(2, 1), (1, 0), (3, 2)], ["seq 1 came after 2", "hug 0 came after 1", "seq 3 came after 1"]),
        ([(1, 0), (2, 1), (3, 2), (4, 7)], ["a hug that was never sent came: 7"]),
    ],
)
def test_every_broken_promise_is_seen(arrivals: list[tuple[int, int]], expected: list[str]) -> None:
    one = ledger()
    for seq, index in arrivals:
        one.arrived(seq, index, 20.0)
    assert problems(one) == expected


def test_answers_are_watched_too() -> None:
    one = Ledger("ana → ben")
    for number in range(4):
        one.sent(float(number))
    one.ok(0, 1.0)
    one.ok(0, 1.0)
    one.error(1, "rate_limited: slow down")
    one.arrived(1, 0, 2.0)
    one.arrived(2, 1, 2.0)
    one.ok(3, 3.0)
    one.arrived(3, 3, 3.0)
    assert problems(one) == [
        "hug 0 was answered twice",
        "hug 1 was refused: rate_limited: slow down",
        "hug 1 was refused and came",
        "hug 2 was never answered",
    ]


def test_a_run_is_settled_when_nothing_is_open() -> None:
    one = Ledger("ana → ben")
    index = one.sent(0.0)
    assert not one.is_settled()
    assert one.outstanding() == 1
    one.arrived(1, index, 1.0)  # the event may overtake the answer
    assert not one.is_settled()
    one.ok(index, 2.0)
    assert one.is_settled()
    assert one.outstanding() == 0


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentiles([], [50, 99]) == [0.0, 0.0]
    values = [float(number) for number in range(1000, 0, -1)]
    assert percentiles(values, [0, 50, 99, 99.9, 100]) == [1, 501, 991, 1000, 1000]


def test_other_durable_events_only_move_the_seq() -> None:
    one = ledger(2)
    one.arrived(1, 0, 20.0)
    one.passed(2)
    one.arrived(3, 1, 20.0)
    one.passed(5)
    assert (one.received, problems(one)) == (2, ["seq 5 came after 3"])
