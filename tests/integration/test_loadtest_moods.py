"""`hugmood loadtest moods`: against a real server, and against one that breaks a promise at a time."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loadtest.results import Result
from loadtest.scenarios import moods
from loadtest.server.holding import held
from loadtest.server.stack import COMMAND
from tests.support.lying_hub import Command, Line, LyingHub, lying_hub, opened, orders

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

Lie = Callable[[LyingHub, Line, Command], None]
USERS = [f"01a1fe41-d211-7000-a4d9-00000000000{number}" for number in range(4)]


def measured(tmp_path: Path, *options: str) -> Result:
    """Of a run on a server of its own, which must have kept every promise."""
    out = tmp_path / "result.json"
    command = [COMMAND, "loadtest", "moods", "--up", *options, "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = msgspec.json.decode(out.read_bytes(), type=Result)
    assert result.problems == []
    return result


def test_at_a_steady_rate(tmp_path: Path) -> None:
    quick = ("--seconds", "1", "--warm-up", "0.5")
    result = measured(tmp_path, "--rate", "60", "--users", "6", "--processes", "2", *quick)
    assert result.counts["logged"] == result.counts["saved"] == 90
    assert result.counts["told again"] >= 6  # each has logged one once more
    assert {name: latency.count for name, latency in result.latencies.items()} == {"late": 60, "ok": 60, "saved": 60}
    assert {"moods_per_s", "saved_p99_ms", "worker_cpu_us", "hub_cpu_us"} <= {row.key for row in result.rows}
    assert not [note for note in result.notes if "were not counted" in note]


def test_as_fast_as_one_worker_goes(tmp_path: Path) -> None:
    result = measured(tmp_path, "--rate", "max", "--users", "20", "--moods", "200", "--hubs", "1")
    assert result.counts["logged"] == result.counts["saved"] == 210  # with those of warming up
    rate = next(row for row in result.rows if row.key == "moods_per_s")
    assert rate.value > 0
    assert rate.must is not None
    phases = {sample.phase for sample in result.timeline}
    assert phases <= {"start", "open", "warm up", "queue", "run", "settle"}


def test_whoever_is_held_goes_on_behind_the_block() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with pytest.raises(ValueError, match="in the middle"):
            _fail_while_held(process.pid)
        process.communicate(b"\n", timeout=60)
    assert process.returncode == 0


def _fail_while_held(pid: int) -> None:
    with held([pid]):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        raise ValueError("in the middle")


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on the way for long here."""
    monkeypatch.setattr(moods, "AGAIN_AFTER_S", 0.3)


async def lied_to(lie: Lie, rate: float | str = 200.0) -> moods.MoodsLoad:
    """What became of 20 moods of four people."""

    def on_command(hub: LyingHub, line: Line, command: Command) -> None:
        if command["type"] == "mood.log":
            lie(hub, line, command)

    async with lying_hub(on_command) as hub:
        load = moods.MoodsLoad(orders("moods", hub.url, USERS, rate=rate, users=4))
        async with opened(load):
            if rate == "max":
                await load.queue(20)
            load.measured_from = 0.0
            await load.drive(0.1)
            await load.settle()
    return load


def queue(line: Line, command: Command) -> None:
    line.say(f'{{"type":"ok","ref":{command["ref"]},"id":"{command["id"]}","state":"queued"}}')


def save(line: Line, command: Command) -> None:
    line.say(f'{{"type":"mood.saved","id":"{command["id"]}"}}')


def honest(_hub: LyingHub, line: Line, command: Command) -> None:
    queue(line, command)
    save(line, command)


@pytest.mark.parametrize("rate", [200.0, "max"])
@pytest.mark.usefixtures("_hurry")
async def test_a_server_that_is_honest(rate: float | str) -> None:
    load = await lied_to(honest, rate)
    load.tally()
    assert load.problems == []
    assert load.counts == {
        "logged": 20,
        "queued": 24,
        "saved": 20,
        "sent again": 4,  # once by each in the end
        "told again": 4,
        "streaks": 0,
    }
    if rate != "max":
        assert load.histograms["saved"].total == 20
    assert sum(load.logged().values()) == 20
    assert load.last_saved() > 0


@pytest.mark.usefixtures("_hurry")
async def test_a_mood_that_is_told_as_saved_the_second_time_only_is_no_problem() -> None:
    seen: set[str] = set()

    def forget(_hub: LyingHub, line: Line, command: Command) -> None:
        queue(line, command)
        if command["id"] in seen or int(command["ref"]) != 2:
            save(line, command)
        seen.add(command["id"])

    load = await lied_to(forget)
    assert load.problems == []
    assert load.counts["sent again"] == 8


@pytest.mark.usefixtures("_hurry")
async def test_moods_that_are_never_told_as_saved_are_problems() -> None:
    lost: set[str] = set()

    def lose(_hub: LyingHub, line: Line, command: Command) -> None:
        queue(line, command)
        if line.user == USERS[0] and int(command["ref"]) == 1:
            lost.add(command["id"])
        if command["id"] not in lost:
            save(line, command)

    assert (await lied_to(lose)).problems == ["1 moods of one person were never told as saved"]


@pytest.mark.usefixtures("_hurry")
async def test_rejections_refusals_and_silence_are_problems() -> None:
    def lie(_hub: LyingHub, line: Line, command: Command) -> None:
        who = USERS.index(line.user)
        if who == 0:
            queue(line, command)
            line.say(f'{{"type":"mood.rejected","id":"{command["id"]}","code":"internal","message":"oh"}}')
        elif who == 1:
            line.say(f'{{"type":"error","ref":{command["ref"]},"code":"invalid","message":"no","retryable":false}}')
        elif who == 2:
            save(line, command)

    problems = (await lied_to(lie)).problems
    assert "a mood was rejected: internal: oh" in problems
    assert "invalid: no" in problems
    assert any("were never answered" in problem for problem in problems)
    assert problems.count("5 moods of one person were never told as saved") == 3
