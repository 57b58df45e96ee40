"""Axes: where values lie, and which of them are worth a line."""

import pytest

from loadtest.report.scales import Linear, Logarithmic, Percentile, Scale, Time, compact, covering, round_step

pytestmark = pytest.mark.unit


def values(scale: Scale) -> list[float]:
    return [value for value, _ in scale.ticks()]


def words(scale: Scale) -> list[str]:
    return [text for _, text in scale.ticks()]


@pytest.mark.parametrize(("wanted", "step"), [(0.9, 1), (1, 1), (1.2, 2), (2.1, 2.5), (3, 5), (7, 10), (1300, 2000)])
def test_steps_are_round(wanted: float, step: float) -> None:
    assert round_step(wanted) == step


@pytest.mark.parametrize("high", [0.0, 0.003, 1.0, 7.3, 99.0, 5_100.0, 1e6])
def test_a_linear_axis_begins_at_nothing_and_ends_above_everything(high: float) -> None:
    axis = Linear(high)
    assert values(axis)[0] == 0
    assert values(axis)[-1] == pytest.approx(axis.high)
    assert axis.high >= high
    assert 2 <= len(values(axis)) <= 6
    assert axis.place(0) == 0
    assert axis.place(axis.high) == 1


def test_a_logarithmic_axis_gives_each_tenfold_the_same_room() -> None:
    axis = Logarithmic(0.7, 80.0)
    assert values(axis) == pytest.approx([0.5, 1, 2, 5, 10, 20, 50, 100])
    assert axis.place(10) - axis.place(1) == pytest.approx(axis.place(100) - axis.place(10))
    assert axis.place(0) == 0
    assert values(Logarithmic(0.01, 9_000)) == pytest.approx([0.01, 0.1, 1, 10, 100, 1_000, 10_000])


def test_time_is_told_in_round_seconds_and_minutes() -> None:
    assert words(Time(42)) == ["0 s", "10 s", "20 s", "30 s", "40 s"]
    assert words(Time(200)) == ["0 s", "30 s", "1:00 min", "1:30 min", "2:00 min", "2:30 min", "3:00 min"]
    assert words(Time(7_200))[-1] == "2:00 h"
    assert Time(42).place(42) == 1


def test_each_percentile_tick_is_ten_times_rarer() -> None:
    axis = Percentile(100_000)
    assert words(axis) == ["50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]
    assert axis.place(0) == 0
    assert axis.place(99.9) - axis.place(99) == pytest.approx(axis.place(99) - axis.place(90))
    assert axis.place(100) == 1


def test_percentiles_that_nobody_measured_are_not_shown() -> None:
    assert words(Percentile(1_500)) == ["50 %", "90 %", "99 %", "99.9 %"]
    assert words(Percentile(3)) == ["50 %", "90 %", "99 %"]


def test_a_logarithmic_axis_is_chosen_where_it_is_needed() -> None:
    assert isinstance(covering([1, 10], may_be_logarithmic=True), Linear)
    assert isinstance(covering([1, 100], may_be_logarithmic=True), Logarithmic)
    assert isinstance(covering([1, 100], may_be_logarithmic=False), Linear)
    assert isinstance(covering([], may_be_logarithmic=True), Linear)


@pytest.mark.parametrize(("value", "text"), [(250, "250"), (9_500, "9,500"), (10_000, "10 k"), (1_500_000, "1.5 M")])
def test_large_values_are_short_on_an_axis(value: float, text: str) -> None:
    assert compact(value) == text
