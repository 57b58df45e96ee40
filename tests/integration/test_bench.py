"""A tiny run of the benchmark: that it works and finds nothing wrong, not how fast anything is."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadtest.bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_a_small_run_on_a_server_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    small = (
        "--seconds",
        "1",
        "--rate",
        "200",
        "--pairs",
        "3",
        "--sessions",
        "60",
        "--members",
        "60",
        "--json",
        str(out),
    )
    done = bench("steady", "full", "idle", "room", *small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every promise was kept") == 4
    report = msgspec.json.decode(out.read_bytes())
    steady, full, idle, room = (report["figures"][name] for name in ("steady", "full", "idle", "room"))
    assert steady["verdict"]["accepted"] == steady["verdict"]["received"] == 600  # with two seconds of warming up
    assert full["verdict"]["accepted"] == full["verdict"]["received"] > 300
    assert (idle["sessions"], idle["failed"], idle["still_open"]) == (60, 0, 60)
    assert [(run["squeezes"], run["pulses_per_s_max"] <= 10) for run in room["runs"]] == [(1_000, True), (10_000, True)]
    assert steady["cpu_us"]["hubs"] > 0
    assert [section["problems"] for section in report["sections"]] == [[], [], [], []]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sprint",), "no such run: sprint"),
        (("--ready-file", "nowhere.json"), "belong together"),
        (("--ready-file", "nowhere.json", "--people", "nowhere.jsonl"), "nowhere.json"),
    ],
)
def test_what_cannot_be_measured_is_said_plainly(arguments: tuple[str, ...], said: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
