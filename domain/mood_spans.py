"""Spans of local dates that somebody wants to know about."""

from datetime import date

from msgspec import Struct

from domain.errors import Invalid

USUAL_DAYS = 30


class Span(Struct, frozen=True):
    """From *first* to *last*, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """At least 1."""
        return self.last.toordinal() - self.first.toordinal() + 1


def span_of(first: date | None, last: date | None, today: date) -> Span:
    """From *first* to *last*; left out: to *today*, and `USUAL_DAYS` long. Raises: Invalid."""
    last = today if last is None else last
    if first is None:
        first = date.fromordinal(max(1, last.toordinal() - USUAL_DAYS + 1))
    if first > last:
        raise Invalid(f"The first date, {first}, comes after the last, {last}.")
    return Span(first, last)
