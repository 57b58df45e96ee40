"""Where a run takes place."""

import os
import platform
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


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
