"""Options with a wrong value are told in a sentence; right ones come out as numbers."""

import argparse
from collections.abc import Callable

import pytest

from loadtest.arguments import AS_IT_GOES, count, rate, rate_or_max, seconds, seconds_or_none

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (count, "12", 12),
        (seconds, "0.5", 0.5),
        (seconds_or_none, "0", 0.0),
        (rate, "1e4", 10_000.0),
        (rate_or_max, "250", 250.0),
        (rate_or_max, "max", AS_IT_GOES),
    ],
)
def test_right_values_are_read(read: Callable[[str], object], text: str, value: object) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (count, "0"),
        (count, "-1"),
        (count, "two"),
        (seconds, "0"),
        (seconds, "nan"),
        (seconds, "90000"),
        (seconds_or_none, "-1"),
        (rate, "0"),
        (rate, "inf"),
        (rate_or_max, "fast"),
    ],
)
def test_wrong_values_are_named(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}'"):
        read(text)
