"""Endpoints of care: where to find help, always and for everybody; and whether a gentle word is in place.

Invariant: whoever asks gets the resources, whatever is broken. How somebody feels leaves this module as one yes or no,
to themselves, and never reaches a log.
"""

from collections.abc import Callable, Sequence
from typing import cast

from domain.care import is_prompt_due
from domain.errors import Refusal
from domain.moods import zone
from domain.times import from_ms, rfc3339
from hub.api.endpoints import CALLS_BY_USER, Auth, Call, Endpoint
from hub.care import Resource, serving
from hub.tokens import Claims
from protocol.events import Ok
from protocol.rest_moods import Care, CareQuery
from storage.care import load_last_days, save_shown
from storage.limits import Limits
from storage.postgres import Database
from storage.users import load_caller


class _Care:
    """The resources are in memory; only the prompt needs the database."""

    def __init__(
        self, database: Database, limits: Limits, resources: Sequence[Resource], clock: Callable[[], int]
    ) -> None:
        self._database = database
        self._limits = limits
        self._resources = resources
        self._clock = clock

    async def care(self, call: Call) -> Care:
        country = cast("CareQuery", call.query).country
        country = country.upper() if country is not None else None
        return Care(
            country=country, resources=serving(self._resources, country), prompt=await self._is_due(call.claims)
        )

    async def _is_due(self, claims: Claims | None) -> bool:
        """False as well when that cannot be known now: the resources are worth more than the prompt."""
        if claims is None:
            return False
        try:
            await self._limits.take((CALLS_BY_USER, claims.user))
            caller = await load_caller(self._database, claims.user, claims.sid)
            if caller is None or caller.is_revoked:
                return False
            now_ms = self._clock()
            last = await load_last_days(self._database, claims.user, now_ms)
            if last.timezone is None:
                return False
            here = zone(last.timezone)
        except Refusal:
            return False
        shown_on = last.shown_at.astimezone(here).date() if last.shown_at is not None else None
        return is_prompt_due(last.days, from_ms(now_ms).astimezone(here).date(), shown_on)

    async def shown(self, call: Call) -> Ok:
        now_ms = self._clock()
        await save_shown(self._database, call.actor.user, now_ms)
        return Ok(at=rfc3339(now_ms))


def care_endpoints(
    database: Database, limits: Limits, resources: Sequence[Resource], clock: Callable[[], int]
) -> Sequence[Endpoint]:
    """`/v1/care` and `/v1/care/shown`."""
    endpoints = _Care(database, limits, resources, clock)
    return (
        Endpoint(
            method="GET",
            path="/v1/care",
            summary="Where to find help: in a country, and everywhere. `prompt` is told to those who are logged in.",
            group="Moods",
            handle=endpoints.care,
            query=CareQuery,
            reply=Care,
            auth=Auth.OPTIONAL,
        ),
        Endpoint(
            method="POST",
            path="/v1/care/shown",
            summary="The prompt was shown: there is none for 14 days.",
            group="Moods",
            handle=endpoints.shown,
            reply=Ok,
        ),
    )
