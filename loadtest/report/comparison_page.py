"""A comparison as one HTML file, in the style of the report of a run: one chart for each kind of work."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from loadtest.comparison import OURS, WORKS, Comparison, Standing
from loadtest.report.charts import Bar, bars
from loadtest.report.figures import measure, number
from loadtest.report.html import banner, page, table

TITLES = {
    "bursts": "Fan-out in bursts",
    "spaced": "Fan-out, spaced",
    "unicast": "Unicast",
    "trickle": "Unicast, a trickle",
    "idle": "Idle",
}
SAYS = {
    "bursts": "One message to everybody in a room, many messages in a row. What the server spends to deliver one of them to one connection.",
    "spaced": "One message to everybody in a room, and a pause before the next: nothing can be written together.",
    "unicast": "One message to one connection, on another node where the server has several; each pair always has some on the way. Both servers and the Redis between them.",
    "trickle": "The same, few and evenly spaced: each message comes alone, and wakes every process on its way.",
    "idle": "Memory that the server has grown by for each connection that only stays open.",
}


def write_comparison(comparison: Comparison, path: Path) -> None:
    """Write it to *path*. Raises: OSError."""
    path.write_text(page("HugMood beside other servers", _body(comparison)), encoding="utf-8")


def _body(comparison: Comparison) -> str:
    works = [work for work in WORKS if any(work in each.figures for each in comparison.standings)]
    charts = "".join(_chart(work, comparison.standings) for work in works)
    missing = "".join(f"<li>{escape(each)}</li>" for each in comparison.missing)
    left_out = f'<h2>Not measured, because missing here</h2><ul class="notes">{missing}</ul>' if missing else ""
    return (
        '<header><p class="over">HugMood load test: compare</p><h1>HugMood beside other servers</h1>'
        '<p class="soft">The same work, the same client, the same machine, one server after the other; the median of all rounds. '
        "Shorter is better.</p></header>\n"
        f'{_verdict(comparison)}\n<h2>What it costs</h2><div class="pictures">{charts}</div>\n{left_out}\n'
        f"<section><h2>All figures</h2>{_table(works, comparison.standings)}</section>\n"
        f"{_beside(works, comparison.standings)}"
    )


def _verdict(comparison: Comparison) -> str:
    if comparison.problems:
        return banner("bad", "Not everything was delivered", "What was missing, or came twice:", comparison.problems)
    return banner("good", "Everything was delivered, once", "No server was faster by leaving something out.")


def _chart(work: str, standings: Sequence[Standing]) -> str:
    """The cheapest first, and how many times ours the others are."""
    there = sorted((each for each in standings if work in each.figures), key=lambda each: each.figures[work].value)
    unit = "KiB" if work == "idle" else "µs"
    items = [Bar(each.title, each.figures[work].value, _note(each, work), each.peer == OURS) for each in there]
    cost = "memory of a connection" if work == "idle" else "CPU of a delivery"
    return (
        f'<figure class="card"><h3>{TITLES[work]}: {cost}</h3>'
        f"<figcaption>{escape(SAYS[work])}</figcaption>{bars(f'{TITLES[work]}: {cost}', items, unit)}</figure>\n"
    )


def _note(standing: Standing, work: str) -> str:
    ratio = standing.figures[work].ratio
    return f"{number(ratio)} × ours" if ratio is not None and standing.peer != OURS else ""


def _beside(works: Sequence[str], standings: Sequence[Standing]) -> str:
    """What other processes spent for a server: left out of the charts, and not free."""

    def cell(standing: Standing, work: str) -> str:
        figure = standing.figures.get(work)
        spent = figure.beside.items() if figure is not None else ()
        return ", ".join(f"{kind} {measure(value, 'µs')}" for kind, value in spent if value >= 0.005)

    rows = [[each.title, *(cell(each, work) for work in works)] for each in standings]
    rows = [row for row in rows if any(row[1:])]
    if not rows:
        return ""
    return (
        f"<section><h2>Spent beside the servers</h2>{table(['', *(TITLES[work] for work in works)], rows)}</section>\n"
    )


def _table(works: Sequence[str], standings: Sequence[Standing]) -> str:
    heads = ["", *(f"{TITLES[work]} (from … to)" for work in works)]
    rows = [[each.title, *(_cell(each, work) for work in works)] for each in standings]
    return table(heads, rows)


def _cell(standing: Standing, work: str) -> str:
    figure = standing.figures.get(work)
    if figure is None:
        return "–"
    unit = "KiB" if work == "idle" else "µs"
    return f"{measure(figure.value, unit)} ({number(figure.lowest)} … {number(figure.highest)})"
