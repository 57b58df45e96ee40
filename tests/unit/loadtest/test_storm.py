"""What is told of a storm: when all were back, and how evenly they came."""

import argparse

import pytest

from loadtest.clients.returning import Absence, another_address
from loadtest.scenarios.storm import Storm

pytestmark = pytest.mark.unit


def storm(arrivals: list[float], *, stop: bool = False) -> Storm:
    """One that ended a hub at second 100."""
    found = Storm(argparse.Namespace(stop=stop))
    found._ended = 100.0
    found._absences = [
        Absence("lost", 0, "n1", 100.1, [at, at + 5], "n2", welcomed_at=at + 6, caught_up_at=at + 7) for at in arrivals
    ]
    return found


def test_even_arrivals_are_no_stampede() -> None:
    even = storm([100.1 + number / 2000 for number in range(1000)])  # as the first backoff spreads them: over 0.5 s
    most, times = even._stampede()
    assert most == pytest.approx(200, abs=1)
    assert times == pytest.approx(1.0, abs=0.01)


def test_who_comes_all_at_once_is_a_stampede() -> None:
    assert storm([100.2] * 1000)._stampede() == (1000, pytest.approx(5.0))


def test_a_hub_that_drains_says_over_what_time_they_come() -> None:
    assert storm([100.0 + number / 500 for number in range(1000)], stop=True)._stampede()[1] == pytest.approx(1.0, 0.02)


def test_the_last_one_back_ends_the_storm() -> None:
    found = storm([100.2, 103.0, 101.0])
    assert found._storm_s(found._absences) == pytest.approx(10.0)
    assert storm([])._storm_s([]) == 0.0
    assert storm([])._stampede() == (0, 0.0)


def test_whoever_comes_back_comes_from_another_address() -> None:
    local = "http://127.0.0.1:8080"
    assert another_address(local, "127.0.0.3", 1) == "127.0.2.3"
    assert another_address(local, "127.0.0.3", 2) == "127.0.3.3"
    assert another_address(local, None, 1) == "127.0.2.1"
    assert another_address("http://hugs.example", None, 1) is None
