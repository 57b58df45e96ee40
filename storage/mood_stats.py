"""What the moods of somebody were like, over local dates: statistics of periods, and buckets for a chart.

One statement each, so that everything in an answer is of one moment. It reads the user's part of the primary key between
the dates, a day more on either side: no place on Earth is further than that from UTC.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import asyncpg
from msgspec import Struct

from domain.mood_spans import Span
from domain.moods import zone
from domain.vocabulary import Quadrant
from storage.mood_history import EARLIEST, LATEST, as_said
from storage.postgres import Database

TOP = 10  # words, and tags


class PeriodStats(Struct, frozen=True, kw_only=True):
    """Of the period that begins on *start*, or of all (None). Means and deviations as `storage.mood_history.as_said`.

    *quadrants*: how many entries lie in each. *words*, *tags*: the most frequent, and how often.
    """

    start: date | None
    count: int
    days: int
    valence_mean: float | None
    valence_deviation: float | None
    arousal_mean: float | None
    arousal_deviation: float | None
    quadrants: dict[Quadrant, int]
    words: list[tuple[str, int]]
    tags: list[tuple[str, int]]


class BucketStats(Struct, frozen=True, kw_only=True):
    """Of the bucket that begins on *start*, at *hour* if it is an hour: on the clocks where it was felt."""

    start: date
    hour: int | None
    count: int
    valence: float
    lowest: float
    highest: float
    arousal: float


_BETWEEN = "user_id = $1 and local_date between $2 and $3 and felt_at >= $4 and felt_at < $5"
_START = "date_trunc($6::text, local_date::timestamp)::date"

# `begins` of all together: -infinity.
_TOP = """
select begins, array_agg(name order by place) as names, array_agg(n order by place) as counts from (
    select coalesce(start, '-infinity') as begins, name, count(*) as n,
           row_number() over (partition by coalesce(start, '-infinity') order by count(*) desc, name collate "C") as place
    from ({names}) each group by grouping sets ((start, name), (name))
) counted where place <= $7 group by begins
"""
_STATS = f"""
with m as materialized (
    select {_START} as start, local_date, valence, arousal, lower(mood) as mood, tags from moods where {_BETWEEN}
), sums as (
    select coalesce(start, '-infinity') as begins, count(*) as count, count(distinct local_date) as days,
           avg(valence) as valence_mean, stddev_samp(valence) as valence_deviation,
           avg(arousal) as arousal_mean, stddev_samp(arousal) as arousal_deviation,
           count(*) filter (where arousal >= 0 and valence >= 0) as high_pleasant,
           count(*) filter (where arousal >= 0 and valence < 0) as high_unpleasant,
           count(*) filter (where arousal < 0 and valence >= 0) as low_pleasant,
           count(*) filter (where arousal < 0 and valence < 0) as low_unpleasant
    from m group by grouping sets ((start), ())
), words as ({_TOP.format(names="select start, mood as name from m")}
), labels as ({_TOP.format(names="select start, unnest(tags) as name from m")}
)
select nullif(s.begins, '-infinity') as start, s.*, w.names as words, w.counts as word_counts,
       l.names as tags, l.counts as tag_counts
from sums s left join words w using (begins) left join labels l using (begins)
order by s.begins
"""  # noqa: S608  joined from constants

_SUMS = """
count(*) as count, sum(valence::float8) as valence, min(valence) as lowest, max(valence) as highest,
sum(arousal::float8) as arousal
"""
_TIMELINE = f"""
select {_START} as start, {_SUMS} from moods where {_BETWEEN} group by 1 order by 1
"""  # noqa: S608  joined from constants
# Wherever one is, an hour on the clock consists of quarters of an hour of UTC. The rest is up to our time zones:
# those of the database may be of another year.
_QUARTERS = f"""
select local_date, timezone, date_bin('15 minutes', felt_at, '2000-01-01Z') as at, {_SUMS}
from moods where {_BETWEEN} group by 1, 2, 3 order by at
"""  # noqa: S608  joined from constants


def _bounds(span: Span) -> tuple[date, date, datetime, datetime]:
    """The arguments of `_BETWEEN`. Moments, not dates, for the planner to leave out months."""
    first, last = (max(EARLIEST.date(), min(day, LATEST.date())) for day in (span.first, span.last))
    start, end = first - timedelta(days=1), last + timedelta(days=2)
    return span.first, span.last, datetime.combine(start, time(), UTC), datetime.combine(end, time(), UTC)


async def load_zone(database: Database, user: str) -> str | None:
    """The time zone whose midnight counts for *user*; None before their first mood. Raises: Unavailable."""
    zone_name: str | None = await database.fetchval("select timezone from streaks where user_id = $1", user)
    return zone_name


async def load_mood_stats(
    database: Database, user: str, span: Span, by: str
) -> tuple[PeriodStats, Sequence[PeriodStats]]:
    """Of all in *span*; and of each day, week or month (*by*) with an entry, in order. Raises: Unavailable."""
    total, *periods = await database.fetch(_STATS, user, *_bounds(span), by, TOP)
    return _period(total), [_period(row) for row in periods]


async def load_timeline(database: Database, user: str, span: Span, by: str) -> Sequence[BucketStats]:
    """Buckets of a day, week or month (*by*) with an entry, in order. Raises: Unavailable."""
    rows = await database.fetch(_TIMELINE, user, *_bounds(span), by)
    return [_bucket(row["start"], None, [row]) for row in rows]


async def load_hours(database: Database, user: str, span: Span) -> Sequence[BucketStats]:
    """Buckets of an hour with an entry, in order. Raises: Unavailable."""
    hours: dict[tuple[date, int], list[asyncpg.Record]] = {}
    for row in await database.fetch(_QUARTERS, user, *_bounds(span)):
        hour = row["at"].astimezone(zone(row["timezone"])).hour
        hours.setdefault((row["local_date"], hour), []).append(row)
    return [_bucket(*start, rows) for start, rows in sorted(hours.items())]


def _bucket(start: date, hour: int | None, rows: Sequence[asyncpg.Record]) -> BucketStats:
    count = sum(row["count"] for row in rows)
    return BucketStats(
        start=start,
        hour=hour,
        count=count,
        valence=as_said(sum(row["valence"] for row in rows) / count),
        lowest=as_said(min(row["lowest"] for row in rows)),
        highest=as_said(max(row["highest"] for row in rows)),
        arousal=as_said(sum(row["arousal"] for row in rows) / count),
    )


def _period(row: asyncpg.Record) -> PeriodStats:
    return PeriodStats(
        start=row["start"],
        count=row["count"],
        days=row["days"],
        valence_mean=_number(row["valence_mean"]),
        valence_deviation=_number(row["valence_deviation"]),
        arousal_mean=_number(row["arousal_mean"]),
        arousal_deviation=_number(row["arousal_deviation"]),
        quadrants={quadrant: row[quadrant.value] for quadrant in Quadrant},
        words=_counted(row["words"], row["word_counts"]),
        tags=_counted(row["tags"], row["tag_counts"]),
    )


def _number(number: float | None) -> float | None:
    return as_said(number) if number is not None else None


def _counted(names: Iterable[str] | None, counts: Iterable[int] | None) -> list[tuple[str, int]]:
    return list(zip(names or (), counts or (), strict=True))
