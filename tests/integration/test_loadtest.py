"""`hugmood loadtest` as a person runs it: that it follows what was promised, and ends as it should."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from loadtest.server.processes import children_of
from loadtest.server.stack import COMMAND, Stack, own_stack

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

QUICK = ("--seconds", "1", "--warm-up", "0.5")


class Server(NamedTuple):
    """One that runs already, with files that describe it."""

    stack: Stack
    ready: Path
    people: Path

    def arguments(self) -> list[str]:
        return ["--ready-file", str(self.ready), "--people", str(self.people)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with own_stack(2, 40) as (stack, people):
        path = tmp_path_factory.mktemp("loadtest") / "people.jsonl"
        path.write_bytes(b"\n".join(map(msgspec.json.encode, people)))
        assert stack.ready is not None
        yield Server(stack, stack.ready, path)


def loadtest(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([COMMAND, "loadtest", *arguments], capture_output=True, text=True, check=False)


@contextmanager
def running(*arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """A load test that has reached its measured phase."""
    command = [COMMAND, "loadtest", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.startswith("run "):
                    break
            yield process
        finally:
            process.kill()


def load_json(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return result


def test_hugs_on_a_server_of_its_own(tmp_path: Path) -> None:
    out, page = tmp_path / "result.json", tmp_path / "result.html"
    files = ("--json", str(out), "--html", str(page))
    done = loadtest("hugs", "--up", "--rate", "200", "--pairs", "2", "--processes", "2", *QUICK, *files)
    assert done.returncode == 0, done.stdout + done.stderr
    result = load_json(out)
    assert result["counts"] == {"sent": 300, "accepted": 300, "received": 300}  # with half a second of warming up
    assert {name: latency["count"] for name, latency in result["latencies"].items()} == {
        "late": 200,
        "ok": 200,
        "delivery": 200,
    }
    assert result["problems"] == []
    assert {process["kind"] for process in result["processes"]} == {"hub", "worker", "postgres", "valkey", "load"}
    assert [sample["phase"] for sample in result["timeline"]][-1] in ("run", "settle")
    assert result["options"]["hubs"] == 2
    assert "<svg" in page.read_text()
    assert "ok p99" in done.stdout
    assert done.stderr.startswith("starting 2 hubs")


def test_as_fast_as_it_goes_with_a_bound_that_cannot_be_kept(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    bounds = ("--require", "ok_p99_ms<=0.000001", "--require", "hugs_per_s>=1")
    done = loadtest("hugs", "--rate", "max", "--pairs", "3", *QUICK, *bounds, "--json", str(out), *server.arguments())
    assert done.returncode == 1, done.stderr
    assert "ok_p99_ms<=1e-06 was required, and it was" in done.stderr
    assert "hugs_per_s" not in done.stderr
    counts = load_json(out)["counts"]
    assert counts["sent"] == counts["accepted"] == counts["received"] > 50


def test_idle_sessions_are_counted_and_weighed(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    done = loadtest("idle", "--sessions", "40", *QUICK, "--json", str(out), *server.arguments())
    assert done.returncode == 0, done.stderr
    result = load_json(out)
    assert result["counts"] == {"opened": 40}
    assert result["timeline"][-1]["sessions"] == 40
    assert {"session_rss_kib", "session_pss_kib", "idle_cores"} < {row["key"] for row in result["rows"]}


def test_openings_are_all_made_and_timed(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    done = loadtest("opening", "--sessions", "40", "--at-once", "8", "--json", str(out), *server.arguments())
    assert done.returncode == 0, done.stderr
    result = load_json(out)
    assert result["latencies"]["opening"]["count"] == result["counts"]["opened"] == 40


def test_growth_goes_in_steps_and_hugs_in_each(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    some = ("--sessions", "40", "--first", "10", "--pairs", "3", "--rate", "90", "--idle", "0.5", "--processes", "2")
    done = loadtest("growth", *some, *QUICK, "--json", str(out), *server.arguments())
    assert done.returncode == 0, done.stderr
    result = load_json(out)
    tables = {table["title"]: table["rows"] for table in result["tables"]}
    assert set(tables) == {"Opening them", "While nothing happens", "While some hug", "Memory"}
    assert all([row[0] for row in rows] == [10, 20, 40] for rows in tables.values())
    assert result["latencies"]["ok"]["count"] == 270  # a second in each of three steps
    assert result["counts"]["received"] == result["counts"]["accepted"] == 315
    assert result["counts"]["opened"] == 34
    fewest, most = tables["Opening them"][-1][-2:]
    assert fewest + most == 40  # two hubs


def test_a_server_of_which_only_the_address_is_known_has_no_cpu(server: Server, tmp_path: Path) -> None:
    address = ("--url", server.stack.url, "--people", str(server.people))
    done = loadtest("hugs", "--rate", "100", *QUICK, *address, "--require", "hub_cpu_us<=1000")
    assert done.returncode == 2
    assert "CPU and memory of the server are not known" in done.stdout
    assert "no such figure: hub_cpu_us; there are ok_p50_ms" in done.stderr


def test_a_load_process_that_dies_is_told(server: Server) -> None:
    with running("hugs", "--processes", "2", "--pairs", "2", "--seconds", "60", *server.arguments()) as process:
        os.kill(children_of(process.pid)[1], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "load process 2 (process" in err
    assert "was ended by SIGKILL" in err
    assert out == ""


def test_a_hub_that_dies_ends_the_run() -> None:
    with running("hugs", "--up", "--hubs", "1", "--seconds", "60") as process:
        up = next(pid for pid in children_of(process.pid) if b"loadtest.child" not in _command(pid))
        hub = next(pid for pid in children_of(up) if _command(pid).endswith(b"hub\0"))
        os.kill(hub, signal.SIGKILL)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "a connection ended during the run" in err


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_sees_what_was_measured_and_leaves_nothing(server: Server, signum: signal.Signals) -> None:
    with running("hugs", "--rate", "100", "--seconds", "60", *server.arguments()) as process:
        children = children_of(process.pid)
        process.send_signal(signum)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "ok p99" in out
    assert "it was interrupted" in out
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_a_killed_load_test_leaves_nothing_behind() -> None:
    with running("idle", "--up", "--sessions", "10", "--seconds", "60") as process:
        left = [(pid, *children_of(pid)) for pid in children_of(process.pid)]
        process.kill()
        process.wait()
    assert len(left) == 2  # the server and one process of load
    deadline = time.monotonic() + 60
    while any(_command(pid) for family in left for pid in family):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _command(pid: int) -> bytes:
    """Empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sprint", "--up"), "invalid choice: 'sprint'"),
        (("hugs", "--up", "--fast"), "unrecognized arguments: --fast"),
        (("hugs",), "which server? --up starts one"),
        (("hugs", "--up", "--url", "http://127.0.0.1:1"), "--up starts a server of its own"),
        (("hugs", "--up", "--rate", "many"), "'many' is not a rate"),
        (("hugs", "--up", "--require", "fast"), "'fast' is not a bound"),
        (("hugs", "--up", "--require", "okay<=1"), "no such figure: okay; there are ok_p50_ms"),
        (("hugs", "--up", "--json", "/nowhere/at/all.json"), "there is no folder /nowhere/at"),
        (("idle", "--ready-file", "nowhere.json", "--people", "nowhere.jsonl"), "nowhere.json"),
    ],
)
def test_what_cannot_be_measured_is_said_in_a_sentence_before_anything_starts(
    arguments: tuple[str, ...], said: str
) -> None:
    done = loadtest(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "starting" not in done.stderr


def test_an_address_where_nobody_answers_is_told(server: Server) -> None:
    done = loadtest("hugs", "--url", "http://127.0.0.1:1", "--people", str(server.people), *QUICK)
    assert done.returncode == 2
    assert "cannot connect to 127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_scenario_with_its_options() -> None:
    everything = loadtest("--help").stdout
    assert "durable hugs between pairs of friends" in everything
    assert "--sessions" in loadtest("idle", "--help").stdout
    assert "--peers" in loadtest("compare", "--help").stdout
