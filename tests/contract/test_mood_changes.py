"""Editing and deleting moods, against real PostgreSQL: nothing is lost, doubled or told too early."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from asyncpg.pool import PoolConnectionProxy
from msgspec.structs import asdict, replace

from domain.errors import Invalid, NotFound, Refusal
from domain.times import from_ms, rfc3339
from domain.vocabulary import VOCABULARY
from hub.handlers.mood_changes import NOTE, MoodChangeHandlers
from hub.handlers.ports import Actor
from protocol.events import MoodDeleted, MoodSaved
from protocol.moods import Visibility
from protocol.rest_moods import MoodEdit
from storage.encryption import KeyRing
from storage.encryption_keys import EncryptionKey
from storage.mood_history import load_mood
from storage.postgres import Database
from tests.support.keys import KEY
from tests.support.moods import SeededMood, save_moods, seeded
from tests.support.people import NOW_MS, make_users
from tests.support.rest_server import Recorder

pytestmark = pytest.mark.contract

LATER_MS = NOW_MS + 60_000
OTHER_KEY = EncryptionKey("lost", b"32 bytes that this hub knows not")


class Stage:
    """What a hub has for changing moods; `deletions` is what the streak was told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_ms = LATER_MS
        self.keys = KeyRing([KEY])
        self.delivery = Recorder()
        self.deletions: list[tuple[str, date]] = []
        self.changes = MoodChangeHandlers(database, self.keys, self.delivery, lambda: self.now_ms, self.on_deleted)

    async def on_deleted(self, connection: PoolConnectionProxy, user: str, day: date) -> None:
        assert connection.is_in_transaction()
        left = await connection.fetchval("select count(*) from moods where user_id = $1 and local_date = $2", user, day)
        self.deletions.append((user, day))
        self.left = left

    async def mood(self, note: str | None = None, **fields: Any) -> SeededMood:
        """A mood of somebody new."""
        (user,) = await make_users(self.database, 1)
        mood = seeded(user, **fields)
        if note is not None:
            mood = replace(mood, note=self.keys.seal(note, *NOTE, mood.id))
        await save_moods(self.database, [mood])
        return mood

    async def edit(self, mood: SeededMood, /, **edit: Any) -> dict[str, Any]:
        """What is answered, as a client gets it."""
        shown = await self.changes.edit(Actor(mood.user, "Ana", "session"), mood.id, MoodEdit(**edit))
        return asdict(shown)

    async def row(self, mood: SeededMood) -> dict[str, Any] | None:
        row = await self.database.fetchrow("select * from moods where id = $1", mood.id)
        return dict(row) if row is not None else None


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    async with Database(database_url) as database:
        yield Stage(database)


async def test_what_is_left_out_stays_and_null_takes_away(stage: Stage) -> None:
    """Many random edits, held against a plain dictionary."""
    dice = random.Random(7)
    mood = await stage.mood("first", mood="calm", valence=0.25, arousal=-0.5, tags=["work"], factors='{"sleep": 7}')
    model: dict[str, Any] = {
        "mood": "calm",
        "valence": 0.25,
        "arousal": -0.5,
        "intensity": None,
        "note": "first",
        "tags": ["work"],
        "factors": {"sleep": 7.0},
        "visibility": Visibility.PRIVATE,
    }
    choices: dict[str, list[Any]] = {
        "mood": ["happy", "Happy", "angry"],
        "valence": [-1.0, 0.33, 1.0],
        "arousal": [-0.1, 0.0, 0.7],
        "intensity": [None, 0.0, 0.9],
        "note": [None, "", "über 🌧", "x" * 2_000],
        "tags": [[], ["a", "b"], [" a ", "a"]],
        "factors": [{}, {"sleep": 8, "exercise": True}, {"exercise": False}],
        "visibility": list(Visibility),
    }
    edited = 0
    for _ in range(150):
        edit = {name: dice.choice(choices[name]) for name in dice.sample(list(choices), dice.randint(0, 3))}
        before = dict(model)
        model |= edit
        if edit.get("mood", model["mood"]).lower() != before["mood"].lower():
            point = VOCABULARY[edit["mood"].lower()]
            model["valence"] = edit.get("valence", point.valence)
            model["arousal"] = edit.get("arousal", point.arousal)
        model["note"] = model["note"] or None
        model["tags"] = list(dict.fromkeys(tag.strip() for tag in model["tags"]))
        told = len(stage.delivery.told)
        stage.now_ms += 1_000
        shown = await stage.edit(mood, **edit)
        assert {name: shown[name] for name in model} == model
        is_new = json.dumps(model, sort_keys=True) != json.dumps(before, sort_keys=True)
        assert len(stage.delivery.told) == told + is_new, "told when something has changed, and only then"
        if is_new:
            edited += 1
            assert shown["edited_at"] == rfc3339(stage.now_ms)
            assert stage.delivery.told[-1] == ([mood.user], MoodSaved(id=mood.id))
    assert 50 < edited < 150
    row = await stage.row(mood)
    assert row is not None
    assert (row["felt_at"], row["local_date"], row["timezone"]) == (mood.felt_at, mood.local_date, "UTC")
    assert row["edited_at"] is not None


async def test_a_note_is_sealed_and_otherwise_left_alone(stage: Stage) -> None:
    mood = await stage.mood()
    await stage.edit(mood, note="secret words")
    row = await stage.row(mood)
    assert row is not None
    assert b"secret" not in row["note"]
    assert stage.keys.open(row["note"], "moods", "note", mood.id) == "secret words"
    await stage.edit(mood, intensity=0.5, note="secret words")
    again = await stage.row(mood)
    assert again is not None
    assert (again["note"], again["intensity"]) == (row["note"], 0.5)


async def test_a_note_under_a_key_that_is_lost_takes_nothing_along(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    mood = await stage.mood()
    envelope = KeyRing([OTHER_KEY]).seal("secret", *NOTE, mood.id)
    await stage.database.execute("update moods set note = $2 where id = $1", mood.id, envelope)
    shown = await stage.edit(mood, intensity=0.5)
    assert (shown["note"], shown["intensity"]) == (None, 0.5)
    row = await stage.row(mood)
    assert row is not None
    assert row["note"] == envelope, "another key may still open it"
    assert mood.id in str([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize(
    "edit",
    [
        {"mood": "zen"},
        {"mood": "zen", "valence": 0.5},
        {"note": "🌧" * 2_001},
        {"tags": [" "]},
        {"factors": {"sleep": float("nan")}},
        {"valence": float("nan")},
        {"intensity": 1.5},
    ],
)
async def test_an_edit_against_the_rules_changes_nothing(stage: Stage, edit: dict[str, Any]) -> None:
    mood = await stage.mood("a note")
    before = await stage.row(mood)
    with pytest.raises(Invalid):
        await stage.edit(mood, **{"visibility": Visibility.PUBLIC, **edit})
    assert await stage.row(mood) == before
    assert stage.delivery.told == []


async def test_words_of_ones_own_need_a_place(stage: Stage) -> None:
    mood = await stage.mood(mood="calm")
    shown = await stage.edit(mood, mood="zen", valence=0.5, arousal=-0.25)
    assert (shown["mood"], shown["valence"], shown["arousal"]) == ("zen", 0.5, -0.25)
    assert (await stage.edit(mood, mood="Zen"))["valence"] == 0.5


async def test_what_is_not_ones_own_is_not_there(stage: Stage) -> None:
    mine, others = await stage.mood(), await stage.mood(visibility="public")
    actor = Actor(mine.user, "Ana")
    gone = await stage.mood()
    await stage.database.execute("delete from moods where id = $1", gone.id)  # with its month
    messages = set()
    for user, mood in ((actor, others.id), (actor, seeded(mine.user).id), (Actor(gone.user, "Ana"), gone.id)):
        for work in (stage.changes.edit(user, mood, MoodEdit(mood="sad")), stage.changes.delete(user, mood)):
            with pytest.raises(NotFound) as refused:
                await work
            messages.add(str(refused.value))
    assert messages == {"No such mood."}
    assert await stage.row(others) is not None
    assert stage.delivery.told == []
    assert stage.deletions == []


async def test_what_is_deleted_is_gone_but_its_id_stays_taken(stage: Stage) -> None:
    mood = await stage.mood("a note")
    actor = Actor(mood.user, "Ana")
    first = await stage.changes.delete(actor, mood.id)
    stage.now_ms += 1_000
    assert await stage.changes.delete(actor, mood.id) == first
    assert (first.id, first.state, first.at) == (mood.id, "deleted", rfc3339(LATER_MS))
    assert await stage.row(mood) is None
    assert await load_mood(stage.database, mood.user, mood.id) is None
    assert await stage.database.fetchval("select deleted_at from mood_ids where id = $1", mood.id) == from_ms(LATER_MS)
    assert stage.delivery.told == [([mood.user], MoodDeleted(id=mood.id))]
    assert stage.deletions == [(mood.user, mood.local_date)]
    assert stage.left == 0, "the streak is reckoned without the entry"
    with pytest.raises(NotFound):
        await stage.edit(mood, mood="sad")


async def test_what_did_not_count_is_no_matter_of_the_streak(stage: Stage) -> None:
    mood = await stage.mood(in_streak=False)
    await stage.changes.delete(Actor(mood.user, "Ana"), mood.id)
    assert stage.deletions == []


async def test_deleting_many_times_at_once_is_deleting_once(stage: Stage) -> None:
    mood = await stage.mood()
    actor = Actor(mood.user, "Ana")
    replies = await asyncio.gather(*(stage.changes.delete(actor, mood.id) for _ in range(8)))
    assert replies[1:] == replies[:-1]
    assert len(stage.delivery.told) == len(stage.deletions) == 1


async def test_an_edit_never_brings_back_what_is_deleted(stage: Stage) -> None:
    for _ in range(20):
        mood = await stage.mood()
        actor = Actor(mood.user, "Ana")
        edits = [stage.changes.edit(actor, mood.id, MoodEdit(intensity=number / 4)) for number in range(4)]
        found = await asyncio.gather(
            *edits[:2], stage.changes.delete(actor, mood.id), *edits[2:], return_exceptions=True
        )
        assert all(isinstance(each, NotFound) for each in found if isinstance(each, Exception))
        assert await stage.row(mood) is None


async def test_a_streak_that_cannot_be_kept_keeps_the_mood(stage: Stage) -> None:
    mood = await stage.mood()

    async def refuse(_connection: PoolConnectionProxy, _user: str, _day: date) -> None:
        raise Refusal("not now")

    changes = MoodChangeHandlers(stage.database, stage.keys, stage.delivery, lambda: NOW_MS, refuse)
    with pytest.raises(Refusal, match="not now"):
        await changes.delete(Actor(mood.user, "Ana"), mood.id)
    assert await stage.row(mood) is not None
    assert await stage.database.fetchval("select deleted_at from mood_ids where id = $1", mood.id) is None
    assert stage.delivery.told == []


async def test_who_holds_the_streak_is_not_kept_waiting_by_a_deletion(stage: Stage) -> None:
    """Logging holds a streak and looks for ids; deleting holds an id and asks for the streak. Neither waits for ever."""
    mood = await stage.mood()
    waiting, may_go_on = asyncio.Event(), asyncio.Event()

    async def wait_for_the_streak(_connection: PoolConnectionProxy, _user: str, _day: date) -> None:
        waiting.set()
        await may_go_on.wait()

    changes = MoodChangeHandlers(stage.database, stage.keys, stage.delivery, lambda: NOW_MS, wait_for_the_streak)
    deletion = asyncio.create_task(changes.delete(Actor(mood.user, "Ana"), mood.id))
    await waiting.wait()
    stored = await stage.database.execute(
        "insert into mood_ids (id, user_id, felt_at) values ($1, $2, $3) on conflict do nothing",
        mood.id,
        mood.user,
        mood.felt_at,
    )
    assert stored == "INSERT 0 0"
    may_go_on.set()
    assert (await deletion).state == "deleted"
