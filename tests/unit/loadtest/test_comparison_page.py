"""The page of a comparison: the cheapest first, ours marked, nobody left out silently."""

import re
from pathlib import Path

import pytest

from loadtest.comparison import Comparison, compare
from loadtest.report.comparison_page import write_comparison
from tests.unit.loadtest.test_comparison import turn

pytestmark = pytest.mark.unit
TITLES = {"hugmood": "HugMood", "other": "The <other>", "third": "A third"}


def written(tmp_path: Path, comparison: Comparison) -> str:
    path = tmp_path / "compare.html"
    write_comparison(comparison, path)
    return path.read_text()


def test_the_cheapest_is_first_and_ours_is_marked(tmp_path: Path) -> None:
    turns = [turn(peer, "bursts", seconds) for peer, seconds in (("other", 4.0), ("hugmood", 1.0), ("third", 0.5))]
    page = written(tmp_path, compare(TITLES, turns, ["Nchan: is not installed"]))
    names = re.findall(r'<text class="name (\w+)" x="0" y="\d+">([^<]+)', page)
    assert names == [("theirs", "A third"), ("ours", "HugMood"), ("theirs", "The &lt;other&gt;")]
    assert "4 × ours" in page
    assert "Nchan: is not installed" in page
    assert re.search(
        r"Spent beside.*<td>The &lt;other&gt;</td><td class=\"figure\">Valkey 0.25 µs</td>", page, re.DOTALL
    )
    assert "<other>" not in page
    assert "Everything was delivered, once" in page


def test_what_was_not_delivered_stands_at_the_top(tmp_path: Path) -> None:
    page = written(tmp_path, compare(TITLES, [turn("hugmood", "spaced", 1.0, problems=["3 were lost"])], []))
    assert "3 were lost" in page
    assert "Not everything was delivered" in page
    assert page.index("3 were lost") < page.index("What it costs")


def test_memory_has_its_own_unit(tmp_path: Path) -> None:
    page = written(tmp_path, compare(TITLES, [turn("hugmood", "idle", 1.0, kib=2.25)], []))
    assert "2.25 KiB" in page
    assert "µs" not in page[page.index("<main>") :]
