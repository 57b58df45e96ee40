"""What the steps of a growing load have cost, as tables."""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from loadtest.conductor import Span
from loadtest.results import Latency, Table
from loadtest.server.kernel import Kernel

MIB = 1024  # KiB
NAMES = {"hub": "hubs", "valkey": "Valkey", "postgres": "PostgreSQL", "load": "load"}


class Held(Struct, frozen=True):
    """KiB at one moment: of each kind of process, and of the kernel."""

    sessions: int
    rss: dict[str, int]
    hub_pss: int
    kernel: Kernel


class Step(Struct, frozen=True):
    """What was measured with so many sessions. *held*: when all had been still for a while."""

    sessions: int
    nodes: list[int]  # sessions on each, the fewest first
    opening: Span
    idle: Span
    hugs: Span
    ok: Latency
    delivery: Latency
    held: Held


def growth_tables(steps: Sequence[Step], before: Held) -> list[Table]:
    """A row for each step. *before*: when only those were there who hug."""
    return [
        Table("Opening them", _OPENING, [_opening(step) for step in steps]),
        Table("While nothing happens", _IDLE, [_idle(step) for step in steps]),
        Table("While some hug", _HUGS, [_hugs(step) for step in steps]),
        Table(
            "Memory",
            _MEMORY,
            [_memory(one, other) for one, other in pairwise([before, *(step.held for step in steps)])],
        ),
    ]


_OPENING = [
    "sessions",
    "openings/s",
    *(f"{name} µs/opening" for name in NAMES.values()),
    "fewest on a hub",
    "most on a hub",
]


def _opening(step: Step) -> list[float]:
    opened = step.opening.count("opened")
    return [
        step.sessions,
        opened / step.opening.seconds,
        *_cpu_us(step.opening, opened),
        step.nodes[0],
        step.nodes[-1],
    ]


_IDLE = ["sessions", *(f"{name} cores" for name in NAMES.values())]


def _idle(step: Step) -> list[float]:
    return [step.sessions, *(step.idle.cpu_s.get(kind, 0.0) / step.idle.seconds for kind in NAMES)]


_LATENCIES = ("ok p50", "ok p99", "delivery p50", "delivery p99")
_HUGS = ["sessions", *(f"{name} µs/hug" for name in NAMES.values()), *(f"{name} ms" for name in _LATENCIES)]


def _hugs(step: Step) -> list[float]:
    return [
        step.sessions,
        *_cpu_us(step.hugs, step.hugs.count("accepted")),
        *(step.ok.p50, step.ok.p99, step.delivery.p50, step.delivery.p99),
    ]


_MEMORY = [
    "sessions",
    *(f"{name} MiB" for name in NAMES.values()),
    "kernel MiB",
    "hubs KiB more each",
    "kernel, both ends KiB more each",
]


def _memory(before: Held, held: Held) -> list[float]:
    """What more sessions took is shared by those that came since the step before."""
    more, kernel = held.sessions - before.sessions, held.kernel.since(before.kernel)
    return [
        held.sessions,
        *(held.rss.get(kind, 0) / MIB for kind in NAMES),
        (held.kernel.slab + held.kernel.buffers) / MIB,
        (held.rss["hub"] - before.rss["hub"]) / more,
        (kernel.slab + kernel.buffers) / more,
    ]


def _cpu_us(span: Span, times: int) -> list[float]:
    return [1e6 * span.cpu_s.get(kind, 0.0) / max(1, times) for kind in NAMES]
