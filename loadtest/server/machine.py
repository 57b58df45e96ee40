"""Where a run takes place."""

import os
import platform
from collections.abc import Collection
from pathlib import Path

from loadtest.results import Machine

_GIB = 1 << 30


def this_machine() -> Machine:
    """What /proc and Python know of it."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
        kernel=platform.release(),
        cpu=_cpu_name(),
        python=platform.python_version(),
    )


def busy_s(cores: Collection[int]) -> float:
    """CPU seconds that *cores* have been at work since the machine began, for whomever (proc_stat(5))."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.removeprefix("cpu").isdigit() and int(name.removeprefix("cpu")) in cores:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
