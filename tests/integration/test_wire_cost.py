"""A tiny run of what measures the client: that it works, not how fast anything is."""

import re

import pytest

from loadtest.clients.wire_cost import CASES, Size, main

pytestmark = pytest.mark.integration


def test_each_figure_of_ours_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(Size(connections=3, rounds=4, sends=10, sessions=40)) == 0
    printed = capsys.readouterr().out
    for name in (*(case.name for case in CASES), "memory of a session"):
        assert re.search(rf"^{re.escape(name)} +-?\d+\.\d\d ", printed, re.MULTILINE), printed
