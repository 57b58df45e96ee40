"""What is shown while a run goes on."""

from io import StringIO

import pytest

from loadtest.histogram import Histogram
from loadtest.progress import Progress, describe
from loadtest.results import Sample

pytestmark = pytest.mark.unit

SAMPLE = Sample(
    at=3.0,
    phase="run",
    sessions=12_000,
    rates={"sent": 4_999.6, "accepted": 5_000.4, "received": 4_000.0, "refused": 0.0},
    cores={"hub": 1.234, "load": 0.5},
    mib={"hub": 100.0},
)


class Terminal(StringIO):
    """One that can be rewritten."""

    def isatty(self) -> bool:
        return True


def test_a_line_tells_phase_sessions_rates_cores_and_latency() -> None:
    late, ok = Histogram(), Histogram()
    late.record(0.5)
    ok.record(0.002)
    line = describe(SAMPLE, {"late": late, "ok": ok}, "run", 3.2, 20.0)
    assert line == (
        "run 3/20 s  12,000 sessions  accepted 5,000/s  sent 5,000/s  received 4,000/s  "
        "cores: hub 1.23 load 0.50  p99 ms: ok 2.0"
    )


def test_a_phase_of_unknown_length_tells_only_what_has_passed() -> None:
    assert describe(SAMPLE, {}, "open", 7.0, 0.0).startswith("open 7 s  12,000 sessions")


def test_on_a_terminal_one_line_is_rewritten_and_cleared() -> None:
    out = Terminal()
    progress = Progress(out)
    progress.begin("run", 20.0)
    progress.show(SAMPLE, {})
    progress.show(SAMPLE, {})
    progress.say("done")
    assert "\n" not in out.getvalue().removesuffix("done\n")
    assert out.getvalue().count("\r\x1b[Krun") == 2
    assert out.getvalue().endswith("\r\x1b[Kdone\n")


def test_elsewhere_a_line_is_written_now_and_then_and_at_once_in_a_new_phase() -> None:
    out = StringIO()
    progress = Progress(out)
    progress.begin("warm up", 2.0)
    progress.show(SAMPLE, {})
    progress.show(SAMPLE, {})
    progress.begin("run", 20.0)
    progress.show(SAMPLE, {})
    assert [line.split(" 0/")[0] for line in out.getvalue().splitlines()] == ["warm up", "run"]
