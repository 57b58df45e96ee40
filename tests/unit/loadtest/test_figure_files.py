"""Drawings for documents: each a file that stands alone."""

from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from loadtest.report.figure_files import main
from loadtest.results import Table
from tests.support.results import result

pytestmark = pytest.mark.unit

TABLE = Table(
    "Hugs & <more>",
    ["sessions", "hubs µs/hug", "load µs/hug", "ok p99 ms"],
    [[1_000.0, 30.0, 9.0, 5.0], [2_000.0, 31.0, 8.0, 6.0], [50_000.0, 29.0, 9.0, 0.0]],
)


def test_each_drawing_is_written_as_one_whole_picture(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(result(), scenario="growth", tables=[TABLE])))
    assert main([str(path), str(tmp_path / "figures")]) == 0
    written = {each.name: ET.fromstring(each.read_text()) for each in (tmp_path / "figures").iterdir()}  # noqa: S314  our own
    assert set(written) == {"growth-hugs-more-cpu-s-hug.svg", "growth-hugs-more-latency.svg"}
    texts = [each.text for each in written["growth-hugs-more-cpu-s-hug.svg"].iter() if each.text]
    assert "Hugs & <more>: CPU (µs/hug)" in texts
    assert {"hubs", "load"} <= set(texts)
    assert "2,000 sessions\nhubs: 31 µs/hug\nload: 8 µs/hug" in texts
