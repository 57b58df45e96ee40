"""Whose streak is at risk: today is still open, and yesterday was covered. For reminders in the evening."""

from collections.abc import Mapping
from datetime import date, datetime

from msgspec import Struct

from domain.streak_book import reckon
from storage.postgres import Database
from storage.streak_book import COLUMNS, book_of, load_outages

# Whoever's streak stands has been reckoned on the day of the last entry or of the freeze that keeps it.
_CANDIDATES = f"""
select {COLUMNS} from streaks s
where timezone = any($1::text[]) and current > 0 and reckoned_for >= $2::date - 3 and user_id > $3
  and exists (select from push_preferences p where p.user_id = s.user_id and p.streak_reminders)
  and exists (select from users u where u.id = s.user_id and u.deleted_at is null)
  and not exists (
      select from notices n
      where n.user_id = s.user_id and n.cause = ($5::text[])[array_position($1::text[], s.timezone)]
  )
order by user_id limit $4
"""  # noqa: S608  joined from constants


class AtRisk(Struct, frozen=True):
    """*days*: the length of the streak that would end. *today*: the date that is open, in their time zone."""

    user: str
    days: int
    today: date


async def load_at_risk(
    database: Database, causes: Mapping[str, str], now: datetime, after: str, limit: int
) -> tuple[list[AtRisk], str | None]:
    """Those in one of some time zones who want to be reminded and were not yet, in the order of users behind *after*.

    *causes*: the cause of today's reminder, by time zone. *limit* may be among them; the second tells where to go on, None
    when all have been looked at. Raises: Unavailable.
    """
    rows = await database.fetch(_CANDIDATES, list(causes), now.date(), after, limit, list(causes.values()))
    outages = await load_outages(database)
    found = []
    for row in rows:
        reckoning = reckon(book_of(row), outages, now)
        if reckoning.streak.is_at_risk:
            found.append(AtRisk(str(row["user_id"]), reckoning.streak.current, reckoning.today))
    return found, str(rows[-1]["user_id"]) if len(rows) == limit else None
