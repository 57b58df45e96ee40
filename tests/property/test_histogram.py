"""Histograms against the sorted list of what was recorded."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.histogram import HIGHEST_US, Histogram

pytestmark = pytest.mark.property

latencies = st.lists(st.floats(0, 60) | st.floats(0, 0.01) | st.sampled_from([0.0, 1e-6, 0.002048, 60.0]), min_size=1)
percents = st.lists(st.floats(0, 100) | st.sampled_from([0.0, 50.0, 99.0, 99.9, 100.0]), min_size=1).map(sorted)


def of(values: list[float]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(latencies, percents)
def test_a_percentile_is_never_told_lower_than_it_was_and_hardly_higher(
    values: list[float], wanted: list[float]
) -> None:
    ordered = sorted(int(value * 1e6) for value in values)
    for percent, told in zip(wanted, of(values).percentiles_ms(wanted), strict=True):
        rank = max(1, -(-len(ordered) * percent // 100))
        exact = ordered[int(rank) - 1]
        assert exact <= round(1000 * told) <= exact * 1.001 + 0.5


@given(latencies, latencies)
def test_what_is_added_is_what_would_have_been_recorded_together(one: list[float], other: list[float]) -> None:
    both = of(one)
    both.add(of(other))
    assert both == of(one + other)


@given(latencies, latencies)
def test_what_has_come_since_is_what_was_recorded_since(one: list[float], other: list[float]) -> None:
    histogram = of(one)
    before = histogram.copy()
    for value in other:
        histogram.record(value)
    since, alone = histogram.since(before), of(other)
    assert (since.counts, since.total) == (alone.counts, alone.total)
    assert alone.max_us <= since.max_us <= alone.max_us * 1.001 + 1


@given(latencies)
def test_it_travels_as_json(values: list[float]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(of(values)), type=Histogram) == of(values)


@given(latencies)
def test_the_curve_rises_and_ends_at_the_largest(values: list[float]) -> None:
    told = of(values).latency()
    heights = [ms for _, ms in told.curve]
    assert heights == sorted(heights)
    assert told.curve[-1] == (100.0, told.max)
    assert told.count == len(values)


def test_nothing_at_all_is_zero() -> None:
    empty = Histogram().latency()
    assert (empty.count, empty.p50, empty.p999, empty.max) == (0, 0, 0, 0)


def test_what_cannot_be_is_kept_at_the_ends() -> None:
    histogram = of([-1.0, 1e9])
    assert histogram.percentiles_ms([50.0, 100.0]) == [0.0, HIGHEST_US / 1000]
