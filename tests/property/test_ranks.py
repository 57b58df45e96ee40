"""Ranks, correlations and their chances against scipy and pandas."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

from domain.ranks import beta_share, centred_ranks, correlate, effective_size, next_day_correlation, p_value

pytestmark = pytest.mark.property

tied = st.sampled_from([-1.0, -0.5, -0.0, 0.0, 0.1, 0.7, 1.0])
values = st.one_of(tied, st.floats(-1e300, 1e300))
pairs = st.lists(st.tuples(values, values), min_size=3, max_size=80)


def unzip(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    one, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    assume(len(set(one)) > 1 and len(set(other)) > 1)
    return one, other


def chance(t: float, n_eff: float) -> float:
    """Of t, but no less than that all of so many fall into line."""
    return max(2 * stats.t.sf(abs(t), n_eff - 2), 2 / special.gamma(n_eff + 1))


@given(st.lists(values, min_size=1))
def test_equal_values_share_their_middle_rank(series: list[float]) -> None:
    assert centred_ranks(series).tolist() == (2 * stats.rankdata(series) - len(series) - 1).tolist()


@given(pairs)
def test_rho_is_that_of_scipy_and_pandas(pairs: list[tuple[float, float]]) -> None:
    one, other = unzip(pairs)
    found = correlate(one, other)
    assert found.n == len(one)
    assert found.rho == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    ranked = pd.DataFrame({"one": one, "other": other}).rank()
    assert found.rho == pytest.approx(ranked["one"].corr(ranked["other"]), abs=1e-12)


@given(pairs)
def test_it_is_the_published_formula(pairs: list[tuple[float, float]]) -> None:
    one, other = unzip(pairs)
    n = len(one)

    def r1(series: list[float]) -> float:
        ranks = stats.rankdata(series) - (n + 1) / 2
        return float((ranks[:-1] * ranks[1:]).sum() / (ranks**2).sum())

    a = max(0, r1(one) + 1 / n) * max(0, r1(other) + 1 / n)
    found = correlate(one, other)
    assert found.n_eff == pytest.approx(n * (1 - a) / (1 + a), abs=1e-9)
    if found.n_eff > 2 and abs(found.rho) < 1:
        t = found.rho * math.sqrt((found.n_eff - 2) / (1 - found.rho**2))
        assert found.p == pytest.approx(chance(t, found.n_eff), abs=1e-9)


@given(st.permutations(range(21)))
def test_without_autocorrelation_it_is_the_test_of_scipy(other: list[int]) -> None:
    one = list(range(21))
    assume(next_day_correlation(centred_ranks(other)) < -1 / 21)
    found = correlate(one, other)
    assert found.n_eff == 21
    assert found.p == pytest.approx(stats.spearmanr(one, other).pvalue, abs=1e-9)


@given(st.just(0.0) | st.floats(1e-300, 1), st.floats(1e-3, 5e3), st.floats(1e-3, 5e3))
def test_the_beta_function_is_that_of_scipy(x: float, a: float, b: float) -> None:
    assert beta_share(x, a, b) == pytest.approx(special.betainc(a, b, x), abs=1e-9)


@given(st.floats(-1, 1), st.floats(2.001, 5e3))
def test_chances_are_those_of_the_t_distribution(rho: float, n_eff: float) -> None:
    assume(abs(rho) < 1)
    t = rho * math.sqrt((n_eff - 2) / ((1 - rho) * (1 + rho)))
    assert p_value(rho, n_eff) == pytest.approx(chance(t, n_eff), abs=1e-6)  # below 1e-8, rho² is lost beside 1


@given(st.floats(-1, 1), st.floats(max_value=2, allow_nan=False))
def test_without_a_degree_of_freedom_everything_may_be_chance(rho: float, n_eff: float) -> None:
    assert p_value(rho, n_eff) == 1


@given(st.integers(3, 400), st.floats(-1, 1), st.floats(-1, 1))
def test_days_are_never_worth_more_than_there_are(n: int, r_x: float, r_y: float) -> None:
    assert effective_size(n, r_x, r_y) <= n
    assert effective_size(n, r_x, r_y) == effective_size(n, r_y, r_x)


def test_slow_series_are_worth_few_days() -> None:
    step = [float(day // 60) for day in range(120)]
    assert 2 < correlate(step, step).n_eff < 2.1
    assert correlate(step, step).p > 0.9  # something else began that day; it fits perfectly, and says nothing
    assert correlate(step, [0.0, 1.0] * 60).n_eff == 120


@pytest.mark.parametrize(
    ("one", "other"), [([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.0, 2.0]), ([0.0, np.nan], [0.0, 1.0])]
)
def test_what_cannot_be_ranked_is_refused(one: list[float], other: list[float]) -> None:
    with pytest.raises(ValueError, match=r"constant|paired|finite"):
        correlate(one, other)
