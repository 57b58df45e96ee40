"""Whose streak is at risk: today is still open, and yesterday was covered. For reminders in the evening."""

from collections.abc import Sequence
from datetime import date, datetime

from msgspec import Struct

from domain.streak_book import reckon
from storage.postgres import Database
from storage.streak_book import COLUMNS, book_of, load_outages

# Whoever's streak stands has been reckoned on the day of the last entry or of the freeze that keeps it.
_CANDIDATES = f"""
select {COLUMNS} from streaks
where timezone = any($1::text[]) and current > 0 and reckoned_for >= $2::date - 3 and user_id > $3
order by user_id limit $4
"""  # noqa: S608  joined from constants


class AtRisk(Struct, frozen=True):
    """*days*: the length of the streak that would end. *today*: the date that is open, in their time zone."""

    user: str
    days: int
    today: date


async def load_at_risk(
    database: Database, timezones: Sequence[str], now: datetime, after: str, limit: int
) -> tuple[list[AtRisk], str | None]:
    """Those whose zone is one of *timezones*, in the order of users behind *after*, from *limit* that may be; and where to go on.

    The second is None when all have been looked at. Raises: Unavailable.
    """
    rows = await database.fetch(_CANDIDATES, timezones, now.date(), after, limit)
    outages = await load_outages(database)
    found = []
    for row in rows:
        reckoning = reckon(book_of(row), outages, now)
        if reckoning.streak.is_at_risk:
            found.append(AtRisk(str(row["user_id"]), reckoning.streak.current, reckoning.today))
    return found, str(rows[-1]["user_id"]) if len(rows) == limit else None
