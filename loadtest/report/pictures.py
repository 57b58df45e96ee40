"""Which charts a result has, each with a sentence that says what it shows, in figures, and one that says what is good."""

from collections.abc import Sequence

from msgspec import Struct

from loadtest.report import charts
from loadtest.report.charts import COLOURS, Band, Bound, Series
from loadtest.report.figures import bound, measure, memory
from loadtest.results import Latency, Result, Sample
from loadtest.scenario import LATE
from loadtest.server.meter import OTHER

KINDS = {
    "hub": "hubs",
    "worker": "workers",
    "postgres": "PostgreSQL",
    "valkey": "Valkey",
    "redis": "Redis",
    "load": "this load",
    OTHER: "everything else",
}
PHASES = {"open": "connecting", "warm up": "warming up", "run": "measured", "settle": "settling"}
SESSIONS_MIN = 500  # with fewer, what a session takes drowns in what the process takes anyhow
NEAR = 20.0  # rates share an axis when none is more than so many times another


class Picture(Struct, frozen=True):
    """A chart for the page. *chart* and *legend* are HTML, the rest is plain text."""

    title: str
    says: str
    good: str
    chart: str
    legend: str


def pictures(result: Result) -> list[Picture]:
    """All charts of *result* for which something was measured."""
    drawn = [_latency(result)]
    if result.timeline:
        bands = phases(result.timeline)
        drawn += [
            _latency_over_time(result, bands),
            *_rates(result, bands),
            _sessions(result, bands),
            _cores(result, bands),
        ]
        drawn += [_memory(result, bands), _per_session(result, bands)]
    return [picture for picture in drawn if picture is not None]


def phases(timeline: Sequence[Sample]) -> list[Band]:
    """The phases in order; a sample tells about the time since the one before it."""
    bands: list[Band] = []
    start = 0.0
    for sample in timeline:
        if bands and bands[-1].name == PHASES.get(sample.phase, sample.phase):
            start = bands.pop().start
        name = PHASES.get(sample.phase, sample.phase)
        bands.append(Band(name, start, sample.at, is_measured=sample.phase == "run"))
        start = sample.at
    return bands


def measured(timeline: Sequence[Sample]) -> Sequence[Sample]:
    """The samples of the measured phase; all, where there was none."""
    return [sample for sample in timeline if sample.phase == "run"] or timeline


def _latency(result: Result) -> Picture | None:
    shown = _latencies(result)
    if not shown:
        return None
    series = [Series(name, one.curve, colour) for name, colour, one in shown]
    bounds = [
        Bound(row.must, f"{name} must {bound(row, row.must)}", 99.0, colour)
        for name, colour, _ in shown
        for row in result.rows
        if row.key == f"{name}_p99_ms" and row.must is not None
    ]
    entries = [
        (colour, name, f"p99 {measure(one.p99, 'ms')}, slowest {measure(one.max, 'ms')}") for name, colour, one in shown
    ]
    name, _, first = shown[0]
    late = f" The grey line ({LATE}) is how late the load itself was." if shown[-1][0] == LATE else ""
    return Picture(
        "How long it took",
        f"{name}: half of all took {measure(first.p50, 'ms')} or less, 99 of 100 {measure(first.p99, 'ms')} or less. "
        f"Time runs from when it was meant to be sent, so whatever waited in line is counted in.{late}",
        "Good: low, and flat as far to the right as it goes. A line that turns up means that a few waited much longer than the rest.",
        charts.tail("Latency by percentile", series, max(one.count for _, _, one in shown), "ms", bounds),
        charts.legend(entries),
    )


def _latency_over_time(result: Result, bands: Sequence[Band]) -> Picture | None:
    series = [
        Series(name, [(each.at, each.p99_ms[name]) for each in result.timeline if name in each.p99_ms], colour)
        for name, colour, _ in _latencies(result)
    ]
    series = [one for one in series if one.points]
    if not series:
        return None
    worst = {one.name: max(y for _, y in one.points) for one in series}
    return Picture(
        "How long it took, second by second",
        "Of what ended in each second, 99 of 100 took no longer than this.",
        "Good: a level line. A single spike is a pause of something; a line that climbs means that more was asked for than could be done, and the queue grew.",
        charts.over_time("Latency over time", series, "ms", bands),
        charts.legend(
            [(one.colour, one.name, f"{measure(worst[one.name], 'ms')} in the worst second") for one in series]
        ),
    )


def _latencies(result: Result) -> list[tuple[str, str, Latency]]:
    """Name, colour and figures of what was measured; the load's own lateness is last, and grey."""
    shown = {name: one for name, one in result.latencies.items() if one.curve and one.count}
    late = [(LATE, "load", shown.pop(LATE))] if LATE in shown else []
    return [(name, colour, one) for (name, one), colour in zip(shown.items(), COLOURS, strict=False)] + late


def _rates(result: Result, bands: Sequence[Band]) -> list[Picture]:
    """One chart for each group of counts that are alike in size: 50 a second would not be seen beside 100,000."""
    means = _means([sample.rates for sample in measured(result.timeline)])
    each = {name: measure(mean, "/s") for name, mean in means.items()}
    peaks = {name: max(sample.rates.get(name, 0.0) for sample in result.timeline) for name in means}
    groups: list[list[str]] = []
    for name in sorted((name for name, peak in peaks.items() if peak), key=lambda name: -peaks[name]):
        if groups and peaks[groups[-1][0]] <= NEAR * peaks[name] and len(groups[-1]) < len(COLOURS):
            groups[-1].append(name)
        else:
            groups.append([name])
    groups = [[name for name in means if name in group] for group in groups]
    return [
        Picture(
            "What happened each second" if len(groups) == 1 else f"What happened each second: {', '.join(group)}",
            f"While it was measured, on average: {', '.join(f'{name} {each[name]}' for name in group)}.",
            "Good: level lines without holes. Lines of what belongs together, such as accepted and received, lie on each other; where they part, something waits.",
            charts.over_time("Rates over time", _of_rates(result, group), "/s", bands),
            charts.legend([(colour, name, each[name]) for name, colour in zip(group, COLOURS, strict=False)]),
        )
        for group in groups
    ]


def _of_rates(result: Result, names: Sequence[str]) -> list[Series]:
    return [
        Series(name, [(sample.at, sample.rates.get(name, 0.0)) for sample in result.timeline], colour)
        for name, colour in zip(names, COLOURS, strict=False)
    ]


def _sessions(result: Result, bands: Sequence[Band]) -> Picture | None:
    points = [(sample.at, float(sample.sessions)) for sample in result.timeline]
    most = max(y for _, y in points)
    if not most:
        return None
    least = min(sample.sessions for sample in measured(result.timeline))
    return Picture(
        "Sessions open at the same time",
        f"{most:,.0f} at the most; never fewer than {least:,} while it was measured.",
        "Good: a line that rises without a break and then stays. A dip is a connection that was lost, or a hub that was killed on purpose.",
        charts.over_time("Sessions over time", [Series("sessions", points, "one")], "", bands),
        "",
    )


def _cores(result: Result, bands: Sequence[Band]) -> Picture | None:
    series = _by_kind([sample.at for sample in result.timeline], [sample.cores for sample in result.timeline])
    if not series:
        return None
    means = _means([sample.cores for sample in measured(result.timeline)])
    cores, load, others = result.machine.cores, means.get("load", 0.0), means.get(OTHER, 0.0)
    server = sum(means.values()) - load - others
    full = Bound(float(cores), f"{cores} cores: all that this machine has")
    return Picture(
        "CPU cores in use",
        f"The server used {server:.2f} of {cores} cores on average, this load {load:.2f}, everything else on this machine "
        f"{others:.2f}. One core in use for one second is one CPU second.",
        "Good: room below the line at the top. Near it, everything waits for everything, and latencies say more about the machine than about the server.",
        charts.over_time("CPU cores over time", series, "cores", bands, [full], is_stacked=True),
        charts.legend(
            [(one.colour, one.name, f"{means.get(one.colour, 0.0):.2f} cores") for one in reversed(series)],
            is_area=True,
        ),
    )


def _memory(result: Result, bands: Sequence[Band]) -> Picture | None:
    series = _by_kind([sample.at for sample in result.timeline], [sample.mib for sample in result.timeline])
    if not series:
        return None
    ends = {one.colour: one.points[-1][1] for one in series}
    hubs = ends.get("hub")
    said = f"The hubs held {memory(hubs * 1024)} at the end. " if hubs else ""
    return Picture(
        "Memory",
        f"{said}Resident memory of all processes of a kind together, as the kernel counts it.",
        "Good: lines that rise with the sessions and are level while it was measured. One that goes on rising under an even load would never stop.",
        charts.over_time("Memory over time", series, "MiB", bands),
        charts.legend([(one.colour, one.name, f"{memory(ends[one.colour] * 1024)} at the end") for one in series]),
    )


def _per_session(result: Result, bands: Sequence[Band]) -> Picture | None:
    before = sum(one.rss_kib_before for one in result.processes if one.kind == "hub")
    points = [
        (sample.at, max(0.0, sample.mib["hub"] * 1024 - before) / sample.sessions)
        for sample in result.timeline
        if sample.sessions >= SESSIONS_MIN and "hub" in sample.mib
    ]
    if not before or len(points) < 2:
        return None
    bounds = [
        Bound(row.must, f"must {bound(row, row.must)}")
        for row in result.rows
        if row.key == "session_rss_kib" and row.must is not None
    ]
    return Picture(
        "Memory of the hubs for each session",
        f"{measure(points[-1][1], 'KiB')} at the end: what the hubs have grown by since before the first connection, shared by the sessions that are open.",
        f"Good: low and level. Drawn from {SESSIONS_MIN} sessions on; with fewer, a hub's own needs weigh more than theirs.",
        charts.over_time("Memory for each session", [Series("for each session", points, "hub")], "KiB", bands, bounds),
        "",
    )


def _by_kind(at: Sequence[float], samples: Sequence[dict[str, float]]) -> list[Series]:
    """One series for each kind of process that was seen; what is no server's comes last, and so on top of a stack."""
    kinds = [kind for kind in KINDS if any(kind in sample for sample in samples)]
    return [
        Series(KINDS[kind], [(x, sample.get(kind, 0.0)) for x, sample in zip(at, samples, strict=True)], kind)
        for kind in kinds
    ]


def _means(samples: Sequence[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for sample in samples for name in sample)
    return {name: sum(sample.get(name, 0.0) for sample in samples) / len(samples) for name in names}
