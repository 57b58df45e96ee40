"""Which windows an operator may declare: their dates are frozen for all, for nothing."""

from datetime import date

from domain.errors import Invalid

OUTAGE_DAYS_MAX = 31
OUTAGE_WITHIN_DAYS = 366  # of today, either way: what is farther off is a slip of the finger


def check_outage(first: date, last: date, today: date) -> None:
    """Raises: Invalid."""
    if last < first:
        raise Invalid(f"An outage cannot end ({last}) before it begins ({first}).")
    days = (last - first).days + 1
    if days > OUTAGE_DAYS_MAX:
        raise Invalid(f"An outage has at most {OUTAGE_DAYS_MAX} days; these are {days}.")
    if max(abs((day - today).days) for day in (first, last)) > OUTAGE_WITHIN_DAYS:
        raise Invalid(f"An outage lies within {OUTAGE_WITHIN_DAYS} days of today, {today}.")
