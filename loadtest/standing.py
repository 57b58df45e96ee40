"""How far every figure is from its bounds, and what has moved since the last release."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.report.figures import bound, measure, number
from loadtest.report.table import columns
from loadtest.results import Machine
from loadtest.targets import Target

MOVED = 0.15  # of the stored figure, from which on it is said


class Figure(Struct, frozen=True):
    """One target, and what was measured; *note* says what a reader must know of how."""

    target: Target
    value: float
    note: str = ""


class Stored(Struct, frozen=True):
    """The figures of a release, as kept in docs/figures/VERSION.json."""

    version: str
    taken_at: str
    machine: Machine
    figures: dict[str, float]


def render_standing(figures: Sequence[Figure], stored: Stored | None) -> str:
    """All figures as one table, with their distances: +20 % is better than the bound by a fifth of it, ×3 three times it."""
    since = f"since {stored.version}" if stored is not None else ""
    rows: list[tuple[str, ...]] = [("", "measured", "must", "", "means to", "", "", since)]
    for one in figures:
        row = one.target.row(one.value)
        rows.append(
            (
                row.name,
                measure(row.value, row.unit),
                bound(row, row.must),
                percent(one.target.spare(one.value, one.target.must)),
                bound(row, row.aim),
                percent(one.target.spare(one.value, one.target.aim)),
                row.mark(),
                percent(change) if (change := moved_by(one, stored)) is not None else "",
            )
        )
    lines = columns(rows, left=(0, 6))
    for note in dict.fromkeys(one.note for one in figures if one.note):
        lines += ["", *(one.target.words for one in figures if one.note == note), f"  {note}"]
    return "\n".join(lines)


def moved_by(figure: Figure, stored: Stored | None) -> float | None:
    """By which share of the stored figure this one is larger; None where the two cannot be compared."""
    before = stored.figures.get(figure.target.key) if stored is not None else None
    if not before or not figure.target.is_cost:
        return None
    return figure.value / before - 1


def what_moved(figures: Sequence[Figure], stored: Stored | None) -> list[str]:
    """A sentence for each cost that moved by more than `MOVED`."""
    if stored is None:
        return ["There are no stored figures to compare with: --save writes them."]
    said: list[str] = []
    for one in figures:
        change = moved_by(one, stored)
        if change is not None and abs(change) > MOVED:
            how = "better" if (change > 0) == one.target.more_is_better else "WORSE"
            before = measure(stored.figures[one.target.key], one.target.unit)
            said.append(
                f"{how}: {one.target.words}: {measure(one.value, one.target.unit)}, {before} in {stored.version}"
            )
    return said or [f"No cost moved by more than {MOVED:.0%} since {stored.version}."]


def percent(share: float) -> str:
    """With its sign, and without digits that say nothing: +20 %, −7 %; ×12 is twelve times as much."""
    if share >= 9.995 or share < -1:
        return f"×{number(1 + abs(share))}"
    return f"{'−' if share < 0 else '+'}{abs(share) * 100:.0f} %"


def load_stored(folder: Path) -> Stored | None:
    """The figures of the newest release in *folder*; None if there are none. Raises: msgspec.DecodeError."""
    paths = sorted(folder.glob("[0-9]*.json"), key=lambda path: [int(part) for part in path.stem.split(".")])
    return msgspec.json.decode(paths[-1].read_bytes(), type=Stored) if paths else None


def save_stored(stored: Stored, folder: Path) -> Path:
    """Write them, beside figures of this release that were not measured now. Returns where. Raises: OSError."""
    path = folder / f"{stored.version}.json"
    folder.mkdir(parents=True, exist_ok=True)
    if path.exists():
        before = msgspec.json.decode(path.read_bytes(), type=Stored)
        stored = msgspec.structs.replace(stored, figures=before.figures | stored.figures)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(stored)) + b"\n")
    return path
