"""Many moods through one worker, while it, Valkey and PostgreSQL die: each is stored once, and streaks agree with what is stored.

`HUGMOOD_CHAOS_MOODS=200000` makes it as long as one likes. Invariants, not timings.
"""

import asyncio
import os
import random
import signal
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from tests.chaos.loggers import Logger, summary
from tests.chaos.stack import Stack, hugmood_up

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

MOODS = int(os.environ.get("HUGMOOD_CHAOS_MOODS") or 30_000)
PEOPLE = 60
FINISH_WITHIN_S = 400.0
DAY = timedelta(days=1)
HARM = [  # when so much of it is saved
    (0.1, signal.SIGKILL, "workers", 0),
    (0.25, signal.SIGKILL, "valkey", None),
    (0.4, signal.SIGKILL, "workers", 0),
    (0.55, signal.SIGINT, "postgres", None),  # its fast shutdown; `up` starts it again
    (0.75, signal.SIGKILL, "workers", 0),
]


async def test_moods_survive(folder: Path) -> None:
    seed = int(os.environ.get("HUGMOOD_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    async with hugmood_up(folder, hubs=1) as stack:
        people = await stack.people(PEOPLE, 2)
        loggers = [Logger(person, MOODS // PEOPLE, chance) for person in people]
        lives = [asyncio.create_task(logger.live(stack.url)) for logger in loggers]
        try:
            async with asyncio.timeout(FINISH_WITHIN_S):
                await _do_harm(stack, loggers)
                await asyncio.gather(*lives)
        except TimeoutError:
            pytest.fail(f"seed {seed}, not finished: {summary(loggers)}\n{stack.logs()}")
        finally:
            for life in lives:
                life.cancel()
        assert not [violation for logger in loggers for violation in logger.violations], f"seed {seed}"
        await _check(stack, loggers)


async def _do_harm(stack: Stack, loggers: list[Logger]) -> None:
    for share, signum, name, index in HARM:
        while sum(len(logger.saved) for logger in loggers) < share * MOODS:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await stack.end(signum, name, index)


async def _check(stack: Stack, loggers: list[Logger]) -> None:
    connection = await asyncpg.connect(stack.running()["database_url"])
    try:
        rows = await connection.fetch(
            "select user_id, id, timezone, local_date, felt_at, received_at, in_streak from moods"
        )
        streaks = {str(row["user_id"]): row for row in await connection.fetch("select * from streaks")}
        milestones = await connection.fetch("select user_id from inbox where kind = 'streak.milestone'")
        dead = await connection.fetchval("select count(*) from dead_jobs")
    finally:
        await connection.close()
    assert dead == 0
    stored = [str(row["id"]) for row in rows]
    assert len(stored) == len(set(stored))
    assert set(stored) == {mood for logger in loggers for mood in logger.logged}
    by_user: dict[str, set[date]] = {}
    for row in rows:
        zone = ZoneInfo(row["timezone"])
        assert row["local_date"] == row["felt_at"].astimezone(zone).date()
        midnight = datetime.combine(row["local_date"] + DAY, time(), zone).astimezone(UTC)
        assert row["in_streak"] == (row["received_at"] <= midnight + timedelta(hours=48))
        if row["in_streak"]:
            by_user.setdefault(str(row["user_id"]), set()).add(row["local_date"])
    assert streaks.keys() == by_user.keys()
    for user, dates in by_user.items():
        row = streaks[user]
        assert (row["current"], row["longest"]) == reference(dates, row["reckoned_for"]), user
    reached = sorted(user for user, dates in by_user.items() if reference(dates, max(dates))[1] >= 3)
    assert sorted(str(row["user_id"]) for row in milestones) == reached


def reference(dates: set[date], today: date) -> tuple[int, int]:
    """As product.md says it, where nothing is frozen or repaired."""

    def walk_back(day: date) -> int:
        number = 0
        while day in dates:
            number, day = number + 1, day - DAY
        return number

    return walk_back(today if today in dates else today - DAY), max(map(walk_back, dates), default=0)


def test_the_reference_is_no_yes_man() -> None:
    today = date(2024, 3, 1)
    assert reference({today, today - DAY}, today) == (2, 2)
    assert reference({today - DAY, today - 2 * DAY, today - 9 * DAY}, today) == (2, 2)
    assert reference({today - 2 * DAY}, today) == (0, 1)
