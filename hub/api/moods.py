"""Endpoints of logging moods and of the streak."""

from collections.abc import Sequence
from typing import cast

import msgspec
from starlette.responses import Response

from domain.errors import Refusal
from hub.api.endpoints import JSON, Call, Endpoint
from hub.dispatch import code_of
from hub.handlers.moods import MoodHandlers
from hub.handlers.streaks import StreakHandlers
from protocol.codes import ErrorCode
from protocol.commands import MoodLog
from protocol.events import Ok
from protocol.rest_moods import MoodBatch, MoodResult, MoodResults, Repair, StreakQuery, StreakView, WaitQuery

BATCH_MAX_BYTES = 1024 * 1024
QUEUED, SAVED = 202, 201


class _Moods:
    """Hands on to the handlers, which the sockets use too."""

    def __init__(self, moods: MoodHandlers, streaks: StreakHandlers) -> None:
        self._moods = moods
        self._streaks = streaks

    async def log(self, call: Call) -> Response:
        ok = await self._moods.log(call.actor, call.body)
        if await self._are_saved(call, [cast("str", ok.id)]):
            return _reply(msgspec.structs.replace(ok, state="saved"), SAVED)
        return _reply(ok, QUEUED)

    async def log_all(self, call: Call) -> Response:
        moods = cast("MoodBatch", call.body).moods
        answers = await self._moods.log_all(call.actor, moods)
        queued = [cast("str", answer.id) for answer in answers if isinstance(answer, Ok)]
        saved = await self._are_saved(call, queued)
        results = [_result(mood, answer, saved) for mood, answer in zip(moods, answers, strict=True)]
        return _reply(MoodResults(results), SAVED if queued and saved >= set(queued) else QUEUED)

    async def _are_saved(self, call: Call, ids: Sequence[str]) -> set[str]:
        """Those that are on disk by the time of the answer: nobody looks unless they are waited for."""
        return await self._moods.saved(call.actor, ids) if ids and cast("WaitQuery", call.query).wait else set()

    async def streak(self, call: Call) -> StreakView:
        return await self._streaks.view(call.actor, cast("StreakQuery", call.query).month)

    async def repair(self, call: Call) -> StreakView:
        return await self._streaks.repair(call.actor, cast("Repair", call.body).date)


def _result(mood: MoodLog, answer: Ok | Refusal, saved: set[str]) -> MoodResult:
    mood_id = mood.id.lower()
    if isinstance(answer, Refusal):
        return MoodResult(mood_id, code=code_of(answer), message=str(answer))
    return MoodResult(mood_id, state="saved" if mood_id in saved else answer.state)


def _reply(reply: object, status: int) -> Response:
    return Response(msgspec.json.encode(reply), status, {"Cache-Control": "no-store"}, JSON)


def mood_endpoints(moods: MoodHandlers, streaks: StreakHandlers) -> Sequence[Endpoint]:
    """`POST /v1/moods`, `/v1/moods/batch`, `/v1/me/streak*`."""
    endpoints = _Moods(moods, streaks)
    return (
        Endpoint(
            method="POST",
            path="/v1/moods",
            summary="Log a mood (mood.log): 202 when it is queued; with wait=1, 201 once it is saved.",
            group="Moods",
            handle=endpoints.log,
            body=MoodLog,
            query=WaitQuery,
            reply=Ok,
            status=QUEUED,
            errors=(ErrorCode.RATE_LIMITED,),
        ),
        Endpoint(
            method="POST",
            path="/v1/moods/batch",
            summary="Log up to 100 moods at once, each by itself: what is wrong with one keeps none of the others.",
            group="Moods",
            handle=endpoints.log_all,
            body=MoodBatch,
            body_max_bytes=BATCH_MAX_BYTES,
            query=WaitQuery,
            reply=MoodResults,
            status=QUEUED,
        ),
        Endpoint(
            method="GET",
            path="/v1/me/streak",
            summary="The streak, and the days of one month.",
            group="Moods",
            handle=endpoints.streak,
            query=StreakQuery,
            reply=StreakView,
        ),
        Endpoint(
            method="POST",
            path="/v1/me/streak/repair",
            summary="Repair one missed date of the last 7 days, once in 30 days.",
            group="Moods",
            handle=endpoints.repair,
            body=Repair,
            reply=StreakView,
            errors=(ErrorCode.CONFLICT,),
        ),
    )
