"""Logging moods: checked here and queued; a worker saves them, and `mood.saved` says so.

Invariant: `queued` is answered only after Redis has the entry, and what was refused is in no queue.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from domain.errors import Refusal
from domain.ids import uuid7_ms
from domain.moods import (
    check_felt_at,
    check_intensity,
    check_note,
    clean_factors,
    clean_tags,
    local_date,
    place,
    zone,
)
from domain.streaks import counts
from domain.times import from_ms, to_ms
from domain.vocabulary import VOCABULARY
from hub.handlers.ports import Actor
from protocol.commands import MoodLog
from protocol.events import Ok
from storage.encryption import KeyRing
from storage.limits import Limit, Limits
from storage.mood_ids import are_saved
from storage.mood_queue import MoodQueue, QueuedMood
from storage.postgres import Database

SAVED_WITHIN_S = 10.0  # `?wait=1` waits no longer
LOOKS_S = (0.05, 0.1, 0.2)  # between two looks; the last one again and again

MOODS_PER_DAY = 2_000  # far more than anybody feels; room for apps that send again what was not saved
DAY_MS = 86_400_000

NOTE = ("moods", "note")  # where a note belongs: table and column


class MoodHandlers:
    """`mood.log`, for sockets and REST alike. All raise: Refusal."""

    def __init__(
        self,
        database: Database,
        queue: MoodQueue,
        ring: KeyRing,
        limits: Limits,
        clock: Callable[[], int],
        per_day: int = MOODS_PER_DAY,
    ) -> None:
        """*per_day*: how often one user may log something, the same again included; 0: without limit."""
        self._database = database
        self._limits = limits
        self._limit = Limit("moods", per_day, DAY_MS) if per_day else None
        self._queue = queue
        self._ring = ring
        self._clock = clock

    async def log(self, actor: Actor, command: MoodLog) -> Ok:
        """Queue a mood. The same id again is the same mood."""
        mood = self._check(actor, command)
        if self._limit is not None:
            await self._limits.take((self._limit, actor.user))
        await self._queue.add(mood)
        return Ok(id=mood.id, state="queued")

    async def log_all(self, actor: Actor, commands: Sequence[MoodLog]) -> list[Ok | Refusal]:
        """Queue each that is good, and say of each, in order, what became of it. Does not raise."""

        async def one(command: MoodLog) -> Ok | Refusal:
            try:
                return await self.log(actor, command)
            except Refusal as refusal:
                return refusal

        return list(await asyncio.gather(*map(one, commands)))

    async def saved(self, actor: Actor, ids: Sequence[str]) -> set[str]:
        """Those of *ids* that are on disk, as soon as all are, or after `SAVED_WITHIN_S`."""
        until = asyncio.get_running_loop().time() + SAVED_WITHIN_S
        looks = iter(LOOKS_S)
        pause = LOOKS_S[-1]
        while True:
            found = await are_saved(self._database, actor.user, ids)
            if len(found) == len(set(ids)) or asyncio.get_running_loop().time() >= until:
                return found
            await asyncio.sleep(next(looks, pause))

    async def find_patterns(self, user: str) -> None:
        """Have what goes with the moods of *user* found anew. Raises: Unavailable."""
        await self._queue.find_patterns(user)

    def _check(self, actor: Actor, command: MoodLog) -> QueuedMood:
        now_ms = self._clock()
        mood_id = command.id.lower()
        felt_ms = to_ms(command.felt_at) if command.felt_at is not None else now_ms
        check_felt_at(felt_ms, now_ms)
        day = local_date(felt_ms, command.timezone)
        point = place(command.mood, command.valence, command.arousal, VOCABULARY)
        if command.intensity is not None:
            check_intensity(command.intensity)
        if command.note:
            check_note(command.note)
        factors = clean_factors(command.factors or {})
        device_clock = from_ms(_device_ms(command, now_ms))
        return QueuedMood(
            id=mood_id,
            user=actor.user,
            mood=command.mood,
            valence=point.valence,
            arousal=point.arousal,
            intensity=command.intensity,
            note=self._ring.seal(command.note, *NOTE, mood_id) if command.note else None,
            tags=clean_tags(command.tags or ()),
            factors=msgspec.json.encode(factors).decode() if factors else None,
            visibility=command.visibility,
            felt_ms=felt_ms,
            timezone=command.timezone,
            day=day.toordinal(),
            is_timely=counts(day, zone(command.timezone), from_ms(now_ms), device_clock),
            received_ms=now_ms,
        )


def _device_ms(command: MoodLog, now_ms: int) -> int:
    """What the device took this moment for. Without `sent_at` only an id from the future gives a wrong clock away."""
    if command.sent_at is not None:
        return to_ms(command.sent_at)
    return max(now_ms, uuid7_ms(command.id)) if command.id[14] == "7" else now_ms
