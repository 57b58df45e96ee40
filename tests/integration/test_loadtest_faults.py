"""`hugmood loadtest` with hubs that die, readers that stop and people who come and go: that everybody is followed."""

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loadtest.server.stack import COMMAND

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

STORM = ("storm", "--up", "--sessions", "60", "--pairs", "20", "--rate", "100", "--seconds", "6", "--warm-up", "0.5")


def loadtest(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, "loadtest", *arguments], capture_output=True, text=True, check=False)


def load_json(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return result


def figures(result: dict[str, Any]) -> dict[str, float]:
    return {row["key"]: row["value"] for row in result["rows"]}


def test_a_hub_is_killed_and_everybody_comes_back(tmp_path: Path) -> None:
    out = tmp_path / "storm.json"
    done = loadtest(*STORM, "--processes", "2", "--json", str(out), "--require", "cut_off>=1")
    assert done.returncode == 0, done.stdout + done.stderr
    result = load_json(out)
    counts, found = result["counts"], figures(result)
    assert counts["cut off"] == counts["back"] == found["cut_off"] > 0
    assert counts["sent"] == counts["accepted"] == counts["received"] == 650
    assert result["latencies"]["coming back"]["count"] == counts["back"]
    assert 0 < found["back_p99_s"] <= found["storm_s"]
    assert found["stampede"] > 0
    assert any(note.startswith("0 were told to go") for note in result["notes"])


def test_a_hub_is_stopped_and_tells_everybody_to_come_back(tmp_path: Path) -> None:
    out = tmp_path / "storm.json"
    done = loadtest(*STORM, "--stop", "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    result = load_json(out)
    counts = result["counts"]
    assert counts["cut off"] == counts["back"] > 0
    assert counts["sent"] == counts["accepted"] == counts["received"] == 650
    assert any(note.startswith(f"{counts['cut off']} were told to go") for note in result["notes"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--up", "--kill", "3"), "of 3 hubs at least one must be ended and one must remain"),
        (
            ("--up", "--hubs", "2", "--sessions", "5000000"),
            "1 hubs that remain would get up to 5,750,000 sessions each",
        ),
        (("--up", "--sessions", "10", "--pairs", "6"), "6 pairs are more than 10 sessions"),
        (("--up", "--seconds", "2"), "hubs are ended after 3 s"),
    ],
)
def test_a_storm_that_cannot_be_is_refused(options: tuple[str, ...], said: str) -> None:
    done = loadtest("storm", *options)
    assert done.returncode == 2
    assert said in done.stderr


def test_readers_stop_and_get_everything_in_the_end(tmp_path: Path) -> None:
    out = tmp_path / "slow.json"
    options = ("--stopped", "8", "--pairs", "2", "--rate", "20", "--warm-up", "0.5", "--processes", "2")
    done = loadtest("slow", "--up", *options, "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    result = load_json(out)
    counts, found = result["counts"], figures(result)
    assert counts["cut off"] == counts["back"] > 0
    assert counts["sent"] == counts["accepted"] == counts["received"] > 2 * 8 * 60
    assert found["stopped_kernel_kib"] > 16, "they had not stopped"
    assert found["closed_s"] >= 29.0
    assert found["open_s"] >= 27.0
    assert result["latencies"]["ok, all reading"]["count"] > 0
    assert result["latencies"]["ok, some stopped"]["count"] > 20 * 30
    assert any("found the hub's bye" in note for note in result["notes"])


def test_an_evening_goes_by(tmp_path: Path) -> None:
    out = tmp_path / "day.json"
    options = ("--sessions", "120", "--rate", "40", "--processes", "2", "--seconds", "8", "--warm-up", "0.5")
    done = loadtest("day", "--up", *options, "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    result = load_json(out)
    counts = result["counts"]
    assert counts["sent"] == counts["accepted"] == counts["received"] == 340
    assert counts["pulses"] >= counts["squeezes"] > 0
    assert counts["changes of status"] > 0
    assert counts["cut off"] == 0
    assert {"ok", "delivery", "ok, coming and going", "pulse"} <= result["latencies"].keys()
    assert figures(result)["hub_cores"] > 0


def test_an_evening_of_too_few_is_refused() -> None:
    done = loadtest("day", "--up", "--sessions", "10")
    assert done.returncode == 2
    assert "an even number of --sessions, and at least 12" in done.stderr
