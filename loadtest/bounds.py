"""What `--require` asks of a run: `ok_p99_ms<=10`."""

import operator
import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from loadtest.report.figures import measure
from loadtest.results import Row

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(<=|>=|<|>)\s*([0-9][0-9_]*(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*")


class Bound(Struct, frozen=True):
    """One figure of the run, and what it must keep."""

    key: str
    sign: str
    limit: float

    def is_kept(self, value: float) -> bool:
        """Does *value* keep it?"""
        return _COMPARE[self.sign](value, self.limit)

    def __str__(self) -> str:
        return f"{self.key}{self.sign}{self.limit:g}"


def parse_bound(text: str) -> Bound:
    """Raises: ValueError."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a bound: write a figure, <= or >=, and a number, as in 'ok_p99_ms<=10'")
    return Bound(match[1], match[2], float(match[3]))


def unknown_key(bounds: Sequence[Bound], keys: Sequence[str]) -> str | None:
    """What to tell if a bound names a figure that is not among *keys*; None if all are."""
    unknown = [bound.key for bound in bounds if bound.key not in keys]
    if not unknown:
        return None
    return f"no such figure: {', '.join(unknown)}; there are {', '.join(keys)}"


def broken(bounds: Sequence[Bound], rows: Sequence[Row]) -> list[str]:
    """A sentence for each bound that was not kept. Raises: KeyError for an unknown key."""
    values = {row.key: row for row in rows}
    return [
        f"{bound} was required, and it was {measure(values[bound.key].value, values[bound.key].unit)}"
        for bound in bounds
        if not bound.is_kept(values[bound.key].value)
    ]
