"""A tiny comparison with the servers that need no installation: that it works and counts right, not how fast anything is."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
TINY = (
    "--rounds",
    "1",
    "--seconds",
    "0.5",
    "--subscribers",
    "12",
    "--pairs",
    "3",
    "--rate",
    "60",
    "--connections",
    "12",
)


def compare(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "loadtest.cli", "compare", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_messages_to_servers_that_are_always_here(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    works = ("--works", "bursts", "spaced", "unicast", "trickle")
    done = compare("--peers", "hugmood", "starlette", "websockets", *works, *TINY, "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything published was delivered, once." in done.stdout
    comparison = msgspec.json.decode(out.read_bytes())
    assert [each["peer"] for each in comparison["standings"]] == ["hugmood", "websockets", "starlette"]
    turns = {(turn["peer"], turn["work"]): turn for turn in comparison["turns"]}
    assert len(turns) == 3 * 4
    for peer in ("hugmood", "starlette", "websockets"):
        assert turns[peer, "bursts"]["deliveries"] % (10 * 12) == 0
        assert turns[peer, "bursts"]["deliveries"] >= 10 * 12
        assert turns[peer, "spaced"]["deliveries"] == 25 * 12
        assert turns[peer, "trickle"]["deliveries"] == 30
        assert turns[peer, "unicast"]["deliveries"] >= 3 * 16


def test_idle_connections_are_reachable_and_are_told_nothing(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    done = compare("--peers", "websockets", "--works", "idle", *TINY, "--connections", "400", "--json", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    (turn,) = msgspec.json.decode(out.read_bytes())["turns"]
    assert (turn["work"], turn["deliveries"]) == ("idle", 0)
    assert turn["kib"] > 0


def test_what_is_not_there_is_named_and_left_out(tmp_path: Path) -> None:
    done = compare("--peers", "websockets", "socketio", "--works", "spaced", *TINY, "--installed", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing: Socket.IO: " in done.stdout
    assert "websockets broadcast()" in done.stdout


def test_a_run_that_cannot_be_is_refused() -> None:
    done = compare("--seconds", "60")
    assert done.returncode == 2
    assert "at most 20" in done.stderr
