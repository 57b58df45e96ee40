"""What a run of `hugmood loadtest` has measured: everything that tables, JSON and the HTML report show."""

from msgspec import Struct


class Row(Struct, frozen=True):
    """One figure. *must* and *aim* are bounds of the design, above or below which it should be."""

    key: str  # as in --require: ok_p99_ms
    name: str  # as a person reads it: "ok p99"
    value: float
    unit: str
    must: float | None = None
    aim: float | None = None
    more_is_better: bool = False

    def mark(self) -> str:
        """How it stands against the bounds."""
        if self.must is None or self.aim is None:
            return ""
        if self._keeps(self.aim):
            return "reached"
        return "ok" if self._keeps(self.must) else "MISSED"

    def _keeps(self, bound: float) -> bool:
        return self.value >= bound if self.more_is_better else self.value <= bound


class Latency(Struct, frozen=True):
    """Milliseconds from the intended time of sending. *curve*: (percentile, ms), rising, for drawing."""

    count: int
    p50: float
    p90: float
    p99: float
    p999: float
    max: float
    curve: list[tuple[float, float]] = []


class Sample(Struct, frozen=True):
    """One moment of the timeline, about one a second, from the first connection to the last settled event.

    *at*: seconds since the run began. *rates*: each count of the clients, per second, since the sample before.
    *cores*: CPU seconds a second by kind of process. *mib*: resident memory by kind. *p99_ms*: of the latencies that
    ended since the sample before, in the measured phase.
    """

    at: float
    phase: str  # open, warm up, run, settle
    sessions: int
    rates: dict[str, float]
    cores: dict[str, float]
    mib: dict[str, float]
    p99_ms: dict[str, float] = {}


class Process(Struct, frozen=True):
    """One process of the server, or of the load. CPU over the measured phase; memory before the first connection and at its end."""

    kind: str  # hub, worker, postgres, valkey, load
    pid: int
    cpu_s: float
    rss_kib_before: int
    rss_kib: int


class Table(Struct, frozen=True):
    """Figures of several steps of one run, a row for each. A column's name has its unit; the first names the step."""

    title: str
    columns: list[str]
    rows: list[list[float]]


class Machine(Struct, frozen=True):
    """Where it ran."""

    cores: int
    memory_gib: float
    kernel: str
    cpu: str
    python: str


class Result(Struct, frozen=True, kw_only=True):
    """One run of one scenario. `problems` is empty when every promise was kept.

    *counts*: of the clients, from the first connection to the last settled event.
    """

    scenario: str
    title: str  # one line a person understands without knowing the scenario
    started_at: str
    seconds: float  # of the measured phase
    version: str
    machine: Machine
    options: dict[str, str | int | float | bool | None]
    rows: list[Row]
    counts: dict[str, int]
    latencies: dict[str, Latency]
    timeline: list[Sample]
    processes: list[Process]
    notes: list[str]
    problems: list[str]
    tables: list[Table] = []
