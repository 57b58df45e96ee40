"""The end of a run in the terminal: what was measured beside what is asked for, and whether every promise was kept."""

from collections.abc import Sequence

from loadtest.report.figures import bound, measure, memory, number
from loadtest.results import Latency, Process, Result, Table

PROBLEMS_SHOWN = 10


def render(result: Result) -> str:
    """Everything a person wants to see of *result* without opening a file."""
    machine = result.machine
    ran = f"{result.scenario}: {measure(round(result.seconds, 1), 's')} measured, HugMood {result.version}"
    lines = [result.title, f"{ran}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, Python {machine.python}"]
    for block in (
        _figures(result),
        *map(_steps, result.tables),
        _latencies(result.latencies),
        _processes(result.processes, result.seconds),
        _counts(result.counts),
        list(result.notes),
    ):
        if block:
            lines += ["", *(f"  {line}" for line in block)]
    return "\n".join([*lines, "", *verdict(result.problems)])


def verdict(problems: Sequence[str]) -> list[str]:
    """Said last, so that it stands above the prompt."""
    if not problems:
        return ["Every promise was kept."]
    more = len(problems) - PROBLEMS_SHOWN
    lines = [f"{len(problems)} {'PROBLEM' if len(problems) == 1 else 'PROBLEMS'}"]
    lines += [f"  {problem}" for problem in problems[:PROBLEMS_SHOWN]]
    return lines + ([f"  and {more:,} more"] if more > 0 else [])


def columns(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """*rows* under each other: the columns of *left* begin alike, the others end alike."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _figures(result: Result) -> list[str]:
    cells = [("", "measured", "must", "means to", "")]
    cells += [
        (row.name, measure(row.value, row.unit), bound(row, row.must), bound(row, row.aim), row.mark())
        for row in result.rows
    ]
    return columns(cells, left=(0, 4)) if result.rows else []


def _steps(table: Table) -> list[str]:
    cells = [tuple(table.columns), *(tuple(map(number, row)) for row in table.rows)]
    return [table.title, *columns(cells, left=())]


def _latencies(latencies: dict[str, Latency]) -> list[str]:
    cells: list[tuple[str, ...]] = [("ms from the intended time", "count", "p50", "p90", "p99", "p99.9", "max")]
    cells += [
        (name, f"{one.count:,}", *(f"{value:,.2f}" for value in (one.p50, one.p90, one.p99, one.p999, one.max)))
        for name, one in latencies.items()
    ]
    return columns(cells) if latencies else []


def _processes(processes: Sequence[Process], seconds: float) -> list[str]:
    cells = [("process", "pid", "CPU s", "cores", "memory", "growth")]
    cells += [
        (
            one.kind,
            str(one.pid),
            f"{one.cpu_s:.2f}",
            f"{one.cpu_s / seconds:.2f}" if seconds else "",
            memory(one.rss_kib),
            memory(one.rss_kib - one.rss_kib_before),
        )
        for one in processes
    ]
    return columns(cells) if processes else []


def _counts(counts: dict[str, int]) -> list[str]:
    return [", ".join(f"{number(count)} {name}" for name, count in counts.items())] if counts else []
