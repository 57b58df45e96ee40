"""Charts as SVG inside HTML: no script, no library, colours by classes of report.css, so that they follow light and dark.

Nothing is told by colour alone: lines are dashed in their own ways, areas lie in the order of the legend, and pointing
at a place shows its figures.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

from msgspec import Struct

from loadtest.report.figures import measure, number
from loadtest.report.scales import Linear, Percentile, Scale, Time, clock, covering
from loadtest.results import Row

WIDTH, HEIGHT = 440, 240  # of the drawing; a browser scales it
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 26, 36  # around the plot
LETTER = 8.0  # width of one, about
PLACES = 120  # at most, that show their figures when pointed at


class Series(Struct, frozen=True):
    """One line or area: (x, y), x rising. *colour*: a class of report.css, such as hub, or one of COLOURS."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str


class Band(Struct, frozen=True):
    """A phase of the run, in seconds. What is measured is tinted."""

    name: str
    start: float
    end: float
    is_measured: bool = False


class Bound(Struct, frozen=True):
    """A value that should not be passed: a line across, or a mark at *x*."""

    value: float
    name: str
    x: float | None = None
    colour: str = "bound"


class Bar(Struct, frozen=True):
    """One bar of a comparison. Without a value, *note* says why."""

    name: str
    value: float | None
    note: str = ""
    is_ours: bool = False


COLOURS = ("one", "two", "three", "four", "five", "six")


def over_time(
    label: str,
    series: Sequence[Series],
    unit: str,
    bands: Sequence[Band] = (),
    bounds: Sequence[Bound] = (),
    *,
    is_stacked: bool = False,
) -> str:
    """Lines over the seconds of the run, or areas on top of each other, the first at the bottom."""
    shown = _stack(series) if is_stacked else list(series)
    values = [y for one in shown for _, y in one.points] + [bound.value for bound in bounds]
    across = Time(max([x for one in shown for x, _ in one.points] + [band.end for band in bands], default=1.0))
    upwards = Linear(max(values, default=1.0))
    parts = [_band(band, across) for band in bands]
    parts += _grid(across, upwards, unit, "since the run began")
    if is_stacked:
        below: Sequence[tuple[float, float]] | None = None
        for one in shown:
            parts.append(_area(one, below, across, upwards))
            below = one.points
    else:
        parts += [_line(one, across, upwards) for one in shown]
    parts += [_bound_across(bound, upwards) for bound in bounds]
    parts += _places(series, across, lambda x: clock(round(x, 1)), unit)
    return _svg(label, parts)


def tail(label: str, series: Sequence[Series], count: int, unit: str, bounds: Sequence[Bound] = ()) -> str:
    """Latency by percentile, *count* measurements or fewer in each: the further right, the rarer."""
    values = [y for one in series for _, y in one.points] + [bound.value for bound in bounds]
    across, upwards = Percentile(count), covering(values, may_be_logarithmic=True)
    parts = _grid(across, upwards, unit, "of all are at least as fast")
    parts += [_line(one, across, upwards) for one in series]
    parts += [_bound_at(bound, across, upwards) for bound in bounds]
    parts += _places(series, across, lambda x: f"{x:g} %", unit)
    return _svg(label, parts)


def over_steps(label: str, series: Sequence[Series], unit: str, what: str, *, may_be_logarithmic: bool = True) -> str:
    """Lines with a dot for each step of a run, over how many of *what* there were."""
    xs = [x for one in series for x, _ in one.points]
    across = covering(xs, may_be_logarithmic=may_be_logarithmic)
    upwards = Linear(max((y for one in series for _, y in one.points), default=1.0))
    parts = [*_grid(across, upwards, unit, what), *(_line(one, across, upwards) for one in series)]
    parts += [_dot(one, point, across, upwards) for one in series for point in one.points]
    parts += _places(series, across, lambda x: f"{number(x)} {what}", unit)
    return _svg(label, parts)


def bars(label: str, items: Sequence[Bar], unit: str) -> str:
    """A comparison: one bar below the other, each with its name above and its figure behind."""
    step, height = 40, 14
    values = [item.value for item in items if item.value is not None]
    longest = max(values, default=0.0) or 1.0
    room = WIDTH - 90  # for the figure behind the longest
    parts: list[str] = []
    for index, item in enumerate(items):
        top = index * step
        kind = "ours" if item.is_ours else "theirs"
        parts.append(f'<text class="name {kind}" x="0" y="{top + 13}">{escape(item.name)}</text>')
        if item.note:
            parts.append(f'<text class="soft" x="{WIDTH}" y="{top + 13}" text-anchor="end">{escape(item.note)}</text>')
        if item.value is None:
            parts.append(
                f'<rect class="missing" x="0.5" y="{top + 18.5}" width="{room}" height="{height - 1}" rx="3"/>'
            )
            continue
        width = max(2.0, room * item.value / longest)
        figure = escape(measure(item.value, unit))
        parts.append(
            f'<rect class="mark bar {kind}" x="0" y="{top + 18}" width="{width:.1f}" height="{height}" rx="3"/>'
        )
        parts.append(f'<text class="name {kind}" x="{width + 6:.1f}" y="{top + 30}">{figure}</text>')
    return _svg(label, parts, height=step * max(1, len(items)))


def bullet(row: Row) -> str:
    """One figure on its way between nothing, what it must be and what we mean it to be. Rows without bounds have none."""
    if row.must is None or row.aim is None:
        return ""
    width, top, height = 220, 14, 12
    scale = max(row.value, row.must, row.aim) * 1.15 or 1.0
    must, aim, value = (width * each / scale for each in (row.must, row.aim, row.value))
    near, far = sorted((must, aim))
    zones = [(0.0, near), (near, far), (far, float(width))]
    kinds = ("bad", "fair", "good") if row.more_is_better else ("good", "fair", "bad")
    parts = [
        f'<rect class="zone {kind}" x="{start + 0.5:.1f}" y="{top + 0.5}" width="{end - start - 1:.1f}" height="{height - 1}"/>'
        for kind, (start, end) in zip(kinds, zones, strict=True)
        if end - start > 1
    ]
    x = min(max(value, 6.0), width - 6.0)
    parts.append(f'<path class="mark needle" d="M{x:.1f} {top + height}V{top - 2}l-6 -9h12l-6 9"/>')
    return _svg(f"{row.name}: {measure(row.value, row.unit)}", parts, width, top + height + 2)


def legend(entries: Sequence[tuple[str, str, str]], *, is_area: bool = False) -> str:
    """(colour, name, what to say of it), in the order given."""
    drawn = (
        '<rect class="area mark-key" width="26" height="12" rx="2"/>' if is_area else '<path class="line" d="M0 6h26"/>'
    )
    return (
        '<ul class="legend">'
        + "".join(
            f'<li><svg class="key {colour}" viewBox="0 0 26 12" aria-hidden="true">{drawn}</svg>'
            f"<span><b>{escape(name)}</b> {escape(words)}</span></li>"
            for colour, name, words in entries
        )
        + "</ul>"
    )


def _svg(label: str, parts: Sequence[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _x(scale: Scale, value: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * scale.place(value)


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * scale.place(value)


def _grid(across: Scale, upwards: Scale, unit: str, words: str) -> list[str]:
    """Lines and figures of both axes. *words* stand below the axis across."""
    floor = HEIGHT - BOTTOM
    where = f'x="{LEFT - 8}" text-anchor="end"' if LETTER * len(unit) < LEFT - 8 else 'x="0"'
    parts = [f'<text class="soft" {where} y="14">{escape(unit)}</text>']
    for value, text in upwards.ticks():
        y = _y(upwards, value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    free = 0.0
    for value, text in across.ticks():
        x, half = _x(across, value), LETTER * len(text) / 2
        parts.append(f'<path class="tick" d="M{x:.1f} {floor}v4"/>')
        if x - half >= free:
            middle = min(x, WIDTH - half)
            parts.append(
                f'<text class="soft" x="{middle:.1f}" y="{floor + 17}" text-anchor="middle">{escape(text)}</text>'
            )
            free = x + half + LETTER
    parts.append(f'<path class="axis" d="M{LEFT} {floor}H{WIDTH - RIGHT}"/>')
    if words:
        parts.append(
            f'<text class="soft" x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(words)}</text>'
        )
    return parts


def _band(band: Band, across: Scale) -> str:
    start, end = _x(across, band.start), _x(across, band.end)
    kind = "phase measured" if band.is_measured else "phase"
    drawn = f'<rect class="{kind}" x="{start:.1f}" y="{TOP - 18}" width="{end - start:.1f}" height="{HEIGHT - TOP - BOTTOM + 18}"/>'
    if end - start > LETTER * len(band.name) + 4:
        middle = (start + end) / 2
        drawn += (
            f'<text class="phase-name" x="{middle:.1f}" y="{TOP - 6}" text-anchor="middle">{escape(band.name)}</text>'
        )
    return drawn


def _path(points: Sequence[tuple[float, float]], across: Scale, upwards: Scale) -> str:
    return "L".join(f"{_x(across, x):.1f} {_y(upwards, y):.1f}" for x, y in points)


def _line(one: Series, across: Scale, upwards: Scale) -> str:
    if len(one.points) == 1:
        return _dot(one, one.points[0], across, upwards)
    return f'<path class="mark line {one.colour}" d="M{_path(one.points, across, upwards)}"/>' if one.points else ""


def _dot(one: Series, point: tuple[float, float], across: Scale, upwards: Scale) -> str:
    return f'<circle class="mark dot {one.colour}" cx="{_x(across, point[0]):.1f}" cy="{_y(upwards, point[1]):.1f}" r="3.5"/>'


def _area(one: Series, below: Sequence[tuple[float, float]] | None, across: Scale, upwards: Scale) -> str:
    if not one.points:
        return ""
    under = below if below is not None else [(one.points[0][0], 0.0), (one.points[-1][0], 0.0)]
    edge = _path([*one.points, *reversed(under)], across, upwards)
    return f'<path class="mark area {one.colour}" d="M{edge}Z"/>'


def _stack(series: Sequence[Series]) -> list[Series]:
    """Each on the shoulders of those before. All have the same x."""
    stacked: list[Series] = []
    heights = [0.0] * max((len(one.points) for one in series), default=0)
    for one in series:
        heights = [height + y for height, (_, y) in zip(heights, one.points, strict=True)]
        points = [(x, height) for (x, _), height in zip(one.points, heights, strict=True)]
        stacked.append(Series(one.name, points, one.colour))
    return stacked


def _bound_across(bound: Bound, upwards: Scale) -> str:
    y = _y(upwards, bound.value)
    under = y + 15 if y < TOP + 20 else y - 5  # above the plot are the names of phases
    words = f'<text class="bound-name" x="{WIDTH - RIGHT - 4}" y="{under:.1f}" text-anchor="end">{escape(bound.name)}</text>'
    return f'<path class="bound" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>{words}'


def _bound_at(bound: Bound, across: Scale, upwards: Scale) -> str:
    x, y = _x(across, bound.x or 0.0), _y(upwards, bound.value)
    words = f'<text class="bound-name" x="{x - 16:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(bound.name)}</text>'
    return f'<path class="bound at {bound.colour}" d="M{x - 12:.1f} {y:.1f}h24"/>{words}'


def _places(series: Sequence[Series], across: Scale, where: Callable[[float], str], unit: str) -> list[str]:
    """Upright strips without a colour; a browser shows the title of the one that is pointed at."""
    longest = max((one.points for one in series), key=len, default=())
    xs = [x for x, _ in longest[:: max(1, -(-len(longest) // PLACES))]]
    edges = [LEFT, *((_x(across, one) + _x(across, other)) / 2 for one, other in pairwise(xs)), WIDTH - RIGHT]
    parts: list[str] = []
    for x, (start, end) in zip(xs, pairwise(edges), strict=False):
        said = [f"{one.name}: {measure(y, unit)}" for one in series for y in _at(one, x)]
        words = escape("\n".join([where(x), *said]))
        size = f'width="{max(0.0, end - start):.1f}" height="{HEIGHT - TOP - BOTTOM}"'
        parts.append(f'<rect class="place" x="{start:.1f}" y="{TOP}" {size}><title>{words}</title></rect>')
    return parts


def _at(one: Series, x: float) -> list[float]:
    """Its value at *x* or the next one after it, if there is one."""
    index = bisect_left(one.points, (x, -1.0))
    return [one.points[index][1]] if index < len(one.points) else []
