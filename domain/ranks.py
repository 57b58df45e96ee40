"""Spearman's correlation of two series in time, and how likely one as strong is by chance. No rules of ours in here.

A day resembles the day before, so n days tell less than n independent ones would. Without a correction every fifth
pair of unrelated moods and factors would look "significant" at 5 %; `loadtest.pattern_errors` measures what is left.
"""

import math
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ranks = NDArray[np.int64]

FRACTION_TERMS_MAX = 10_000  # of the continued fraction; it takes about the square root of n_eff
FRACTION_EXACT = 1e-15
TINY = 1e-300


class Correlation(Struct, frozen=True):
    """*p*: two-sided, of `n_eff` independent days. *n*: of the days there are."""

    rho: float
    p: float
    n: int
    n_eff: float


def correlate(one: Sequence[float], other: Sequence[float]) -> Correlation:
    """Spearman's rho, tested with t on n_eff − 2 degrees of freedom. Values of the same days, in order of time.

    Raises: ValueError for lengths that differ, for a constant series, and for values that are not finite.
    """
    x, y = centred_ranks(one), centred_ranks(other)
    n = len(x)
    if n != len(y):
        raise ValueError(f"{n} days cannot be paired with {len(y)}")
    of_x, of_y = int(x @ x), int(y @ y)
    if not of_x or not of_y:
        raise ValueError("a constant series correlates with nothing")
    rho = int(x @ y) / math.sqrt(of_x * of_y)
    n_eff = effective_size(n, next_day_correlation(x), next_day_correlation(y))
    return Correlation(rho, p_value(rho, n_eff), n, n_eff)


def centred_ranks(values: Sequence[float]) -> Ranks:
    """Twice the ranks (equal values share their middle one) less their mean: whole numbers, whose sums are exact.

    Raises: ValueError for values that are not finite.
    """
    series = np.asarray(values, np.float64)
    if not np.isfinite(series).all():
        raise ValueError("only finite numbers have ranks")
    _, place, counts = np.unique(series, return_inverse=True, return_counts=True)
    ranks: Ranks = (2 * np.cumsum(counts) - counts - len(series))[place]
    return ranks


def next_day_correlation(ranks: Ranks) -> float:
    """Lag-1 autocorrelation of centred ranks, from each day to the next one *there is*, whatever lies between.

    Of calendar neighbours only, it would be nothing for whoever logs every other day, and up to 12 % of unrelated
    series would pass at nominal 5 %; with days left out at random it would be 2 %, and real patterns be missed. A gap
    lowers this correlation much as it lowers what one day tells about the next: 3 to 7 % pass for all gaps we tried.
    """
    return int(ranks[:-1] @ ranks[1:]) / int(ranks @ ranks)


def effective_size(n: int, r_x: float, r_y: float) -> float:
    """How many independent days *n* days are worth, for lag-1 autocorrelations of both series (Bartlett 1935).

    1/n makes up for what a short series takes from its own autocorrelation. Never more than n; may be below 0.
    """
    a = max(0.0, r_x + 1 / n) * max(0.0, r_y + 1 / n)
    return n * (1 - a) / (1 + a)


def p_value(rho: float, n_eff: float) -> float:
    """How often chance gives a correlation of |rho| or more; 1 where *n_eff* leaves no degree of freedom.

    A perfect rho makes t infinite, even where both series have changed only once. So it is never less than the chance
    that *n_eff* days fall into line, up or down: 2 / n_eff!, which is next to nothing from ten days on.
    """
    freedom = n_eff - 2
    if freedom <= 0:
        return 1.0
    in_line = 2 * math.exp(-math.lgamma(n_eff + 1))
    # Two-sided, P(|T| > t) = I_x(freedom / 2, 1 / 2) with x = freedom / (freedom + t²), which is 1 − rho².
    return max(in_line, beta_share((1 - rho) * (1 + rho), freedom / 2, 0.5))


def beta_share(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), for 0 ≤ x ≤ 1 (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):  # where the fraction converges slowly, and that of the rest quickly
        return 1 - beta_share(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1 x / (1 + d2 x / (1 + …)), by Lentz's method."""
    value = ahead = 1.0
    behind = 0.0
    for term in range(1, FRACTION_TERMS_MAX):
        m = term // 2
        numerator = -(a + m) * (a + b + m) if term % 2 else m * (b - m)
        step = numerator * x / ((a + term - 1) * (a + term))
        behind = 1 / (1 + step * behind or TINY)
        ahead = 1 + step / ahead or TINY
        value *= ahead * behind
        if abs(ahead * behind - 1) < FRACTION_EXACT:
            return value
    raise RuntimeError(f"the continued fraction did not converge: x={x}, a={a}, b={b}")
