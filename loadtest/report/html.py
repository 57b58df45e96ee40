"""The report as one HTML file that needs neither network nor script, for people who were not there.

Everything that comes from outside, titles, options, problems, is escaped; the file can be sent to anybody.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from loadtest.report.charts import bullet
from loadtest.report.figures import MARKS, bound, measure, memory, number
from loadtest.report.pictures import KINDS, Picture, pictures
from loadtest.report.step_pictures import step_pictures
from loadtest.results import Result, Row

STYLE = Path(__file__).with_name("report.css")
PROBLEMS_SHOWN = 100
WARNING = "WARNING: "
SIGNS = {"good": "✓", "fair": "!", "bad": "✕"}
PHASES_SAID = (
    '<p class="soft">What is tinted was measured. Before it everybody connects and the server warms up; after it the last '
    "answers are awaited. Point at a chart to read its figures.</p>"
)


def write_html(results: Sequence[Result], path: Path) -> None:
    """Write the report of one run or several to *path*. Raises: OSError."""
    title = results[0].title if len(results) == 1 else f"{len(results)} runs of the HugMood load test"
    body = "".join(_section(result, number) for number, result in enumerate(results, 1))
    path.write_text(page(title, _overview(results) + body), encoding="utf-8")


def page(title: str, body: str) -> str:
    """A whole page in the style of the report. *body* is HTML, *title* plain text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
        f'<link rel="icon" href="data:,"><title>{escape(title)}</title>\n<style>\n{STYLE.read_text(encoding="utf-8")}</style>'
        f"</head>\n<body><main>\n{body}</main></body></html>\n"
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Plain text as a table; the first *texts* columns are words, the others figures."""
    if not rows:
        return ""

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = ["" if index < texts else ' class="figure"' for index in range(len(row))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>\n" for row in rows)
    head = f"<thead><tr>{cells(heads, 'th')}</tr></thead>" if any(heads) else ""
    return f'<div class="scroll" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>'


def banner(kind: str, head: str, words: str, items: Sequence[str] = ()) -> str:
    """The answer to the question that everybody has first, in plain text. *kind*: good, fair or bad."""
    listed = [
        *items[:PROBLEMS_SHOWN],
        *([f"and {len(items) - PROBLEMS_SHOWN:,} more"] if items[PROBLEMS_SHOWN:] else []),
    ]
    details = f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in listed)}</ul>" if listed else ""
    return (
        f'<div class="verdict {kind}"><span class="sign" aria-hidden="true">{SIGNS[kind]}</span>'
        f"<div><h2>{escape(head)}</h2><p>{escape(words)}</p>{details}</div></div>"
    )


def _moment(text: str) -> str:
    """ISO 8601 as people write it: 2026-01-05 20:15:00 UTC."""
    return text.replace("T", " ", 1).replace("+00:00", " UTC")


def _verdict(result: Result) -> str:
    bounded, missed = sum(row.mark() != "" for row in result.rows), _missed(result.rows)
    if result.problems:
        count = len(result.problems)
        head = "1 promise was broken" if count == 1 else f"{count:,} promises were broken"
        said = "What the server had promised did not hold; what that was is listed here."
        return banner("bad", head, said, [*result.problems, *missed])
    if missed:
        head = "Every promise was kept, but not every bound"
        return banner("fair", head, "Nothing was lost, doubled or out of order. Too much, or too little:", missed)
    within = f" Bounds kept: {bounded} of {bounded}." if bounded else ""
    return banner("good", "Every promise was kept", f"Nothing was lost, doubled or out of order.{within}")


def _overview(results: Sequence[Result]) -> str:
    """Of several runs: which there are, and how each ended."""
    if len(results) == 1:
        return ""
    rows = "".join(
        f'<li><a href="#run-{number}">{escape(result.title)}</a> <span class="badge {kind}">{words}</span></li>'
        for number, result in enumerate(results, 1)
        for kind, words in [_ending(result)]
    )
    return f'<header><p class="over">HugMood load test</p><h1>{len(results)} runs</h1></header><ol class="runs">{rows}</ol>'


def _ending(result: Result) -> tuple[str, str]:
    if result.problems:
        return "bad", "promises broken"
    return ("fair", "bounds missed") if _missed(result.rows) else ("good", "all kept")


def _missed(rows: Sequence[Row]) -> list[str]:
    return [
        f"{row.name} is {measure(row.value, row.unit)} and must be {bound(row, row.must)}"
        for row in rows
        if row.mark() == "MISSED"
    ]


def _section(result: Result, place: int) -> str:
    machine = result.machine
    where = f"{machine.cores} cores, {machine.memory_gib:.0f} GiB"
    drawn = "".join(_picture(each) for each in [*step_pictures(result.tables), *pictures(result)])
    head = f"<h2>Charts</h2>{PHASES_SAID if result.timeline else ''}" if drawn else ""
    return (
        f'<article id="run-{place}"><header><p class="over">HugMood load test: {escape(result.scenario)}</p>'
        f"<h1>{escape(result.title)}</h1>"
        f'<p class="soft">{escape(measure(round(result.seconds, 1), "s"))} measured on {escape(where)}, '
        f"HugMood {escape(result.version)}, {escape(_moment(result.started_at))}</p></header>\n"
        f"{_verdict(result)}\n"
        f"{_mind(result.notes)}{_figures(result.rows)}{_notes(result.notes)}"
        f'{head}<div class="pictures">{drawn}</div>\n'
        f"{_tables(result)}</article>\n"
    )


def _figures(rows: Sequence[Row]) -> str:
    """Figures with bounds as cards with a scale, those without as cards with a number."""
    if not rows:
        return ""
    legend = (
        '<p class="soft">The pointer is what was measured. It must not stand in the empty part of its scale; '
        "the pale part is enough, the full one is where we mean to be.</p>"
        if any(row.mark() for row in rows)
        else ""
    )
    return f"<h2>The figures</h2>{legend}{_cards(rows)}\n"


def _cards(rows: Sequence[Row]) -> str:
    groups = [("cards", [row for row in rows if row.mark()]), ("cards small", [row for row in rows if not row.mark()])]
    return "".join(f'<div class="{kind}">{"".join(map(_card, group))}</div>' for kind, group in groups if group)


def _card(row: Row) -> str:
    mark = row.mark()
    kind = {"reached": "good", "ok": "fair", "MISSED": "bad"}.get(mark, "")
    badge = f'<span class="badge {kind}">{escape(MARKS[mark])}</span>' if mark else ""
    bounds = (
        f'<p class="soft">must be {escape(bound(row, row.must))}, means to be {escape(bound(row, row.aim))}</p>'
        if mark
        else ""
    )
    return (
        f'<div class="card"><h3>{escape(row.name)}</h3><p class="value">{escape(measure(row.value, row.unit))}</p>'
        f"{badge}{bullet(row)}{bounds}</div>"
    )


def _mind(notes: Sequence[str]) -> str:
    """What makes figures say less than they seem to is told before them, and cannot be overlooked."""
    warnings = [note.removeprefix(WARNING) for note in notes if note.startswith(WARNING)]
    words = "What was measured is in part something else:"
    return banner("fair", "Mind, when you read these figures", words, warnings) if warnings else ""


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes if not note.startswith(WARNING))
    return f'<h2>To know with them</h2><ul class="notes">{items}</ul>\n' if items else ""


def _picture(picture: Picture) -> str:
    return (
        f'<figure class="card"><h3>{escape(picture.title)}</h3><figcaption>{escape(picture.says)} '
        f'<span class="soft">{escape(picture.good)}</span></figcaption>{picture.legend}{picture.chart}</figure>\n'
    )


def _tables(result: Result) -> str:
    latencies = [
        (name, f"{one.count:,}", *(f"{value:,.2f}" for value in (one.p50, one.p90, one.p99, one.p999, one.max)))
        for name, one in result.latencies.items()
    ]
    processes = [
        (
            KINDS.get(one.kind, one.kind),
            str(one.pid),
            f"{one.cpu_s:,.2f} s",
            f"{one.cpu_s / result.seconds:.2f}" if result.seconds else "",
            memory(one.rss_kib_before),
            memory(one.rss_kib),
            memory(one.rss_kib - one.rss_kib_before),
        )
        for one in result.processes
    ]
    machine = result.machine
    about = [
        ("processor", f"{machine.cores} × {machine.cpu}"),
        ("memory", f"{machine.memory_gib:.1f} GiB"),
        ("kernel", machine.kernel),
        ("Python", machine.python),
        ("HugMood", result.version),
        ("started", _moment(result.started_at)),
    ]
    options = [(name, "–" if value is None else str(value)) for name, value in result.options.items()]
    steps = [(each.title, table(each.columns, [[*map(number, row)] for row in each.rows])) for each in result.tables]
    parts = [
        *steps,
        ("Latencies in milliseconds", table(("", "measured", "p50", "p90", "p99", "p99.9", "slowest"), latencies)),
        ("Processes", table(("", "pid", "CPU", "cores", "before", "at the end", "growth"), processes)),
        ("Counted, warm-up included", table(("", ""), [(name, f"{count:,}") for name, count in result.counts.items()])),
        ("Where it ran", table(("", ""), about, texts=2)),
        ("How it was started", table(("", ""), options, texts=2)),
    ]
    return "".join(f"<section><h2>{escape(head)}</h2>{body}</section>\n" for head, body in parts if body)
