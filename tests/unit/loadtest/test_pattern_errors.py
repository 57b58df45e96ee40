"""The simulation of unrelated moods and factors: that it makes what it says, and counts it."""

import numpy as np
import pytest

from loadtest.pattern_errors import GAPS, Errors, Share, main, measure, parse, series

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("gaps", "after"), [("none", 0.7), ("alternate", 0.49)])
def test_each_day_is_like_the_day_before_and_nothing_like_other_series(gaps: str, after: float) -> None:
    drawn = np.random.default_rng(1)
    values = series(200, GAPS[gaps](365, drawn), 0.7, drawn)
    assert values.shape == (200, 365)
    assert np.mean(values[:, 1:] * values[:, :-1]) == pytest.approx(after, abs=0.03)
    assert np.mean(values**2) == pytest.approx(1, abs=0.03)
    assert np.mean(values[0::2] * values[1::2]) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("gaps", GAPS)
def test_gaps_leave_as_many_days_as_asked_for(gaps: str) -> None:
    on = GAPS[gaps](100, np.random.default_rng(1))
    assert len(set(on.tolist())) == len(on) == 100
    assert (np.diff(on) > 0).all()


@pytest.mark.parametrize("gaps", GAPS)
def test_few_of_them_pass(gaps: str) -> None:
    errors = measure(1_000, 45, 0.7, seed=1, gaps=gaps)
    assert errors.is_kept
    assert errors.pairs.value > 0.02  # they are tested, not just kept silent about
    assert errors == measure(1_000, 45, 0.7, seed=1, gaps=gaps)


def test_more_than_is_allowed_is_told() -> None:
    fine, much = Share(0.05, 0.01), Share(0.11, 0.01)
    assert Errors(pairs=fine, people=much).is_kept
    assert not Errors(pairs=much, people=fine).is_kept


def test_it_says_whether_the_promise_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--pairs", "400", "--days", "21", "30"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in said[2:4]] == ["21", "30"]
    assert said[-1] == "pairs at or under 7%: yes"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [(["--phi", "1"], "not between"), (["--days", "20"], "below 21 days"), (["--pairs", "0"], "from 1 on")],
)
def test_wrong_options_are_refused(wrong: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(wrong)
    assert why in capsys.readouterr().err
