"""What a terminal shows of a result: nothing is left out, and what is bad stands last."""

import pytest

from loadtest.report.figures import measure, memory, number
from loadtest.report.table import columns, render
from loadtest.results import Row
from tests.support.results import result

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.0123456, "0.0123"), (1.234, "1.23"), (99.96, "100"), (123.4, "123"), (12345.6, "12,346"), (7.0, "7")],
)
def test_numbers_have_three_digits_that_matter(value: float, written: str) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("value", "unit", "written"), [(5000, "/s", "5,000/s"), (1.5, "ms", "1.5 ms"), (3, "", "3"), (2.5, "×", "2.5×")]
)
def test_units_stand_as_they_are_spoken(value: float, unit: str, written: str) -> None:
    assert measure(value, unit) == written


def test_memory_is_told_in_the_unit_of_its_size() -> None:
    assert [memory(kib) for kib in (2.5, 2048, 3 * 1024**2, -1536)] == ["2.5 KiB", "2 MiB", "3 GiB", "-1.5 MiB"]


def test_every_row_stands_beside_its_bounds() -> None:
    lines = {line.split("  ")[1]: line.split() for line in render(result()).splitlines() if line.startswith("  ")}
    assert lines["ok p99"] == ["ok", "p99", "6.21", "ms", "≤", "10", "ms", "≤", "5", "ms", "ok"]
    assert lines["delivery p99"][-1] == "reached"
    assert lines["durable hugs"] == ["durable", "hugs", "4,998/s"]
    assert lines["durable hugs at full speed"][6:] == ["≥", "15,000/s", "≥", "35,000/s", "ok"]
    missed = Row("ok_p99_ms", "ok p99", 14.0, "ms", 10.0, 5.0)
    assert "MISSED" in render(result(rows=[missed]))


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert columns([("a", "1"), ("long", "1,000")]) == ["a         1", "long  1,000"]


def test_the_end_says_whether_every_promise_was_kept() -> None:
    assert render(result()).splitlines()[-1] == "Every promise was kept."
    one = render(result(problems=["hug 3 never came"]))
    assert one.splitlines()[-2:] == ["1 PROBLEM", "  hug 3 never came"]
    many = render(result(problems=[f"hug {index} never came" for index in range(12)]))
    assert "hug 9 " in many
    assert "hug 10 " not in many
    assert many.splitlines()[-1] == "  and 2 more"


def test_a_result_with_nothing_in_it_can_be_shown() -> None:
    empty = result(rows=[], counts={}, latencies={}, timeline=[], processes=[], notes=[], seconds=0.0)
    assert render(empty).splitlines()[-1] == "Every promise was kept."
