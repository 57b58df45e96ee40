"""What all processes of a run cost, by kind: hub, worker, postgres, valkey, load; and everything else on the machine.

Invariant: CPU seconds never fall. Whoever has ended keeps what it had spent when it was last seen, and whoever takes
its place is found in the ready file.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from loadtest.server.machine import busy_s
from loadtest.server.processes import children_of, cpu_s, memory, resident_kib

MIB = 1024  # KiB
KINDS = ("hub", "worker", "postgres", "valkey", "load")
OTHER = "other"  # programs that are no part of the run, and what the kernel counts as nobody's


class Spent(Struct, frozen=True):
    """CPU seconds until one moment, and the memory held then, of one process (with PostgreSQL, of its backends too)."""

    kind: str
    cpu_s: float
    rss_kib: int


class Meter:
    """*find* says which processes there are now, by kind; of PostgreSQL only the first, whose children count as it."""

    def __init__(self, find: Callable[[], Mapping[str, Sequence[int]]]) -> None:
        self._find = find
        self._cores = os.sched_getaffinity(0)
        self._busy_s = 0.0
        self.seen: dict[int, Spent] = {}
        self.alive: set[int] = set()

    def look(self) -> None:
        """Read /proc. Cheap enough for once a second."""
        self.alive = set()
        self._busy_s = busy_s(self._cores)
        for kind, pids in self._find().items():
            for pid in pids:
                with suppress(OSError):  # it has ended: what was seen last stays
                    self.seen[pid] = _spent(kind, pid)
                    self.alive.add(pid)

    def cpu(self) -> dict[str, float]:
        """Seconds by kind, as of the last look; `OTHER` is only good for differences."""
        total: dict[str, float] = defaultdict(float)
        for spent in self.seen.values():
            total[spent.kind] += spent.cpu_s
        return {**total, OTHER: self._busy_s - sum(total.values())}

    def mib(self) -> dict[str, float]:
        """Resident memory by kind, as of the last look."""
        total: dict[str, float] = defaultdict(float)
        for pid in self.alive:
            total[self.seen[pid].kind] += self.seen[pid].rss_kib / MIB
        return dict(total)

    def pss_kib(self, kind: str) -> dict[int, int]:
        """Memory by process, what is shared counted in parts. Dear: not for every second."""
        found: dict[int, int] = {}
        for pid in self.alive:
            if self.seen[pid].kind == kind:
                with suppress(OSError):
                    found[pid] = memory(pid).pss
        return found


def _spent(kind: str, pid: int) -> Spent:
    seconds, (resident, own) = cpu_s(pid), resident_kib(pid)
    if kind != "postgres":
        return Spent(kind, seconds, resident)
    shared = resident - own  # the buffers; the backend that has touched most of them tells how many are there
    for child in children_of(pid):
        with suppress(OSError):
            child_resident, child_own = resident_kib(child)
            seconds += cpu_s(child)
            own += child_own
            shared = max(shared, child_resident - child_own)
    return Spent(kind, seconds, own + shared)
