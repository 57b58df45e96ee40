"""What processes cost, as the kernel counts it: CPU seconds and memory from /proc."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


class Memory(Struct, frozen=True):
    """Of one process, in KiB. PSS shares what is mapped several times among its users."""

    rss: int
    pss: int


def _stat(pid: int) -> list[str]:
    """proc(5): the fields of /proc/<pid>/stat behind the name, beginning with the state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """User and system seconds of one process since it began, with those of its children that have ended."""
    return sum(int(field) for field in _stat(pid)[11:15]) / _TICKS_PER_S


def family_cpu_s(pid: int) -> float:
    """`cpu_s` of a process and its children that live: PostgreSQL's backends, for example."""
    total = cpu_s(pid)
    for child in children_of(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            total += cpu_s(child)
    return total


def children_of(pid: int) -> list[int]:
    """The children of a process that live now."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if int(_stat(int(entry.name))[1]) == pid:
                    found.append(int(entry.name))
    return found


def resident_kib(pid: int) -> tuple[int, int]:
    """Resident memory of one process, and what of it is its own alone; cheaper than `memory`."""
    _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    return resident * _PAGE_KIB, (resident - shared) * _PAGE_KIB


def memory(pid: int) -> Memory:
    """What one process holds now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    values = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return Memory(rss=values["Rss"], pss=values["Pss"])


class Processes(Struct, frozen=True):
    """The server's processes, by what they do."""

    hubs: tuple[int, ...]
    workers: tuple[int, ...] = ()
    postgres: int | None = None
    valkey: int | None = None

    def cpu(self) -> "Cpu":
        """The seconds spent until now."""
        return Cpu(
            hubs=sum(map(cpu_s, self.hubs)),
            workers=sum(map(cpu_s, self.workers)),
            postgres=family_cpu_s(self.postgres) if self.postgres else 0.0,
            valkey=cpu_s(self.valkey) if self.valkey else 0.0,
            client=cpu_s(os.getpid()),
        )

    def memory(self) -> list[Memory]:
        """Of each hub."""
        return [memory(pid) for pid in self.hubs]


class Cpu(Struct, frozen=True):
    """CPU seconds by what they were spent on."""

    hubs: float
    workers: float
    postgres: float
    valkey: float
    client: float

    def since(self, before: "Cpu") -> "Cpu":
        """The seconds spent since *before*."""
        return Cpu(**{name: getattr(self, name) - getattr(before, name) for name in self.__struct_fields__})

    def scaled(self, factor: float) -> "Cpu":
        """Each figure times *factor*."""
        return Cpu(**{name: getattr(self, name) * factor for name in self.__struct_fields__})


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Keep processes, with their threads, on *cores*. Those of another user are left as they are."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)
