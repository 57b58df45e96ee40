"""What was measured, beside what is asked for, as a table that a person can read."""

from collections.abc import Sequence

from msgspec import Struct

from loadtest.hug_runs import HugFigures, Latency
from loadtest.rooms import RoomFigures
from loadtest.swarm import IdleFigures


class Row(Struct, frozen=True):
    """One figure. *must* and *aim* are bounds of the design, above or below which it should be."""

    name: str
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


class Section(Struct, frozen=True):
    """One run: its figures, what else should be known, and what went wrong."""

    title: str
    rows: list[Row]
    notes: list[str]
    problems: list[str]


def describe_steady(title: str, figures: HugFigures) -> Section:
    """The section of a run at a steady rate: latency has targets, the rate was given."""
    rows = [
        Row("ok p99", figures.ok.p99, "ms", 10.0, 5.0),
        Row("delivery p99", figures.delivery.p99, "ms", 20.0, 8.0),
        _hub_cpu(figures),
        Row("durable hugs", figures.rate, "/s", more_is_better=True),
    ]
    return Section(title, rows, _notes(figures), figures.verdict.problems)


def describe_full(title: str, figures: HugFigures) -> Section:
    """The section of a run at full speed: throughput has targets, latency is what it is."""
    rows = [
        Row("durable hugs", figures.rate, "/s", 15_000.0, 35_000.0, more_is_better=True),
        _hub_cpu(figures),
        Row("ok p99", figures.ok.p99, "ms"),
        Row("delivery p99", figures.delivery.p99, "ms"),
    ]
    return Section(title, rows, _notes(figures), figures.verdict.problems)


def _hub_cpu(figures: HugFigures) -> Row:
    return Row("hub CPU per hug", figures.cpu_us.hubs, "µs", 35.0, 20.0)


def _notes(figures: HugFigures) -> list[str]:
    verdict, cpu, cores = figures.verdict, figures.cpu_us, figures.cores
    return [
        _spread("ok", figures.ok),
        _spread("delivery", figures.delivery),
        f"this client sent up to {figures.late_p99_ms:.2f} ms late (p99), which is counted in",
        f"CPU µs per hug: PostgreSQL {cpu.postgres:.0f}, Valkey {cpu.valkey:.1f}, workers {cpu.workers:.1f}, this client {cpu.client:.0f}",
        f"cores in use: hubs {cores.hubs:.2f}, PostgreSQL {cores.postgres:.2f}, Valkey {cores.valkey:.2f}, this client {cores.client:.2f}",
        f"{verdict.sent} sent, {verdict.accepted} accepted, {verdict.received} received; {figures.pairs} pairs, {figures.seconds:.1f} s",
    ]


def _spread(name: str, latency: Latency) -> str:
    return f"{name}: p50 {latency.p50:.2f}, p99 {latency.p99:.2f}, p99.9 {latency.p999:.2f}, max {latency.max:.2f} ms"


def describe_idle(figures: IdleFigures) -> Section:
    """The section of a run of idle sessions."""
    problems = list(figures.failures)
    if figures.failed:
        problems.append(f"{figures.failed} sessions could not be opened")
    if figures.still_open < figures.sessions:
        problems.append(f"{figures.sessions - figures.still_open} sessions were lost while idle")
    return Section(
        f"{figures.sessions:,} idle authenticated sessions",
        [
            Row("memory per session, RSS", figures.rss_kib, "KiB", 2.5, 1.6),
            Row("memory per session, PSS", figures.pss_kib, "KiB", 2.5, 1.6),
            Row("openings per core of hub", figures.opened_per_hub_cpu_s, "/s", 3_000.0, 7_500.0, more_is_better=True),
            Row("openings, by the clock", figures.opened_per_s, "/s"),
        ],
        [
            f"hub CPU per opening {figures.hub_cpu_us_per_opening:.0f} µs",
            f"hub cores while idle {figures.hub_cores_idle:.3f}",
        ],
        problems,
    )


def describe_room(figures: RoomFigures) -> Section:
    """The section of a large room: what its pulses cost at each rate of squeezes."""
    rows: list[Row] = []
    notes = [f"{figures.members:,} members on {figures.nodes} nodes, all in the room after {figures.joining_s:.1f} s"]
    for run in figures.runs:
        name = f"at {run.rate:,.0f} squeezes/s"
        rows += [
            Row(f"{name}: hub CPU", run.hub_cores, "cores"),
            Row("  a pulse to a member", run.cpu_us_per_pulse, "µs", 6.5, 4.4),
        ]
        notes.append(
            f"{name}: {run.pulses:,} pulses, at most {run.pulses_per_s_max}/s to a member; "
            f"cores: Valkey {run.cores.valkey:.2f}, this client {run.cores.client:.2f}"
        )
    return Section(f"A room of {figures.members:,}", rows, notes, figures.problems)


def render(sections: Sequence[Section], problems_shown: int = 10) -> str:
    """All sections as text."""
    lines: list[str] = []
    for section in sections:
        lines += ["", section.title, f"  {'':26}{'measured':>12}{'must':>14}{'means to':>14}"]
        lines += [_line(row) for row in section.rows]
        lines += [f"    {note}" for note in section.notes]
        if section.problems:
            lines.append(f"  {len(section.problems)} PROBLEMS")
            lines += [f"    {problem}" for problem in section.problems[:problems_shown]]
        else:
            lines.append("    every promise was kept")
    return "\n".join(lines)


def _line(row: Row) -> str:
    sign = "≥" if row.more_is_better else "≤"
    bounds = [f"{sign} {_number(bound)}" if bound is not None else "" for bound in (row.must, row.aim)]
    return (
        f"  {row.name:26}{_number(row.value) + ' ' + row.unit:>12}{bounds[0]:>14}{bounds[1]:>14}  {row.mark()}".rstrip()
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
