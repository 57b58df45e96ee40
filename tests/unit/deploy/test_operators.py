"""What operators may leave out."""

from pathlib import Path

import pytest

from deploy.cli import build_parser

pytestmark = pytest.mark.unit


def test_demo_data_wants_nothing_but_how_many_and_for_how_long() -> None:
    arguments = build_parser({}).parse_args(["demo-data", "--users", "3", "--days", "30"])
    assert (arguments.users, arguments.days, arguments.seed) == (3, 30, 1)
    assert arguments.out == Path("demo-people.jsonl")
