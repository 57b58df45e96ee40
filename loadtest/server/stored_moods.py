"""What PostgreSQL has stored of moods, beside what was logged.

Streaks are counted again, from the dates of the rows.
"""

from collections.abc import Mapping, Sequence
from datetime import date

from msgspec import Struct

from domain.errors import Unavailable
from domain.streaks import streak
from loadtest.clients.wire import Lost
from storage.postgres import Database

_STORED = """
select m.user_id, count(*) as rows, count(distinct m.id) as ids,
       array_agg(distinct local_date) filter (where in_streak) as dates,
       s.current, s.longest, s.reckoned_for
from moods m left join streaks s using (user_id)
where user_id = any($1::uuid[])
group by m.user_id, s.current, s.longest, s.reckoned_for
"""


class Kept(Struct, frozen=True):
    """Of one user. *dates*: those that count; *reckoned_for*: as of when *current* and *longest* are told, if they are."""

    rows: int
    ids: int
    dates: frozenset[date]
    current: int = 0
    longest: int = 0
    reckoned_for: date | None = None


NOTHING = Kept(0, 0, frozenset())


async def load_kept(url: str, users: Sequence[str]) -> dict[str, Kept]:
    """What is stored now of those *users* who have anything. Raises: Lost."""
    try:
        async with Database(url) as database:
            rows = await database.fetch(_STORED, users)
    except Unavailable as error:
        raise Lost("PostgreSQL did not say what it has stored") from error
    return {
        str(row["user_id"]): Kept(
            row["rows"],
            row["ids"],
            frozenset(row["dates"] or ()),
            row["current"] or 0,
            row["longest"] or 0,
            row["reckoned_for"],
        )
        for row in rows
    }


def judge_kept(logged: Mapping[str, int], before: Mapping[str, Kept], after: Mapping[str, Kept]) -> list[str]:
    """What is wrong of each user. *logged*: moods in this run, by user; *before* and *after* it.

    Streaks are judged of those who had none before: what others have frozen or repaired is not known here.
    """
    problems: list[str] = []
    for user, count in logged.items():
        was, now = before.get(user, NOTHING), after.get(user, NOTHING)
        if (now.rows - was.rows, now.ids - was.ids) != (count, count):
            problems.append(
                f"{user} logged {count} moods, and {now.rows - was.rows} rows with {now.ids - was.ids} ids are stored"
            )
        if not was.rows:
            problems += _judge_streak(user, now)
    return problems


def _judge_streak(user: str, now: Kept) -> list[str]:
    if now.reckoned_for is None:
        return [f"{user} has dates that count, and no streak"] if now.dates else []
    found = streak(now.dates, frozenset(), frozenset(), now.reckoned_for)
    told, right = (now.current, now.longest), (found.current, found.longest)
    return [] if told == right else [f"current and longest streak of {user} are {told}, and the rows say {right}"]
