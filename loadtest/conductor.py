"""Conducts a run: the phases of all children at once, and what everything costs meanwhile.

Invariant: what is told of a phase is the difference between two marks, taken when every child had just said how it
stands and /proc had just been read.
"""

import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct

from loadtest.child import Report
from loadtest.children import LoadProcess
from loadtest.histogram import Histogram
from loadtest.progress import Progress
from loadtest.results import Latency, Process, Sample
from loadtest.scenario import Orders, Scenario
from loadtest.server.meter import Meter, Spent
from loadtest.server.stack import Stack

SAMPLE_EVERY_S = 1.0
PROBLEMS_KEPT = 1_000


class Mark(Struct, frozen=True):
    """How everything stood at one moment (`time.perf_counter()`)."""

    at: float
    counts: dict[str, int]
    spent: dict[int, Spent]


class Span(Struct, frozen=True):
    """What happened between two marks. CPU by kind of process."""

    seconds: float
    counts: dict[str, int]
    cpu_s: dict[str, float]

    @staticmethod
    def between(one: Mark, other: Mark) -> "Span":
        """From *one* to *other*."""
        counts = {name: count - one.counts.get(name, 0) for name, count in other.counts.items()}
        cpu: dict[str, float] = defaultdict(float)
        for pid, spent in other.spent.items():
            cpu[spent.kind] += spent.cpu_s - (one.spent[pid].cpu_s if pid in one.spent else 0.0)
        return Span(other.at - one.at, counts, dict(cpu))

    def count(self, name: str) -> int:
        """Zero if nobody counted it."""
        return self.counts.get(name, 0)

    def cpu_us(self, kind: str, name: str) -> float | None:
        """CPU µs of a kind of process for each of what was counted as *name*; None if unknown."""
        if kind not in self.cpu_s or not self.count(name):
            return None
        return 1e6 * self.cpu_s[kind] / self.count(name)


class Conductor:
    """One run of one scenario on one server. `spans` by name of the phase; "run" is what is measured."""

    def __init__(self, scenario: Scenario, stack: Stack, seconds: float, warm_up_s: float, progress: Progress) -> None:
        self.scenario = scenario
        self.stack = stack
        self.spans: dict[str, Span] = {}
        self.counts: Counter[str] = Counter()
        self.histograms: dict[str, Histogram] = {}
        self.timeline: list[Sample] = []
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.sessions = 0
        self.before: dict[int, Spent] = {}
        self.after: dict[int, Spent] = {}
        self._seconds = seconds
        self._warm_up_s = warm_up_s
        self._progress = progress
        self._children: list[LoadProcess] = []
        self._meter = Meter(self._pids)
        self._phase = "start"
        self._run_from: Mark | None = None
        self._started = time.perf_counter()
        self._last: tuple[float, dict[str, int], dict[str, float]] | None = None
        self._fresh: dict[str, Histogram] = defaultdict(Histogram)  # since the last of the timeline
        self._sampling = asyncio.Lock()

    def _pids(self) -> Mapping[str, Sequence[int]]:
        return {
            **self.stack.pids(),
            "load": [os.getpid(), *(child.pid for child in self._children), *self.scenario.pids()],
        }

    @property
    def load_pids(self) -> list[int]:
        """The children's."""
        return [child.pid for child in self._children]

    @property
    def running(self) -> Span:
        """The measured phase. Raises: KeyError if it was not reached."""
        return self.spans["run"]

    def latency(self, name: str) -> Latency:
        """What was recorded as *name* in the measured phase."""
        return self.histograms.get(name, Histogram()).latency()

    async def start(self, orders: Sequence[Orders]) -> None:
        """Start the children. Raises: OSError."""
        for each in orders:
            self._children.append(await LoadProcess.start(each))

    async def end(self) -> None:
        """End the children."""
        await asyncio.gather(*(child.end() for child in self._children))

    async def conduct(self) -> None:
        """All that the scenario wants. Raises: Lost, also when a child has died."""
        scenario = asyncio.create_task(self.scenario.conduct(self))
        sampling = asyncio.create_task(self._sample_on())
        try:
            await asyncio.wait({scenario, sampling}, return_when=asyncio.FIRST_COMPLETED)
            for task in (scenario, sampling):
                if task.done():
                    task.result()
        finally:
            for task in (scenario, sampling):
                task.cancel()
            await asyncio.gather(scenario, sampling, return_exceptions=True)

    async def open(self) -> None:
        """Phase: everybody connects. Raises: Lost."""
        await self.sample()
        self.before = dict(self._meter.seen)
        async with self.phase("open"):
            await self._ask_all("open")

    async def warm_up(self) -> None:
        """Phase: load that is checked but not counted. Raises: Lost."""
        if self._warm_up_s > 0:
            async with self.phase("warm up", self._warm_up_s):
                await self._ask_all("warm_up", self._warm_up_s)

    async def run(self) -> None:
        """Phase: what is measured. Raises: Lost."""
        async with self.phase("run", self._seconds) as mark:
            self._run_from = mark
            await self._ask_all("run", self._seconds)
        self.after = dict(self._meter.seen)

    async def settle(self) -> None:
        """Phase: until everything has arrived. Raises: Lost."""
        async with self.phase("settle"):
            await self._ask_all("settle")

    async def interrupted(self) -> bool:
        """The run ends before its time: keep what was measured. False if there is nothing yet."""
        if self._run_from is None:
            return False
        if "run" not in self.spans:
            await self.sample()
            self.spans["run"] = Span.between(self._run_from, self._mark())
            self.after = dict(self._meter.seen)
        return True

    async def call(self, method: str, *arguments: Any) -> list[Any]:
        """The answers of `Load.method(*arguments)` of all children, in their order. Raises: Lost."""
        return await self._ask_all("call", method, *arguments)

    @asynccontextmanager
    async def phase(self, name: str, seconds: float = 0.0) -> AsyncIterator[Mark]:
        """A phase of the scenario's own: it is in `spans` and in the timeline. *seconds*: how long it means to last."""
        await self.sample()
        mark = self._mark()
        self._phase = name
        self._progress.begin(name, seconds)
        yield mark
        await self.sample()
        self.spans[name] = Span.between(mark, self._mark())

    def processes(self) -> list[Process]:
        """What each process cost in the measured phase."""
        found: list[Process] = []
        run_from = self._run_from.spent if self._run_from is not None else {}
        for pid, spent in self.after.items():
            cpu = spent.cpu_s - (run_from[pid].cpu_s if pid in run_from else 0.0)
            before = self.before[pid].rss_kib if pid in self.before else 0
            found.append(Process(spent.kind, pid, cpu, before, spent.rss_kib))
        return found

    def rss_kib(self) -> dict[str, int]:
        """Resident memory by kind, as of the last sample."""
        return {kind: int(1024 * mib) for kind, mib in self._meter.mib().items()}

    def pss_kib(self, kind: str) -> int:
        """Memory of all processes of a kind now, what is shared counted in parts."""
        return sum(self._meter.pss_kib(kind).values())

    async def sample(self) -> None:
        """Ask all children how they stand, read /proc, and add it to the timeline. Raises: Lost."""
        async with self._sampling:
            reports = [msgspec.convert(each, Report, strict=False) for each in await self._ask_all("report")]
            self._meter.look()
            self._take(reports)
            self._add_sample()

    def _take(self, reports: Sequence[Report]) -> None:
        self.sessions = sum(report.sessions for report in reports)
        self.counts.clear()
        for report in reports:
            for name, count in report.counts.items():
                self.counts[name] += count
            for name, histogram in report.histograms.items():
                self.histograms.setdefault(name, Histogram()).add(histogram)
                self._fresh[name].add(histogram)
            self.problems += report.problems[: PROBLEMS_KEPT - len(self.problems)]
            self.notes += [note for note in report.notes if note not in self.notes]

    def _add_sample(self) -> None:
        now, cpu = time.perf_counter(), self._meter.cpu()
        if self._last is not None and now - self._last[0] > SAMPLE_EVERY_S / 2:
            then, counts, cpu_then = self._last
            lasted = now - then
            sample = Sample(
                at=now - self._started,
                phase=self._phase,
                sessions=self.sessions,
                rates={name: (count - counts.get(name, 0)) / lasted for name, count in self.counts.items()},
                cores={kind: max(0.0, seconds - cpu_then.get(kind, 0.0)) / lasted for kind, seconds in cpu.items()},
                mib=self._meter.mib(),
                p99_ms={name: histogram.percentiles_ms([99.0])[0] for name, histogram in self._fresh.items()},
            )
            self.timeline.append(sample)
            self._progress.show(sample, self.histograms)
            self._fresh.clear()
        elif self._last is not None:
            return
        self._last = (now, dict(self.counts), cpu)

    async def _sample_on(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            await self.sample()

    def _mark(self) -> Mark:
        return Mark(time.perf_counter(), dict(self.counts), dict(self._meter.seen))

    async def _ask_all(self, name: str, *arguments: Any) -> list[Any]:
        return await asyncio.gather(*(child.ask(name, *arguments) for child in self._children))
