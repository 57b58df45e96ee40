"""Arguments that several commands share, and what may be typed for them."""

import argparse
import math
from collections.abc import Callable
from datetime import date
from pathlib import Path

from deploy.ports import LOOPBACK

DEFAULT_PORT = 8080
COUNT_MAX = 10_000_000
TOKEN_TTL_S = 24 * 3600


def add_data(parser: argparse.ArgumentParser, default: Path) -> None:
    """`--data`."""
    parser.add_argument("--data", type=Path, default=default, metavar="FOLDER", help="the data folder (%(default)s)")


def add_account(parser: argparse.ArgumentParser, data: Path) -> None:
    """Whom to speak for, and to which hub."""
    add_data(parser, data)
    parser.add_argument("--url", help=f"the hub (the one of `hugmood up`, else http://{LOOPBACK}:{DEFAULT_PORT})")
    parser.add_argument("--email", help="log in as; the password is asked for, or read from standard input")
    parser.add_argument("--token", help="use this access token instead")


def add_tokens(parser: argparse.ArgumentParser, out: Path | None = None) -> None:
    """Where accounts made in bulk are written (*out* if nothing else is said), and what they can do."""
    parser.add_argument(
        "--out",
        type=Path,
        default=out,
        required=out is None,
        metavar="FILE",
        help=f"where the JSON lines with their tokens go{f' ({out})' if out is not None else ''}; -: standard output",
    )
    parser.add_argument("--password", metavar="P", help="let them log in with it (otherwise only their tokens work)")
    parser.add_argument(
        "--token-ttl",
        type=number("seconds", 1, 366 * 24 * 3600),
        default=TOKEN_TTL_S,
        metavar="SECONDS",
        help="how long the access tokens are good for (%(default)s)",
    )


def number(what: str, low: int, high: int) -> Callable[[str], int]:
    """A whole number; *what* is it, in the words of the message."""

    def parse(value: str) -> int:
        if not value.isdecimal() or not low <= int(value) <= high:
            raise argparse.ArgumentTypeError(f"{value!r} is not {what} from {low} to {high}")
        return int(value)

    return parse


def seconds(value: str) -> float:
    """More than none, up to an hour."""
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if not 0 < parsed <= 3600:
        raise argparse.ArgumentTypeError(f"{value!r} is not a number of seconds up to 3600")
    return parsed


def day(value: str) -> date:
    """A date of the calendar, as 2026-01-31."""
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{value!r} is not a date such as 2026-01-31") from None
