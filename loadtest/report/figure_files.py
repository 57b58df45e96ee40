"""The drawings of a result as files for documents: `python -m loadtest.report.figure_files RESULT.json FOLDER`.

Each is an SVG that carries its own colours, light or dark as the reader's system is; `--json` of `hugmood loadtest`
writes the result.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

import msgspec

from loadtest.report.charts import HEIGHT, LEFT, WIDTH, Series
from loadtest.report.step_pictures import Drawing, step_drawings
from loadtest.results import Result

HEAD, FOOT, LINE = 34, 14, 20  # heights: of the title, below everything, of an entry of the legend
STYLE = """\
svg { --text: #3a2a26; --soft: #755f57; --grid: #efe4db; --ground: #fffdfb; --one: #c2410c; --two: #1d5fa8;
  --three: #0f8a6c; --four: #a13d83; --five: #8a6d00; font-family: system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --text: #f5e9e2; --soft: #c3aca2; --grid: #3a2d29; --ground: #2a201d;
  --one: #ff8f5a; --two: #6bb1f5; --three: #3fcfa6; --four: #e58fcb; --five: #e0bd3c; } }
.ground { fill: var(--ground); }
text { fill: var(--text); font-size: 12.5px; }
.title { font-size: 15px; font-weight: 600; }
.soft { fill: var(--soft); }
.grid, .axis, .tick { fill: none; stroke: var(--grid); }
.axis, .tick { stroke: var(--soft); }
.one, .hub { --series: var(--one); }
.two, .postgres { --series: var(--two); }
.three, .valkey { --series: var(--three); }
.four { --series: var(--four); }
.five { --series: var(--five); }
.six, .load, .other { --series: var(--soft); }
.line { fill: none; stroke: var(--series); stroke-width: 2.2; stroke-linejoin: round; }
.two.line, .postgres.line { stroke-dasharray: 8 5; }
.three.line, .valkey.line { stroke-dasharray: 2 4; }
.four.line { stroke-dasharray: 12 5 2 5; }
.dot { fill: var(--series); }
.place { fill: transparent; }
"""


def standalone(drawing: Drawing) -> str:
    """One drawing with its title and legend."""
    legend = _legend(drawing.series, HEAD + HEIGHT + LINE - 4)
    height = HEAD + HEIGHT + FOOT + LINE * len(drawing.series)
    placed = drawing.chart().replace("<svg ", f'<svg y="{HEAD}" width="{WIDTH}" height="{HEIGHT}" ', 1)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">\n'
        f"<style>\n{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="8"/>\n'
        f'<text class="title" x="{LEFT}" y="22">{escape(drawing.title)}</text>\n{placed}\n{legend}\n</svg>\n'
    )


def _legend(series: Sequence[Series], top: int) -> str:
    return "\n".join(
        f'<path class="line {one.colour}" d="M{LEFT} {top + LINE * row - 4}h26"/>'
        f'<text x="{LEFT + 34}" y="{top + LINE * row}">{escape(one.name)}</text>'
        for row, one in enumerate(series)
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write a file for each drawing, and say which."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.report.figure_files", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("result", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    result = msgspec.json.decode(options.result.read_bytes(), type=Result)
    options.folder.mkdir(parents=True, exist_ok=True)
    for drawing in step_drawings(result.tables):
        name = re.sub(r"[^a-z0-9]+", "-", drawing.title.lower()).strip("-")
        path = options.folder / f"{result.scenario}-{name}.svg"
        path.write_text(standalone(drawing), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
