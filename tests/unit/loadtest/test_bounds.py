"""What `--require` understands, and when it is broken."""

import pytest

from loadtest.bounds import broken, parse_bound, unknown_key
from loadtest.results import Row

pytestmark = pytest.mark.unit

ROWS = [Row("ok_p99_ms", "ok p99", 10.0, "ms"), Row("hugs_per_s", "hugs", 5_000.0, "/s")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ok_p99_ms<=10", True),
        ("ok_p99_ms<10", False),
        ("ok_p99_ms <= 9.99", False),
        ("hugs_per_s>=5_000", True),
        ("hugs_per_s>5000", False),
    ],
)
def test_a_bound_is_kept_or_broken(text: str, kept: bool) -> None:
    assert (broken([parse_bound(text)], ROWS) == []) is kept


def test_a_broken_bound_tells_what_was_measured() -> None:
    assert broken([parse_bound("hugs_per_s>=15000")], ROWS) == ["hugs_per_s>=15000 was required, and it was 5,000/s"]


@pytest.mark.parametrize("text", ["", "ok_p99_ms", "ok_p99_ms=10", "<=10", "ok_p99_ms<=ten", "ok_p99_ms<=1e999x"])
def test_what_is_no_bound_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a bound"):
        parse_bound(text)


def test_a_figure_that_there_is_not_is_told_with_those_there_are() -> None:
    bounds = [parse_bound("ok_p99_ms<=10"), parse_bound("okay<=1")]
    assert unknown_key(bounds, ["ok_p99_ms", "hugs_per_s"]) == ("no such figure: okay; there are ok_p99_ms, hugs_per_s")
    assert unknown_key(bounds[:1], ["ok_p99_ms"]) is None
