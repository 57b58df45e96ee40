"""Endpoints of what goes with one's moods. Finding it is the work of workers; here it is read and asked for."""

from collections.abc import Awaitable, Callable, Sequence

from domain.mood_days import PAIRED_DAYS_MIN
from hub.api.endpoints import Call, Endpoint
from protocol.codes import ErrorCode
from protocol.rest_moods import MoodPatterns
from storage.limits import Limit, Limits
from storage.mood_patterns import load_patterns
from storage.postgres import Database

ASKED_BY_USER = Limit("patterns", 1, 60_000)

Ask = Callable[[str], Awaitable[object]]


class _MoodPatterns:
    """Reads what was found, and has it found anew."""

    def __init__(self, database: Database, limits: Limits, ask: Ask) -> None:
        self._database = database
        self._limits = limits
        self._ask = ask

    async def newest(self, call: Call) -> MoodPatterns:
        found = await load_patterns(self._database, call.actor.user)
        return found or MoodPatterns(computed_at=None, days=0, needed=PAIRED_DAYS_MIN, patterns=[])

    async def find(self, call: Call) -> MoodPatterns:
        await self._limits.take((ASKED_BY_USER, call.actor.user))
        await self._ask(call.actor.user)
        return await self.newest(call)


def mood_pattern_endpoints(database: Database, limits: Limits, ask: Ask) -> Sequence[Endpoint]:
    """`/v1/moods/patterns`. *ask*: have the patterns of that user found by a worker; raises Unavailable."""
    endpoints = _MoodPatterns(database, limits, ask)
    return (
        Endpoint(
            method="GET",
            path="/v1/moods/patterns",
            summary="What goes with one's moods, as it was worked out last: each night, and when asked for.",
            group="Moods",
            handle=endpoints.newest,
            reply=MoodPatterns,
        ),
        Endpoint(
            method="POST",
            path="/v1/moods/patterns",
            summary="Have it worked out now, at most once a minute; answers with what there is until then."
            " Look again until `computed_at` has changed.",
            group="Moods",
            handle=endpoints.find,
            status=202,
            reply=MoodPatterns,
            errors=(ErrorCode.RATE_LIMITED,),
        ),
    )
