"""The load tester's ephemeral scenarios on real hubs: small runs that find nothing wrong, not how fast anything is."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from loadtest.catalogue import find_scenario
from loadtest.server.stack import Stack, own_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
MEMBERS = 30


class Place(NamedTuple):
    """Two hubs, and the files that a run is told of."""

    stack: Stack
    ready: Path
    people: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    people = tmp_path_factory.mktemp("live") / "people.jsonl"
    with own_stack(2, MEMBERS, friends=4) as (stack, made):
        assert stack.ready is not None
        people.write_bytes(b"\n".join(msgspec.json.encode(each) for each in made))
        yield Place(stack, stack.ready, people)


def run(place: Place, tmp_path: Path, scenario: str, *arguments: str) -> dict[str, Any]:
    """One run; its result, which found nothing wrong and holds the figures that were announced."""
    out = tmp_path / "result.json"
    server = ("--ready-file", str(place.ready), "--people", str(place.people))
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.cli", scenario, *server, "--seconds", "2", "--json", str(out), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = msgspec.json.decode(out.read_bytes())
    assert result["problems"] == []
    assert {row["key"] for row in result["rows"]} <= set(find_scenario(scenario).keys)
    return result


def figure(result: dict[str, Any], key: str) -> float:
    return float(next(row["value"] for row in result["rows"] if row["key"] == key))


@pytest.mark.parametrize("burst", [1, 4])
def test_unicast_at_a_rate(place: Place, tmp_path: Path, burst: int) -> None:
    result = run(place, tmp_path, "unicast", "--rate", "400", "--pairs", "3", "--burst", str(burst))
    counts = result["counts"]
    assert counts["sent"] == counts["answered"] == counts["delivered"] == 1_600  # with two seconds of warming up
    assert result["latencies"]["unicast"]["count"] == result["latencies"]["ok"]["count"] == 800
    assert figure(result, "unicast_lost") == 0
    assert figure(result, "unicast_cpu_us") >= 0  # counted in steps of 10 ms


def test_unicast_as_fast_as_it_goes(place: Place, tmp_path: Path) -> None:
    result = run(place, tmp_path, "unicast", "--rate", "max", "--pairs", "2", "--processes", "2")
    assert result["counts"]["delivered"] == result["counts"]["sent"] > 500


@pytest.mark.parametrize("processes", ["1", "2"])
@pytest.mark.parametrize(("pattern", "rooms"), [("spaced", 3), ("burst", 8)])
def test_rooms_with_the_same_members(place: Place, tmp_path: Path, pattern: str, rooms: int, processes: str) -> None:
    options = ("--pattern", pattern, "--rooms", str(rooms), "--members", "20", "--processes", processes)
    result = run(place, tmp_path, "room", *options)
    counts = result["counts"]
    assert counts["squeezes"] == counts["answered"] == 28 * rooms  # 7/s for each, four seconds
    assert counts["pulses"] > 0
    assert figure(result, f"room_{pattern}_cpu_us") >= 0  # counted in steps of 10 ms
    assert figure(result, "pulse_p99_ms") > 0


def test_a_room_that_merges(place: Place, tmp_path: Path) -> None:
    result = run(place, tmp_path, "room", "--pattern", "merge", "--members", str(MEMBERS), "--rate", "500")
    assert result["counts"]["squeezes"] == 2_000
    # Ten pulses a second at most, in four seconds, and those that told of the joining.
    assert result["counts"]["pulses"] <= MEMBERS * (40 + MEMBERS)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_presence_that_friends_see(place: Place, tmp_path: Path, processes: str) -> None:
    users = ("--users", str(MEMBERS), "--friends", "4")
    result = run(place, tmp_path, "presence", *users, "--rate", "4", "--processes", processes)
    counts = result["counts"]
    assert counts["changes"] == counts["answered"] == 16
    assert counts["seen"] > 0
    assert figure(result, "presence_cpu_us") >= 0  # counted in steps of 10 ms


def test_presence_that_changes_too_often_is_merged(place: Place, tmp_path: Path) -> None:
    result = run(place, tmp_path, "presence", "--users", str(MEMBERS), "--friends", "4", "--rate", "100")
    assert result["counts"]["changes"] == 400
    assert result["counts"]["seen"] < 4 * 400
    assert any("more often than every" in note for note in result["notes"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("room", "--rate", "1000"), "can be told at most"),
        (("room", "--members", "1"), "a room has 2 to"),
        (("room", "--members", "500"), "people are needed"),
        (("presence", "--users", "10", "--friends", "10"), "at most 9 friends"),
        (("unicast", "--rate", "fast"), "is not a rate"),
        (("unicast", "--burst", "0"), "not a number from 1 on"),
    ],
)
def test_what_cannot_be_done_is_said_plainly(place: Place, arguments: tuple[str, ...], said: str) -> None:
    server = ("--ready-file", str(place.ready), "--people", str(place.people))
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.cli", *arguments, *server],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
