"""The figures of a comparison, from turns that are made up."""

import pytest

from loadtest.comparison import compare, render
from loadtest.works import Turn

pytestmark = pytest.mark.unit

TITLES = {"hugmood": "HugMood", "other": "The other", "third": "A third"}


def turn(peer: str, work: str, server_s: float, deliveries: int = 1_000_000, **more: object) -> Turn:
    cpu_s = {"server": server_s, "Valkey": 0.25}
    return Turn(peer=peer, work=work, seconds=2.0, deliveries=deliveries, cpu_s=cpu_s, **more)  # type: ignore[arg-type]


def test_medians_and_ratios_to_ours() -> None:
    ours = [turn("hugmood", "bursts", seconds) for seconds in (2.0, 1.0, 9.0)]
    others = [turn("other", "bursts", seconds, deliveries=500_000) for seconds in (3.0, 2.5, 2.0)]
    comparison = compare(TITLES, [*ours, *others], [])
    first, second = comparison.standings
    assert (first.figures["bursts"].value, first.figures["bursts"].ratio) == (2.0, 1.0)
    assert (second.figures["bursts"].value, second.figures["bursts"].ratio) == (5.0, 2.5)
    assert (second.figures["bursts"].lowest, second.figures["bursts"].highest) == (4.0, 6.0)
    assert second.figures["bursts"].beside == {"Valkey": 0.5}


def test_idle_connections_are_compared_by_memory() -> None:
    turns = [turn("hugmood", "idle", 1.0, kib=2.0), turn("other", "idle", 1.0, kib=9.0)]
    other = compare(TITLES, turns, []).standings[1]
    assert (other.figures["idle"].value, other.figures["idle"].ratio) == (9.0, 4.5)


def test_unicast_counts_the_redis_between_the_servers() -> None:
    figure = compare(TITLES, [turn("hugmood", "unicast", 1.0)], []).standings[0].figures["unicast"]
    assert (figure.value, figure.beside) == (1.25, {})


def test_without_ours_there_is_no_ratio() -> None:
    comparison = compare(TITLES, [turn("other", "spaced", 1.0)], [])
    assert [each.peer for each in comparison.standings] == ["other"]
    assert comparison.standings[0].figures["spaced"].ratio is None
    assert "×:" in render(comparison)


def test_the_table_names_what_is_missing_and_what_went_wrong() -> None:
    turns = [
        turn("hugmood", "unicast", 14.0),
        turn("other", "unicast", 28.0, problems=["3 of 20 connections were told 9 messages of 10"]),
        Turn(peer="third", work="", problems=["it did not listen"]),
    ]
    comparison = compare(TITLES, turns, ["A fourth: apt install fourth"])
    assert comparison.problems == [
        "The other (unicast): 3 of 20 connections were told 9 messages of 10",
        "A third: it did not listen",
    ]
    table = render(comparison)
    assert "2.0 ×" in table
    assert "missing: A fourth: apt install fourth" in table
    assert "PROBLEM: A third: it did not listen" in table
    assert "Everything published was delivered" not in table
    assert "Everything published was delivered" in render(compare(TITLES, turns[:1], []))
