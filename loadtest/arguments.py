"""How options are read: every wrong value is told with what is allowed."""

import argparse
import math

AS_IT_GOES = "max"  # as a rate: as fast as answers come
SECONDS_MAX = 24 * 3600.0


def count(text: str) -> int:
    """A number from 1 on."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def seconds(text: str) -> float:
    """Some time, up to a day."""
    value = _number(text)
    if not 0 < value <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, up to a day")
    return value


def seconds_or_none(text: str) -> float:
    """Some time, or 0 for none at all."""
    return 0.0 if _number(text) == 0 else seconds(text)


def rate(text: str) -> float:
    """So many a second."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate")
    return value


def rate_or_max(text: str) -> float | str:
    """So many a second, or `AS_IT_GOES`."""
    return text if text == AS_IT_GOES else rate(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
