"""What people do with moods that are stored: edit and delete them. One transaction each.

Invariant: the devices of the owner are told only after the transaction has committed; the same again changes nothing,
tells nobody and gets the same answer.
"""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.mood_edits import place_after
from domain.moods import check_intensity, check_note, clean_factors, clean_tags
from domain.times import from_ms, rfc3339
from domain.vocabulary import VOCABULARY, Point
from hub.handlers.moods import NOTE
from hub.handlers.ports import Actor, Delivery
from protocol.events import Message, MoodDeleted, MoodSaved, Ok
from protocol.moods import Visibility
from protocol.parts import UserRef
from protocol.rest_moods import Mood, MoodEdit
from storage.encryption import KeyRing, Unreadable
from storage.hugs import SOMEONE
from storage.locked_moods import Content, locked_mood
from storage.mood_history import MoodRecord, OwnPart, as_said
from storage.postgres import Database
from storage.streak_book import streak_updated

T = TypeVar("T")

log = logging.getLogger("hugmood.moods")


class MoodChangeHandlers:
    """Editing and deleting, and how a stored mood is told."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        delivery: Delivery,
        clock: Callable[[], int],
        vocabulary: Mapping[str, Point] = VOCABULARY,
    ) -> None:
        self._database = database
        self._keys = keys
        self._delivery = delivery
        self._clock = clock
        self._vocabulary = vocabulary

    async def edit(self, actor: Actor, mood: str, edit: MoodEdit) -> Mood:
        """Change what *edit* names, leave the rest; returns the whole. Raises: Refusal."""
        async with locked_mood(self._database, actor.user, mood) as locked:
            record = await locked.load()
            before = _content(record)
            after = self._edited(record, before, edit)
            if after != before:
                record = await locked.save(after, from_ms(self._clock()))
        if after != before:
            self._delivery.tell([actor.user], MoodSaved(id=mood), actor.session)
        return self.show(record)

    async def delete(self, actor: Actor, mood: str) -> Ok:
        """It is no more, and its date counts no more if it was the last one there; its id stays taken. Raises: Refusal."""
        events: list[Message] = []
        async with locked_mood(self._database, actor.user, mood) as locked:
            deleted_ms = locked.deleted_ms
            if deleted_ms is None:
                deleted_ms = self._clock()
                reckoning = await locked.delete(from_ms(deleted_ms))
                events.append(MoodDeleted(id=mood))
                if reckoning is not None:
                    events.append(streak_updated(reckoning))
        for event in events:
            self._delivery.tell([actor.user], event, actor.session)
        return Ok(id=mood, state="deleted", at=rfc3339(deleted_ms))

    def show(self, record: MoodRecord) -> Mood:
        """*record* as it is told to whom it was read for."""
        shared = Mood(
            id=record.id,
            mood=record.mood,
            valence=record.valence,
            arousal=record.arousal,
            felt_at=rfc3339(record.felt_ms),
            visibility=Visibility(record.visibility),
            intensity=record.intensity,
        )
        own = record.own
        if own is None:
            return msgspec.structs.replace(shared, user=UserRef(record.user, record.name or SOMEONE))
        return msgspec.structs.replace(
            shared,
            local_date=own.local_date.isoformat(),
            timezone=own.timezone,
            note=self._note(record.id, own),
            tags=own.tags,
            factors=own.factors,
            in_streak=own.in_streak,
            edited_at=rfc3339(own.edited_ms) if own.edited_ms is not None else None,
        )

    def _note(self, mood: str, own: OwnPart) -> str | None:
        """The note; None too if it cannot be read, so that one of them does not take the whole history along."""
        if own.note is None:
            return None
        try:
            return self._keys.open(own.note, *NOTE, mood)
        except Unreadable as error:
            log.error("a note cannot be read", extra={"reason": str(error)})  # noqa: TRY400  nobody's code is wrong
            return None

    def _edited(self, record: MoodRecord, before: Content, edit: MoodEdit) -> Content:
        """*before* with what *edit* names. Raises: Invalid."""
        word = _or(edit.mood, before.mood)
        place = Point(before.valence, before.arousal)
        place = place_after(
            before.mood, place, word, _or(edit.valence, None), _or(edit.arousal, None), self._vocabulary
        )
        intensity = _or(edit.intensity, before.intensity)
        if intensity is not None:
            check_intensity(intensity)
        return Content(
            mood=word,
            valence=as_said(place.valence),
            arousal=as_said(place.arousal),
            intensity=as_said(intensity) if intensity is not None else None,
            note=before.note if edit.note is UNSET else self._sealed(record, edit.note or None),
            tags=before.tags if edit.tags is UNSET else clean_tags(edit.tags),
            factors=before.factors if edit.factors is UNSET else _encode(clean_factors(edit.factors)),
            visibility=before.visibility if edit.visibility is UNSET else edit.visibility.value,
        )

    def _sealed(self, record: MoodRecord, note: str | None) -> bytes | None:
        """The envelope that holds *note*: the old one if it does."""
        if note is None:
            return None
        check_note(note)
        own = _own(record)
        return own.note if note == self._note(record.id, own) else self._keys.seal(note, *NOTE, record.id)


def _content(record: MoodRecord) -> Content:
    own = _own(record)
    return Content(
        mood=record.mood,
        valence=record.valence,
        arousal=record.arousal,
        intensity=record.intensity,
        note=own.note,
        tags=own.tags,
        factors=_encode(own.factors),
        visibility=record.visibility,
    )


def _own(record: MoodRecord) -> OwnPart:
    if record.own is None:
        raise RuntimeError("a mood was locked for somebody else than its owner")
    return record.own


def _encode(factors: Mapping[str, float | bool]) -> str | None:
    return msgspec.json.encode(factors).decode() if factors else None


def _or(said: T | UnsetType, before: T) -> T:
    return before if isinstance(said, UnsetType) else said
