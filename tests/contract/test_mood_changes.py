"""Editing and deleting moods, against real PostgreSQL: nothing is lost, doubled or told too early."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from msgspec.structs import asdict, replace

from domain.errors import Invalid, NotFound
from domain.times import from_ms, rfc3339
from domain.vocabulary import VOCABULARY
from hub.handlers.mood_changes import NOTE, MoodChangeHandlers
from hub.handlers.ports import Actor
from protocol.events import MoodDeleted, MoodSaved, Ok, StreakUpdated
from protocol.moods import Visibility
from protocol.rest_moods import MoodEdit
from storage.encryption import KeyRing
from storage.encryption_keys import EncryptionKey
from storage.mood_history import load_mood
from storage.postgres import Database
from storage.streak_book import rebuild_books
from tests.support.keys import KEY
from tests.support.moods import SeededMood, save_moods, seeded
from tests.support.people import NOW_MS, make_users
from tests.support.rest_server import Recorder

pytestmark = pytest.mark.contract

LATER_MS = NOW_MS + 60_000
DAY_MS = 86_400_000
OTHER_KEY = EncryptionKey("lost", b"32 bytes that this hub knows not")


class Stage:
    """What a hub has for changing moods; its clock stands still."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now_ms = LATER_MS
        self.keys = KeyRing([KEY])
        self.delivery = Recorder()
        self.changes = MoodChangeHandlers(database, self.keys, self.delivery, lambda: self.now_ms)

    async def mood(self, note: str | None = None, **fields: Any) -> SeededMood:
        """A mood of somebody new."""
        (user,) = await make_users(self.database, 1)
        mood = seeded(user, **fields)
        if note is not None:
            mood = replace(mood, note=self.keys.seal(note, *NOTE, mood.id))
        await save_moods(self.database, [mood])
        return mood

    async def logged(self, user: str, *days_ago: int) -> list[SeededMood]:
        """Moods of *user* on these days before `NOW_MS`, and a streak of them."""
        moods = [seeded(user, number - days * DAY_MS) for number, days in enumerate(days_ago)]
        await save_moods(self.database, moods)
        await rebuild_books(self.database, [user], from_ms(self.now_ms))
        return moods

    async def delete(self, mood: SeededMood) -> Ok:
        return await self.changes.delete(Actor(mood.user, "Ana"), mood.id)

    async def current(self, user: str) -> int:
        """The streak as it is stored."""
        found: int = await self.database.fetchval("select current from streaks where user_id = $1", user)
        return found

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
    mood = await stage.mood("first", mood="calm", valence=0.25, arousal=-0.5, tags=["work"], factors={"sleep": 7})
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


async def test_what_is_deleted_is_gone_but_its_id_stays_taken(stage: Stage) -> None:
    mood = await stage.mood("a note")
    first = await stage.delete(mood)
    stage.now_ms += 1_000
    assert await stage.delete(mood) == first
    assert (first.id, first.state, first.at) == (mood.id, "deleted", rfc3339(LATER_MS))
    assert await stage.row(mood) is None
    assert await load_mood(stage.database, mood.user, mood.id) is None
    assert await stage.database.fetchval("select deleted_at from mood_ids where id = $1", mood.id) == from_ms(LATER_MS)
    assert stage.delivery.told == [([mood.user], MoodDeleted(id=mood.id))]
    with pytest.raises(NotFound):
        await stage.edit(mood, mood="sad")


async def test_a_date_counts_until_its_last_entry_is_deleted(stage: Stage) -> None:
    (ana,) = await make_users(stage.database, 1)
    first, second, *_ = await stage.logged(ana, 0, 0, 1, 2)
    (late,) = moods = [seeded(ana, 5, in_streak=False)]
    await save_moods(stage.database, moods)
    assert await stage.current(ana) == 3
    await stage.delete(first)
    assert stage.delivery.told == [([ana], MoodDeleted(id=first.id))]
    assert await stage.current(ana) == 3
    await stage.delete(second)
    today = second.local_date.isoformat()
    updated = StreakUpdated(current=2, longest=2, freezes=0, at_risk=True, date=today)
    assert stage.delivery.told[1:] == [([ana], MoodDeleted(id=second.id)), ([ana], updated)]
    assert await stage.current(ana) == 2
    await stage.delete(late)
    assert stage.delivery.told[3:] == [([ana], MoodDeleted(id=late.id))]


async def test_deleting_many_times_at_once_is_deleting_once(stage: Stage) -> None:
    mood = await stage.mood()
    replies = await asyncio.gather(*(stage.delete(mood) for _ in range(8)))
    assert replies[1:] == replies[:-1]
    assert stage.delivery.told == [([mood.user], MoodDeleted(id=mood.id))]


async def test_the_last_entries_of_a_date_may_be_deleted_at_once(stage: Stage) -> None:
    for _ in range(20):
        (ana,) = await make_users(stage.database, 1)
        today, again, _yesterday = await stage.logged(ana, 0, 0, 1)
        await asyncio.gather(stage.delete(today), stage.delete(again))
        assert await stage.current(ana) == 1


async def test_an_edit_never_brings_back_what_is_deleted(stage: Stage) -> None:
    for _ in range(20):
        mood = await stage.mood()
        edits = [
            stage.changes.edit(Actor(mood.user, "Ana"), mood.id, MoodEdit(intensity=number / 4)) for number in range(4)
        ]
        found = await asyncio.gather(*edits[:2], stage.delete(mood), *edits[2:], return_exceptions=True)
        assert all(isinstance(each, NotFound) for each in found if isinstance(each, Exception))
        assert await stage.row(mood) is None


async def test_a_streak_that_cannot_be_kept_keeps_the_mood(stage: Stage) -> None:
    (ana,) = await make_users(stage.database, 1)
    (mood,) = await stage.logged(ana, 0)
    await stage.database.execute("alter table streaks add constraint never_ends check (current > 0)")
    with pytest.raises(asyncpg.CheckViolationError):
        await stage.delete(mood)
    assert await stage.row(mood) is not None
    assert await stage.database.fetchval("select deleted_at from mood_ids where id = $1", mood.id) is None
    assert stage.delivery.told == []


async def test_a_deletion_that_waits_for_the_streak_keeps_nobody_waiting_who_logs(stage: Stage) -> None:
    (ana,) = await make_users(stage.database, 1)
    (mood,) = await stage.logged(ana, 0)
    async with stage.database.transaction() as connection:
        await connection.execute("select from streaks where user_id = $1 for update", ana)
        deletion = asyncio.create_task(stage.delete(mood))
        while not await stage.database.fetchval("select exists (select from pg_locks where not granted)"):
            assert not deletion.done()
        stored = await stage.database.execute(
            "insert into mood_ids (id, user_id, felt_at) values ($1, $2, $3) on conflict do nothing",
            mood.id,
            ana,
            mood.felt_at,
        )
        assert stored == "INSERT 0 0"
        assert not deletion.done()
    assert (await deletion).state == "deleted"
