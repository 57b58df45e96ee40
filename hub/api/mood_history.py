"""Endpoints of moods that are stored: history, one of them, edit and deletion, statistics, timeline."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from math import log
from typing import cast

from domain.errors import Invalid
from domain.mood_edits import no_such_mood
from domain.mood_spans import Span, span_of
from domain.moods import local_date
from domain.times import from_ms
from hub.api.cursors import decode_cursor, encode_cursor
from hub.api.endpoints import Call, Endpoint
from hub.handlers.mood_changes import MoodChangeHandlers
from protocol.codes import ErrorCode
from protocol.events import Ok
from protocol.rest import Page
from protocol.rest_moods import (
    Bucket,
    Mood,
    MoodEdit,
    MoodQuery,
    MoodStats,
    MoodStatsQuery,
    MoodStatsReply,
    Period,
    Resolution,
    Share,
    Spread,
    Timeline,
    TimelineQuery,
)
from storage.mood_history import (
    MoodPosition,
    MoodRecord,
    WantedMoods,
    load_mood,
    load_moods_of,
    load_own_moods,
    load_shared_moods,
)
from storage.mood_stats import BucketStats, PeriodStats, load_hours, load_mood_stats, load_timeline, load_zone
from storage.postgres import Database

STATS_MAX_DAYS = 3 * 366
BUCKETS_MAX = 1_500
BUCKETS_USUAL = 100
BUCKET_DAYS = {Resolution.HOUR: 1 / 24, Resolution.DAY: 1.0, Resolution.WEEK: 7.0, Resolution.MONTH: 30.4375}


class _Moods:
    """Reads; hands edits on to the handler."""

    def __init__(self, database: Database, changes: MoodChangeHandlers, clock: Callable[[], int]) -> None:
        self._database = database
        self._changes = changes
        self._clock = clock

    async def history(self, call: Call) -> Page[Mood]:
        query = cast("MoodQuery", call.query)
        found = await self._find(call.actor.user, query)
        shown = found[: query.limit]
        following = encode_cursor(shown[-1].position) if len(found) > len(shown) else None
        return Page([self._changes.show(record) for record in shown], following)

    async def _find(self, asker: str, query: MoodQuery) -> Sequence[MoodRecord]:
        """A page, and one more if there is one."""
        wanted = WantedMoods(
            since=query.since,
            until=query.until,
            mood=query.mood,
            tag=query.tag,
            position=decode_cursor(query.cursor, MoodPosition),
        )
        user, limit = query.user.lower() if query.user is not None else asker, query.limit + 1
        if query.shared and query.user is not None:
            raise Invalid("Ask for the moods of one person, or for those that are shared with you.")
        if query.tag is not None and (query.shared or user != asker):
            raise Invalid("Tags are their owner's alone: filter only your own moods by them.")
        now = from_ms(self._clock())
        if query.shared:
            return await load_shared_moods(self._database, asker, wanted, limit, now)
        if user != asker:
            return await load_moods_of(self._database, asker, user, wanted, limit, now)
        return await load_own_moods(self._database, asker, wanted, limit, now)

    async def one(self, call: Call) -> Mood:
        record = await load_mood(self._database, call.actor.user, call.id)
        if record is None:
            raise no_such_mood()
        return self._changes.show(record)

    async def edit(self, call: Call) -> Mood:
        return await self._changes.edit(call.actor, call.id, call.body)

    async def delete(self, call: Call) -> Ok:
        return await self._changes.delete(call.actor, call.id)

    async def stats(self, call: Call) -> MoodStatsReply:
        query = cast("MoodStatsQuery", call.query)
        span = await self._span(call, query.first, query.last)
        if span.days > STATS_MAX_DAYS:
            raise Invalid("Statistics are of at most 3 years.")
        total, periods = await load_mood_stats(self._database, call.actor.user, span, query.by.value)
        return MoodStatsReply(
            by=query.by,
            total=_stats(total, span),
            periods=[_stats(each, _within(each, query.by, span)) for each in periods],
        )

    async def timeline(self, call: Call) -> Timeline:
        query = cast("TimelineQuery", call.query)
        span = await self._span(call, query.first, query.last)
        by = query.by or min(Resolution, key=lambda each: abs(log(_buckets(span, each) / BUCKETS_USUAL)))
        if _buckets(span, by) > BUCKETS_MAX:
            raise Invalid(
                f"That could be more than {BUCKETS_MAX:,} buckets. Ask for a shorter time, or longer buckets."
            )
        if by is Resolution.HOUR:
            buckets = await load_hours(self._database, call.actor.user, span)
        else:
            buckets = await load_timeline(self._database, call.actor.user, span, by.value)
        return Timeline(by, [_bucket(each) for each in buckets])

    async def _span(self, call: Call, first: date | None, last: date | None) -> Span:
        """What is asked for; up to today, on the clock of the one who asks, if nothing is said."""
        zone = await load_zone(self._database, call.actor.user) if last is None else None
        return span_of(first, last, local_date(self._clock(), zone or "UTC"))


def _buckets(span: Span, by: Resolution) -> float:
    return span.days / BUCKET_DAYS[by]


def _within(period: PeriodStats, by: Period, span: Span) -> Span:
    """The dates of a period that are in *span*."""
    start = period.start or span.first
    if by is Period.MONTH:
        end = (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    else:
        end = start + timedelta(days=6 if by is Period.WEEK else 0)
    return Span(max(start, span.first), min(end, span.last))


def _stats(of: PeriodStats, span: Span) -> MoodStats:
    return MoodStats(
        first=span.first.isoformat(),
        last=span.last.isoformat(),
        count=of.count,
        days=of.days,
        valence=Spread(of.valence_mean, of.valence_deviation) if of.valence_mean is not None else None,
        arousal=Spread(of.arousal_mean, of.arousal_deviation) if of.arousal_mean is not None else None,
        quadrants={quadrant.value: count / max(1, of.count) for quadrant, count in of.quadrants.items()},
        words=[Share(*word) for word in of.words],
        tags=[Share(*tag) for tag in of.tags],
    )


def _bucket(of: BucketStats) -> Bucket:
    at = of.start.isoformat() if of.hour is None else f"{of.start.isoformat()}T{of.hour:02}:00"
    return Bucket(at, of.count, of.valence, of.lowest, of.highest, of.arousal)


def mood_history_endpoints(
    database: Database, changes: MoodChangeHandlers, clock: Callable[[], int]
) -> Sequence[Endpoint]:
    """`/v1/moods*`, but for logging."""
    endpoints = _Moods(database, changes, clock)
    return (
        Endpoint(
            method="GET",
            path="/v1/moods",
            summary="The history of moods, newest felt first: one's own, those of one person, or all that are shared with one.",
            group="Moods",
            handle=endpoints.history,
            query=MoodQuery,
            reply=Page[Mood],
        ),
        Endpoint(
            method="GET",
            path="/v1/moods/stats",
            summary="Statistics of one's moods by day, week or month.",
            group="Moods",
            handle=endpoints.stats,
            query=MoodStatsQuery,
            reply=MoodStatsReply,
        ),
        Endpoint(
            method="GET",
            path="/v1/moods/timeline",
            summary="One's moods in buckets that are ready to draw; at most 1,500.",
            group="Moods",
            handle=endpoints.timeline,
            query=TimelineQuery,
            reply=Timeline,
        ),
        Endpoint(
            method="GET",
            path="/v1/moods/{id}",
            summary="One mood: one's own, or one that is shared with one.",
            group="Moods",
            handle=endpoints.one,
            reply=Mood,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="PATCH",
            path="/v1/moods/{id}",
            summary="Edit a mood of one's own that is saved; one's devices hear mood.saved.",
            group="Moods",
            handle=endpoints.edit,
            body=MoodEdit,
            reply=Mood,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="DELETE",
            path="/v1/moods/{id}",
            summary="Delete a mood of one's own that is saved; one's devices hear mood.deleted. Its id is never free again.",
            group="Moods",
            handle=endpoints.delete,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND,),
        ),
    )
