"""Charts of a run that goes in steps: for each table one for every unit, over what its first column counts."""

from collections.abc import Sequence

from msgspec import Struct

from loadtest.report import charts
from loadtest.report.charts import COLOURS, Series
from loadtest.report.figures import measure, number
from loadtest.report.pictures import Picture
from loadtest.results import Table

UNITS = ("µs", "ms", "s", "KiB", "MiB", "cores")
TOTALS = ("MiB", "cores", "")  # of all together; the others are of each one
COLOUR_OF = {
    "hub": "hub",
    "hubs": "hub",
    "worker": "worker",
    "postgres": "postgres",
    "PostgreSQL": "postgres",
    "valkey": "valkey",
    "Valkey": "valkey",
    "load": "load",
}


class Drawing(Struct, frozen=True):
    """The columns of a table that have the same unit. *what*: of which its first column tells how many."""

    title: str
    unit: str
    what: str
    series: list[Series]

    def chart(self) -> str:
        """SVG. Totals stand over an even axis: whether they rise with the number is seen only there."""
        is_total = self.unit in TOTALS
        return charts.over_steps(self.title, self.series, self.unit, self.what, may_be_logarithmic=not is_total)


def step_drawings(tables: Sequence[Table]) -> list[Drawing]:
    """Nothing for a table with a single row: there is nothing to compare."""
    return [
        _drawing(table, unit, [index for index, column in enumerate(table.columns) if index and _unit(column) == unit])
        for table in tables
        if len(table.rows) > 1
        for unit in dict.fromkeys(_unit(column) for column in table.columns[1:])
    ]


def step_pictures(tables: Sequence[Table]) -> list[Picture]:
    """The drawings with what is said of them."""
    return [_picture(drawing) for drawing in step_drawings(tables)]


def _drawing(table: Table, unit: str, columns: Sequence[int]) -> Drawing:
    rows, names = sorted(table.rows), [table.columns[index].removesuffix(unit).strip() for index in columns]
    series = [
        Series(name, [(row[0], row[index]) for row in rows], colour)
        for name, index, colour in zip(names, columns, _colours(names), strict=False)
    ]
    title = _title(unit) or ", ".join(names)
    title = table.title if table.title.lower() == title else f"{table.title}: {title}"
    return Drawing(title, unit, table.columns[0], series)


def _picture(drawing: Drawing) -> Picture:
    what, unit, series = drawing.what, drawing.unit, drawing.series
    first, last = ((number(x), measure(y, unit)) for x, y in (series[0].points[0], series[0].points[-1]))
    if unit == "/s":
        good = f"Good: a line that stays where it is, however many {what} there are already."
    elif unit in TOTALS:
        good = f"Good: lines that rise no faster than the number of {what}, and are low."
    else:
        good = f"Good: level lines. Each costs the same however many {what} there are; a line that rises shows what would break first."
    return Picture(
        drawing.title,
        f"{series[0].name}: {first[1]} with {first[0]} {what}, {last[1]} with {last[0]}.",
        good,
        drawing.chart(),
        charts.legend([(one.colour, one.name, measure(one.points[-1][1], unit)) for one in series]),
    )


def _unit(column: str) -> str:
    """What stands behind the name: `µs/hug`, `KiB each`, `/s`; nothing where it only counts."""
    words = column.split(" ")
    for index, word in enumerate(words):
        if word.partition("/")[0] in UNITS:
            return " ".join(words[index:])
    return "/s" if column.endswith("/s") else ""


def _title(unit: str) -> str:
    names = {"µs": "CPU", "ms": "latency", "KiB": "memory", "MiB": "memory", "cores": "cores"}
    base, _, of = unit.replace(" ", "/").partition("/")
    return f"{names[base]}{f' ({unit})' if of else ''}" if base in names else ""


def _colours(names: Sequence[str]) -> list[str]:
    """Kinds of processes have the colour that they have everywhere."""
    free = iter(COLOURS if not set(names) & COLOUR_OF.keys() else ("five", "six", "other"))
    return [COLOUR_OF.get(name) or next(free, "other") for name in names]
