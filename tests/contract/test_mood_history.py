"""The history of moods against real PostgreSQL: every page of every question held against a plain list, and who sees what."""

import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from domain.moods import AHEAD_MAX
from domain.privacy import Audience, Privacy, Relation, may_see_moods
from domain.times import from_ms
from storage.mood_history import (
    AGES,
    REACHES,
    SHARED_REACHES,
    MoodPosition,
    MoodRecord,
    WantedMoods,
    load_mood,
    load_moods_of,
    load_own_moods,
    load_shared_moods,
)
from storage.postgres import Database
from storage.privacy import save_privacy
from tests.support.months_read import walk_of
from tests.support.moods import SeededMood, felt, make_months, month_of, save_moods, seeded
from tests.support.people import NOW_MS, befriend, make_users

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)
DAY_MS = 86_400_000
NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"

Load = Callable[[WantedMoods, int], Awaitable[Sequence[MoodRecord]]]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def follow(database: Database, user: str, other: str) -> None:
    await database.execute("insert into follows (user_id, followed_id, created_at) values ($1, $2, now())", user, other)


async def block(database: Database, user: str, other: str) -> None:
    await database.execute("insert into blocks (user_id, blocked_id, created_at) values ($1, $2, now())", user, other)


async def let_see_moods(database: Database, user: str, audience: Audience) -> None:
    await save_privacy(database, user, {"who_sees_moods": audience})


def crowded(users: Sequence[str], count: int, dice: random.Random) -> list[SeededMood]:
    """At crowded times over three months: several a moment, so that order by time alone would not do."""
    times = [-round(dice.triangular(0, 90 * DAY_MS, 0)) for _ in range(count // 3)]
    return [
        seeded(
            dice.choice(users),
            dice.choice(times),
            mood=dice.choice(["calm", "Calm", "angry"]),
            tags=dice.sample(["work", "sport", "sun"], dice.randint(0, 2)),
            visibility=dice.choice(["private", "friends", "public"]),
        )
        for _ in range(count)
    ]


def expected(moods: Sequence[SeededMood], wanted: WantedMoods) -> list[str]:
    """The ids of those of *moods* that are wanted, in order."""
    return [
        mood.id
        for mood in sorted(moods, key=lambda mood: (mood.felt_at, mood.id), reverse=True)
        if (wanted.since is None or mood.felt_at >= wanted.since)
        and (wanted.until is None or mood.felt_at < wanted.until)
        and (wanted.mood is None or mood.mood.lower() == wanted.mood.lower())
        and (wanted.tag is None or wanted.tag in mood.tags)
    ]


async def pages(load: Load, wanted: WantedMoods, size: int) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    while True:
        records = await load(wanted, size + 1)
        found += [record.id for record in records[:size]]
        if len(records) <= size:
            return found
        wanted = replace(wanted, position=records[size - 1].position)


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_page_of_every_question(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    ana, ben, cem, dee = await make_users(database, 4)
    await befriend(database, [ana, ben])
    await follow(database, ana, cem)
    for user in (ana, ben, cem, dee):
        await let_see_moods(database, user, Audience.EVERYONE)
    moods = crowded([ana, ben, cem, dee], 240, dice)
    await save_moods(database, moods)

    of_ben = [mood for mood in moods if mood.user == ben and mood.visibility != "private"]
    of_cem = [mood for mood in moods if mood.user == cem and mood.visibility == "public"]
    cases: list[tuple[Load, Sequence[SeededMood], bool]] = [
        (lambda wanted, n: load_own_moods(database, ana, wanted, n, NOW), [m for m in moods if m.user == ana], True),
        (lambda wanted, n: load_moods_of(database, ana, ben, wanted, n, NOW), of_ben, False),
        (lambda wanted, n: load_moods_of(database, ana, cem, wanted, n, NOW), of_cem, False),
        (lambda wanted, n: load_shared_moods(database, ana, wanted, n, NOW), [*of_ben, *of_cem], False),
    ]
    edges = [mood.felt_at for mood in dice.sample(moods, 2)]
    for load, visible, is_own in cases:
        assert len(visible) > 5
        for wanted in [
            WantedMoods(),
            WantedMoods(mood="CALM"),
            WantedMoods(since=min(edges), until=max(edges)),
            WantedMoods(since=max(edges), mood="angry"),
            WantedMoods(until=min(edges)),
            WantedMoods(since=NOW),
            *([WantedMoods(tag="sun", since=min(edges))] if is_own else []),
        ]:
            for size in (1, 3, 100):
                assert await pages(load, wanted, size) == expected(visible, wanted)


async def test_what_comes_or_goes_between_pages_does_not_move_them(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    moods = [seeded(ana, -hour * 3_600_000) for hour in range(20)]
    await save_moods(database, moods)
    first = await load_own_moods(database, ana, WantedMoods(), 8, NOW)
    await save_moods(database, [seeded(ana, 1_000)])
    await database.execute("delete from moods where id = $1", first[-1].id)
    rest = await load_own_moods(database, ana, WantedMoods(position=first[-1].position), 100, NOW)
    assert [record.id for record in [*first, *rest]] == [mood.id for mood in moods]


async def test_others_learn_neither_note_nor_tags_nor_where_and_when_exactly_one_is(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    await let_see_moods(database, ana, Audience.FRIENDS)
    mood = seeded(
        ana, note=b"sealed", tags=["doctor"], factors={"pills": 2}, timezone="Asia/Tokyo", visibility="friends"
    )
    await save_moods(database, [mood])
    own = await load_mood(database, ana, mood.id)
    assert own is not None
    assert own.own is not None
    assert (own.own.note, own.own.tags, own.own.factors) == (b"sealed", ["doctor"], {"pills": 2})
    assert (own.own.timezone, own.own.local_date, own.own.in_streak) == ("Asia/Tokyo", mood.local_date, True)
    assert own.name is None
    for record in [
        await load_mood(database, ben, mood.id),
        *await load_moods_of(database, ben, ana, WantedMoods(), 10, NOW),
        *await load_shared_moods(database, ben, WantedMoods(), 10, NOW),
    ]:
        assert record == replace(own, own=None, name="Ana")


async def test_who_sees_what_in_every_situation(database: Database) -> None:
    """All combinations of friendship, follow, block, choice and visibility, against the rule of the domain."""
    situations = list(
        itertools.product(
            ["none", "friends", "requested"],
            [False, True],
            ["none", "by asker", "by owner"],
            [None, *Audience],
        )
    )
    (ana,), owners = await make_users(database, 1), await make_users(database, len(situations))
    moods: list[SeededMood] = []
    seen: set[str] = set()
    shared: set[str] = set()
    for owner, (friendship, is_following, blocked, audience) in zip(owners, situations, strict=True):
        await befriend(database, [ana, owner] if friendship != "none" else [])
        if friendship == "requested":
            await database.execute("update friendships set state = 'requested' where $1 in (low_id, high_id)", owner)
        if is_following:
            await follow(database, ana, owner)
        if blocked != "none":
            await block(database, *([ana, owner] if blocked == "by asker" else [owner, ana]))
        if audience is not None:
            await let_see_moods(database, owner, audience)
        relation = Relation(
            exists=True,
            is_friend=friendship == "friends",
            is_blocked=blocked != "none",
            privacy=Privacy(who_sees_moods=audience) if audience is not None else Privacy(),
        )
        for number, visibility in enumerate(["private", "friends", "public"]):
            mood = seeded(owner, -number, visibility=visibility)
            moods.append(mood)
            is_for_her = visibility == "public" or (visibility == "friends" and relation.is_friend)
            if is_for_her and may_see_moods(relation):
                seen.add(mood.id)
                if relation.is_friend or is_following:
                    shared.add(mood.id)
    await save_moods(database, moods)
    assert 0 < len(shared) < len(seen) < len(moods)
    assert {mood.id for mood in moods if await load_mood(database, ana, mood.id) is not None} == seen
    listed = [await load_moods_of(database, ana, owner, WantedMoods(), 10, NOW) for owner in owners]
    assert {record.id for records in listed for record in records} == seen
    assert set(await pages(lambda w, n: load_shared_moods(database, ana, w, n, NOW), WantedMoods(), 7)) == shared


async def test_who_is_gone_is_not_there(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    await let_see_moods(database, ben, Audience.EVERYONE)
    mood = seeded(ben, visibility="public")
    await save_moods(database, [mood])
    assert await load_mood(database, ana, mood.id) is not None
    await database.execute("update users set deleted_at = now() where id = $1", ben)
    assert await load_mood(database, ana, mood.id) is None
    assert await load_moods_of(database, ana, ben, WantedMoods(), 10, NOW) == []
    assert await load_moods_of(database, ana, NOBODY, WantedMoods(), 10, NOW) == []
    assert await load_shared_moods(database, ana, WantedMoods(), 10, NOW) == []


async def test_a_month_out_of_retention_has_no_moods(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    old, young = seeded(ana, -40 * DAY_MS), seeded(ana)
    await save_moods(database, [old, young])
    await database.execute(f"drop table {month_of(old.felt_at)}")
    assert [mood.id for mood in await load_own_moods(database, ana, WantedMoods(), 10, NOW)] == [young.id]
    assert await load_mood(database, ana, old.id) is None


@pytest.mark.parametrize("is_first", [True, False])
async def test_times_at_the_ends_of_the_calendar(database: Database, *, is_first: bool) -> None:
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    await let_see_moods(database, ben, Audience.FRIENDS)
    await save_moods(database, [seeded(ana), seeded(ben, visibility="friends")])
    for hours in (-14, 0, 14):
        edge = datetime(
            *(1, 1, 1) if is_first else (9999, 12, 31), 23 * (not is_first), tzinfo=timezone(timedelta(hours=hours))
        )
        for wanted in (
            WantedMoods(since=edge),
            WantedMoods(until=edge),
            WantedMoods(position=MoodPosition(edge, NOBODY)),
        ):
            is_all = is_first == (wanted.since is not None)
            assert len(await load_own_moods(database, ana, wanted, 10, NOW)) == is_all
            assert len(await load_shared_moods(database, ana, wanted, 10, NOW)) == is_all


async def test_moods_of_every_age_are_found(database: Database) -> None:
    """On both sides of every reach into the past, and as far ahead as clocks may be."""
    ana, ben = await make_users(database, 2)
    await befriend(database, [ana, ben])
    await let_see_moods(database, ben, Audience.FRIENDS)
    second = timedelta(seconds=1)
    reaches = {*REACHES, *SHARED_REACHES} - {AGES}
    ages = [reach + step for reach in reaches for step in (-second, timedelta(0), second)]
    ages += [-AHEAD_MAX, timedelta(days=2_000)]
    moods = [felt(ben, NOW - age, visibility="public") for age in ages]
    await save_moods(database, moods)
    loads: list[Load] = [
        lambda wanted, n: load_own_moods(database, ben, wanted, n, NOW),
        lambda wanted, n: load_moods_of(database, ana, ben, wanted, n, NOW),
        lambda wanted, n: load_shared_moods(database, ana, wanted, n, NOW),
    ]
    for load in loads:
        for size in (1, 4, 50):
            assert await pages(load, WantedMoods(), size) == expected(moods, WantedMoods())


async def test_ten_years_of_moods_are_not_read_for_a_page(database: Database) -> None:
    ana, ben, cem = await make_users(database, 3)
    await befriend(database, [ana, ben])
    await befriend(database, [ana, cem])
    for user in (ben, cem):
        await let_see_moods(database, user, Audience.FRIENDS)
    start = NOW - timedelta(days=3_650)
    await make_months(database, start, NOW)
    await database.execute(
        """
        insert into moods (user_id, felt_at, id, mood, valence, arousal, visibility, timezone, local_date, in_streak, received_at)
        select u, at, gen_random_uuid(), 'calm', 0.5, -0.5, case when u = $2 then 'friends' else 'private' end,
               'UTC', at::date, true, at
        from unnest($1::uuid[]) u, generate_series($3::timestamptz, $4, interval '2 hours') at
        """,
        [ana, ben, cem],
        ben,
        start,
        NOW,
    )
    mine, bens = moods = [
        felt(ana, start + timedelta(days=45)),
        felt(ben, start + timedelta(days=45), visibility="friends"),
    ]
    await save_moods(database, moods)
    await database.execute("analyze moods")
    for wanted in (
        WantedMoods(until=NOW),
        WantedMoods(position=MoodPosition(start + timedelta(days=1_800), NOBODY)),
    ):
        own = await walk_of(database, lambda spy, w=wanted: load_own_moods(spy, ana, w, 51, NOW))
        others = await walk_of(database, lambda spy, w=wanted: load_moods_of(spy, ana, ben, w, 51, NOW))
        shared = await walk_of(database, lambda spy, w=wanted: load_shared_moods(spy, ana, w, 51, NOW))
        one = await walk_of(database, lambda spy: load_mood(spy, ana, mine.id))
        theirs = await walk_of(database, lambda spy: load_mood(spy, ana, bens.id))
        for walk in (own, others, shared, one, theirs):
            assert walk.scans == {"Index Scan"}
            assert len(walk.months) <= 3
            assert len(walk.planned) <= 4, "with those of ten years, planning takes longer than the rest"
            assert walk.rows <= 2 * 51
        assert all(index.endswith("_pkey") for index in own.indexes)
        assert not any(index.endswith("_pkey") for index in shared.indexes), "what is private is passed over"
