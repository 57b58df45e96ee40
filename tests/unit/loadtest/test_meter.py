"""What processes cost, from the kernel's own counts."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from loadtest.server.machine import busy_s
from loadtest.server.meter import OTHER, Meter
from loadtest.server.processes import cpu_s

pytestmark = pytest.mark.unit

BUSY = "while True: pass"
HOLDS_32_MIB = "held = bytearray(32 << 20); print(flush=True); input()"


@pytest.fixture
def busy() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen([sys.executable, "-c", BUSY]) as process:
        yield process
        process.kill()


def test_cpu_of_a_process_grows_and_stays_when_it_has_ended(busy: "subprocess.Popen[bytes]") -> None:
    meter = Meter(lambda: {"hub": [busy.pid]})
    deadline = time.monotonic() + 30
    while not meter.cpu().get("hub"):
        meter.look()
        assert time.monotonic() < deadline
    before = meter.cpu()["hub"]
    busy.kill()
    busy.wait()
    meter.look()
    assert meter.cpu()["hub"] == before
    assert meter.mib() == {}
    assert meter.pss_kib("hub") == {}


def test_memory_is_told_by_kind() -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", HOLDS_32_MIB], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        one, other = (process.pid for process in processes)
        meter = Meter(lambda: {"hub": [one], "load": [other], "worker": []})
        meter.look()
        assert set(meter.mib()) == {"hub", "load"}
        assert all(mib > 32 for mib in meter.mib().values())
        assert [pid for pid, kib in meter.pss_kib("hub").items() if kib > 32 * 1024] == [one]
    finally:
        for process in processes:
            process.communicate(b"\n")


def test_cpu_of_everything_else_is_told_apart(busy: "subprocess.Popen[bytes]") -> None:
    meter = Meter(dict)
    meter.look()
    before, deadline = meter.cpu()[OTHER], time.monotonic() + 30
    while cpu_s(busy.pid) < 0.2:
        assert time.monotonic() < deadline
    meter.look()
    assert meter.cpu()[OTHER] - before > 0.1
    counted = Meter(lambda: {"hub": [busy.pid]})
    counted.look()
    both = counted.cpu()
    assert sum(both.values()) == pytest.approx(busy_s(os.sched_getaffinity(0)), abs=1.0)
    assert both["hub"] >= 0.2
