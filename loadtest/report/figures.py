"""How figures are written, the same in the terminal and in the HTML report."""

from loadtest.results import Row

MARKS = {
    "reached": "as good as we mean to be",
    "ok": "within its bound",
    "MISSED": "misses its bound",
}


def number(value: float) -> str:
    """Three digits that matter, thousands with commas: 12,345; 123; 1.23; 0.0123."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 0.001:
        return f"{value:.3g}"
    return f"{value:.1g}"


def measure(value: float, unit: str) -> str:
    """A figure with its unit; what is said per something stands close: 5,000/s, 12 ms."""
    gap = "" if not unit or unit.startswith(("/", "%", "×")) else " "
    return f"{number(value)}{gap}{unit}"


def bound(row: Row, value: float | None) -> str:
    """A bound of *row*, with its direction; nothing where there is none."""
    if value is None:
        return ""
    return f"{'≥' if row.more_is_better else '≤'} {measure(value, row.unit)}"


def memory(kib: float) -> str:
    """KiB in the unit that a person would choose."""
    for unit in ("KiB", "MiB"):
        if abs(kib) < 1024:
            return measure(kib, unit)
        kib /= 1024
    return measure(kib, "GiB")
