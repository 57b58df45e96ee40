"""Charts of runs in steps."""

import re

import pytest

from loadtest.report.step_pictures import step_pictures
from loadtest.results import Table

pytestmark = pytest.mark.unit

ROWS = [[1_000.0, 40.0, 5.0, 2.5, 3.0, 900.0], [100_000.0, 44.0, 6.0, 9.0, 1_400.0, 50_000.0]]
TABLE = Table(
    "While some hug", ["sessions", "hub µs/hug", "Valkey µs/hug", "ok p99 ms", "hubs MiB", "most on a hub"], ROWS
)


def test_each_unit_has_a_chart_of_its_own() -> None:
    drawn = step_pictures([TABLE])
    assert [each.title for each in drawn] == [
        "While some hug: CPU (µs/hug)",
        "While some hug: latency",
        "While some hug: memory",
        "While some hug: most on a hub",
    ]
    assert drawn[0].says == "hub: 40 µs/hug with 1,000 sessions, 44 µs/hug with 100,000."
    assert re.findall(r'class="mark line (\w+)"', drawn[0].chart) == ["hub", "valkey"]
    assert drawn[0].chart.count("<circle") == 4
    assert "level" in drawn[0].good
    assert "no faster than" in drawn[2].good


def test_columns_are_told_by_what_stands_before_the_unit() -> None:
    columns = ["sessions", "openings/s", "hub KiB each", "TCP buffers KiB each"]
    drawn = step_pictures([Table("Memory", columns, [[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 3.0, 4.0]])])
    assert [each.title for each in drawn] == ["Memory: openings", "Memory: memory (KiB each)"]
    (alone,) = step_pictures([Table("Memory", ["sessions", "hubs MiB"], [[1.0, 2.0], [2.0, 3.0]])])
    assert alone.title == "Memory"
    assert re.findall(r"<b>([^<]+)</b>", drawn[1].legend) == ["hub", "TCP buffers"]


def test_a_single_step_is_not_drawn() -> None:
    assert step_pictures([Table("One", TABLE.columns, ROWS[:1])]) == []
