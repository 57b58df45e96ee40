"""What comes out of a comparison: medians of the rounds, side by side, with the ratio to ours."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

from loadtest.report.table import columns
from loadtest.results import Machine
from loadtest.works import Sizes, Turn, compared_kinds

WORKS = ("bursts", "spaced", "unicast", "trickle", "idle")
HEADINGS = {
    "bursts": "fan-out, bursts",
    "spaced": "fan-out, spaced",
    "unicast": "unicast",
    "trickle": "unicast, trickle",
    "idle": "idle, KiB each",
}
OURS = "hugmood"


class Figure(Struct, frozen=True):
    """The median over the rounds: CPU µs for each delivery, or KiB for each idle connection; *ratio* to ours."""

    value: float
    lowest: float
    highest: float
    ratio: float | None = None
    beside: dict[str, float] = {}  # CPU µs of other processes, by kind


class Standing(Struct, frozen=True):
    """One server, by work."""

    peer: str
    title: str
    figures: dict[str, Figure]


class Setting(Struct, frozen=True):
    """Where and how it was measured."""

    started_at: str
    version: str
    machine: Machine
    rounds: int
    sizes: Sizes


class Comparison(Struct, frozen=True):
    """The whole run. `problems` is empty when everything published was delivered, once."""

    standings: list[Standing]
    missing: list[str]
    problems: list[str]
    turns: list[Turn]
    setting: Setting | None = None


def compare(
    titles: dict[str, str], turns: Sequence[Turn], missing: list[str], setting: Setting | None = None
) -> Comparison:
    """From all turns of all rounds; *titles* by name, in the order in which they are shown."""
    ours = _figures(turns, OURS, {})
    present = [name for name in titles if any(turn.peer == name for turn in turns)]
    standings = [Standing(name, titles[name], _figures(turns, name, ours)) for name in present]
    where = {turn.work: f" ({HEADINGS[turn.work]})" if turn.work else "" for turn in turns}
    problems = [f"{titles[turn.peer]}{where[turn.work]}: {each}" for turn in turns for each in turn.problems]
    return Comparison(standings, missing, problems, list(turns), setting)


def _figures(turns: Sequence[Turn], peer: str, ours: dict[str, Figure]) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}
    for work in WORKS:
        mine = [turn for turn in turns if turn.peer == peer and turn.work == work]
        if mine:
            values = [turn.value for turn in mine]
            kinds = mine[0].cpu_s.keys() - {*compared_kinds(work)} if work != "idle" else ()
            beside = {kind: median(turn.cpu_us(kind) for turn in mine) for kind in sorted(kinds)}
            middle = median(values)
            ratio = middle / ours[work].value if work in ours and ours[work].value > 0 else None
            figures[work] = Figure(middle, min(values), max(values), ratio, beside)
    return figures


def render(comparison: Comparison) -> str:
    """A table that a person can read."""
    works = [work for work in WORKS if any(work in each.figures for each in comparison.standings)]
    head = ["CPU µs for each delivery", *(HEADINGS[work] for work in works)]
    rows = [head, *([each.title, *(_cell(each, work) for work in works)] for each in comparison.standings)]
    lines = columns(rows)
    beside = [line for each in comparison.standings for line in _beside(each)]
    lines += ["", "1 µs for each delivery is 1 CPU second of the server for a million of them. ×: times ours."]
    lines += ["Unicast: of both servers and of the Redis between them, where there is one."]
    lines += ["Beside the server:", *beside] if beside else []
    lines += [f"missing: {each}" for each in comparison.missing]
    lines += [f"PROBLEM: {each}" for each in comparison.problems] or ["Everything published was delivered, once."]
    return "\n".join(lines)


def _cell(standing: Standing, work: str) -> str:
    figure = standing.figures.get(work)
    if figure is None:
        return "–"
    ratio = f"{figure.ratio:6.1f} ×" if figure.ratio is not None and standing.peer != OURS else " " * 8
    return f"{figure.value:.2f}{ratio}"


def _beside(standing: Standing) -> list[str]:
    lines = []
    for work, figure in standing.figures.items():
        spent = ", ".join(f"{kind} {value:.2f}" for kind, value in figure.beside.items() if value >= 0.005)
        if spent:
            lines.append(f"  {standing.title}, {HEADINGS[work]}: {spent}")
    return lines
