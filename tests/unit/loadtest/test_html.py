"""The HTML report: what is in it, and that nothing gets into it that is not text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtest.report.charts import Bar, bars, bullet
from loadtest.report.html import STYLE, write_html
from loadtest.report.pictures import phases, pictures
from loadtest.results import Latency, Process, Result, Row, Sample, Table
from tests.support.results import result, timeline

pytestmark = pytest.mark.unit
EVIL = "</title></style><script>alert('x')</script>\"'&"
VOID = {"meta", "link", "br"}


class Reader(HTMLParser):
    """Reads a page, and complains of elements that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(tmp_path: Path, *results: Result) -> Reader:
    path = tmp_path / "report.html"
    write_html(results, path)
    reader = Reader()
    reader.feed(path.read_text())
    reader.close()
    assert reader.open == []
    return reader


def test_a_run_without_problems_says_so_first(tmp_path: Path) -> None:
    page = read(tmp_path, result())
    assert "Every promise was kept" in page.text
    assert "Bounds kept: 4 of 4." in page.text
    assert page.text.index("Every promise was kept") < page.text.index("The pointer is")
    for said in (
        "6.21 ms",
        "must be ≤ 10 ms, means to be ≤ 5 ms",
        "21,300/s",
        "4101",
        "160,000",
        "well done",
        "6.18.5",
    ):
        assert said in page.text


def test_what_was_broken_is_listed(tmp_path: Path) -> None:
    page = read(tmp_path, result(problems=["hug 3 was accepted and never came"]))
    assert "1 promise was broken" in page.text
    assert "hug 3 was accepted and never came" in page.text
    assert "Every promise was kept" not in page.text
    many = read(tmp_path, result(problems=[f"hug {index} is gone" for index in range(130)]))
    assert "hug 99 is gone" in many.text
    assert "hug 100 is gone" not in many.text
    assert "and 30 more" in many.text


def test_a_missed_bound_is_not_hidden(tmp_path: Path) -> None:
    page = read(tmp_path, result(rows=[Row("ok_p99_ms", "ok p99", 14.2, "ms", 10.0, 5.0)]))
    assert "ok p99 is 14.2 ms and must be ≤ 10 ms" in page.text
    assert "not every bound" in page.text


def test_what_spoils_figures_is_told_before_them(tmp_path: Path) -> None:
    page = read(tmp_path, result(notes=["two pairs", "WARNING: other programs used 0.9 cores"]))
    assert "WARNING" not in page.text
    assert page.text.index("other programs used 0.9 cores") < page.text.index("The pointer is")
    assert page.text.count("two pairs") == 1
    assert "Mind" not in read(tmp_path, result()).text


def test_what_comes_from_outside_stays_text(tmp_path: Path) -> None:
    evil: dict[str, Any] = {
        "title": EVIL,
        "scenario": EVIL,
        "version": EVIL,
        "options": {EVIL: EVIL},
        "rows": [Row(EVIL, EVIL, 1.0, EVIL, 2.0, 1.0)],
        "counts": {EVIL: 1},
        "latencies": {EVIL: Latency(10, 1, 2, 3, 4, 5, [(0.0, 1.0), (50.0, 2.0), (100.0, 5.0)])},
        "timeline": [
            Sample(at, EVIL, 1_000, {EVIL: 3.0}, {EVIL: 0.5, "hub": 0.5}, {EVIL: 10.0, "hub": 50.0})
            for at in (1.0, 2.0)
        ],
        "processes": [Process(EVIL, 1, 1.0, 10, 20), Process("hub", 2, 1.0, 10, 20)],
        "notes": [EVIL, f"WARNING: {EVIL}"],
        "tables": [Table(EVIL, [EVIL, EVIL, f"{EVIL} ms"], [[1.0, 2.0, 3.0], [2.0, 2.0, 3.0]])],
        "problems": [EVIL],
    }
    page = read(tmp_path, result(**evil), result(**evil))
    assert "script" not in {tag for tag, _ in page.seen}
    assert page.text.count("alert('x')") >= 20
    assert not [name for _, attributes in page.seen for name in attributes if name.startswith("on")]


def test_it_asks_nobody_for_anything(tmp_path: Path) -> None:
    page = read(tmp_path, result(), result())
    for tag, attributes in page.seen:
        assert tag not in {"img", "script", "iframe", "object", "base"}
        for name in ("href", "src"):
            assert re.match(r"#|data:", attributes.get(name) or "#")
    style = STYLE.read_text()
    assert "@import" not in style
    assert "url(" not in style


def test_several_runs_have_a_list_of_them(tmp_path: Path) -> None:
    page = read(tmp_path, result(), result(title="another one", problems=["lost"]))
    links = [attributes["href"] for tag, attributes in page.seen if tag == "a"]
    ids = {attributes.get("id") for _, attributes in page.seen}
    assert links == ["#run-1", "#run-2"]
    assert {"run-1", "run-2"} <= ids
    assert "promises broken" in page.text


def test_a_result_with_nothing_in_it_can_be_written(tmp_path: Path) -> None:
    empty = result(rows=[], counts={}, latencies={}, timeline=[], processes=[], notes=[], options={}, seconds=0.0)
    assert "svg" not in {tag for tag, _ in read(tmp_path, empty).seen}


def test_charts_are_there_for_what_was_measured() -> None:
    titles = [picture.title for picture in pictures(result())]
    assert titles == [
        "How long it took",
        "How long it took, second by second",
        "What happened each second: sent, accepted, received",
        "What happened each second: pings",
        "Sessions open at the same time",
        "CPU cores in use",
        "Memory",
        "Memory of the hubs for each session",
    ]
    assert [picture.title for picture in pictures(result(timeline=[]))] == ["How long it took"]
    few = [picture.title for picture in pictures(result(timeline=timeline(sessions=10)))]
    assert "Memory of the hubs for each session" not in few


def test_the_lateness_of_the_load_is_told_apart() -> None:
    curves = pictures(result())[0]
    assert curves.says.startswith("ok: half of all took 1.9 ms or less, 99 of 100 6.21 ms or less.")
    assert re.findall(r'class="mark line (\w+)"', curves.chart) == ["one", "two", "load"]
    assert "grey line (late)" in curves.says
    without = pictures(result(latencies={"ok": result().latencies["ok"]}))[0]
    assert "grey" not in without.says


def test_phases_follow_each_other_without_a_gap() -> None:
    bands = phases(timeline(seconds=30))
    assert [(band.name, band.start, band.end, band.is_measured) for band in bands] == [
        ("connecting", 0.0, 6.0, False),
        ("warming up", 6.0, 10.0, False),
        ("measured", 10.0, 40.0, True),
        ("settling", 40.0, 42.0, False),
    ]


def test_areas_of_cpu_stand_on_each_other() -> None:
    cores = next(picture for picture in pictures(result()) if picture.title == "CPU cores in use")
    areas = re.findall(r'class="mark area (\w+)" d="M([^"]+)Z"', cores.chart)
    assert [kind for kind, _ in areas] == ["hub", "worker", "postgres", "valkey", "load", "other"]
    assert "used 1.15 of 2 cores on average, this load 0.46, everything else on this machine 0.05" in cores.says
    tops = [min(float(point.split()[1]) for point in path.split("L")) for _, path in areas]
    assert tops == sorted(tops, reverse=True)


def test_the_pointer_of_a_figure_stands_in_its_part_of_the_scale() -> None:
    def parts(row: Row) -> tuple[float, dict[str, tuple[float, float]]]:
        drawn = bullet(row)
        needle = re.search(r'needle" d="M([\d.]+)', drawn)
        assert needle
        zones = re.findall(r'zone (\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', drawn)
        return float(needle[1]), {kind: (float(x), float(x) + float(width)) for kind, x, width in zones}

    for value, more_is_better, kind in [
        (3.0, False, "good"), (7.0, False, "fair"), (25.0, False, "bad"),
        (3.0, True, "bad"), (7.0, True, "fair"), (25.0, True, "good"),
    ]:  # fmt: skip
        must, aim = (5.0, 10.0) if more_is_better else (10.0, 5.0)
        x, zones = parts(Row("k", "n", value, "ms", must, aim, more_is_better))
        assert zones[kind][0] <= x <= zones[kind][1], (value, more_is_better)
    assert bullet(Row("k", "n", 1.0, "ms")) == ""


def test_bars_of_a_comparison_are_as_long_as_their_values() -> None:
    drawn = bars("CPU", [Bar("ours", 1.0, is_ours=True), Bar("theirs", 4.0, "×4"), Bar("gone", None, "<none>")], "s")
    widths = [float(width) for width in re.findall(r'class="mark bar \w+" x="0" y="\d+" width="([\d.]+)"', drawn)]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert "&lt;none&gt;" in drawn
    assert 'class="missing"' in drawn
