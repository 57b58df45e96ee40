"""What goes with moods, found in real PostgreSQL by the job, against a computation by pandas and scipy."""

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from deploy.demo.entries import DemoEntry, entries_of
from deploy.demo.people import person
from domain.times import from_ms, rfc3339
from protocol.rest_moods import MoodPatterns
from storage import mood_patterns
from storage.mood_patterns import load_patterns, save_patterns
from storage.postgres import Database
from tests.support.moods import NOW, SeededMood, felt, felt_ago, save_moods
from tests.support.people import NOW_MS, make_users
from workers.patterns import PatternCare

pytestmark = pytest.mark.contract

SEED = 11
Row = dict[str, Any]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


@pytest.fixture
def care(database: Database) -> PatternCare:
    return PatternCare(database, lambda: NOW_MS)


async def found_for(database: Database, care: PatternCare, user: str) -> MoodPatterns:
    await care.find(user)
    found = await load_patterns(database, user)
    assert found is not None
    return found


# Another way to the same result: frames of days, scipy's rho, t and correction.


async def expected_for(database: Database, user: str) -> list[Row]:
    """What should be told of *user*, by what is stored."""
    rows = await database.fetch("select * from moods where user_id = $1", user)
    frame = pd.DataFrame([dict(row) for row in rows])
    moods = frame.groupby("local_date")["valence"].mean()
    moods.index = pd.to_datetime(moods.index)
    kept = {("factor", name): column for name, column in by_factor(frame).items()}
    kept |= {("tag", name): column for name, column in by_tag(frame, moods.index).items()}
    tested = []
    for (kind, name), column in kept.items():
        paired = pd.concat([moods, column], axis=1, keys=["mood", "kept"]).dropna().astype(float).sort_index()
        if (row := examined_by_scipy(paired)) is not None:
            tested.append({"kind": kind, "name": name, **row})
    adjusted = stats.false_discovery_control([row["p"] for row in tested]) if tested else []
    return [row for row, q in zip(tested, adjusted, strict=True) if q <= 0.1 and abs(row["rho"]) >= 0.3]


def by_factor(frame: pd.DataFrame) -> dict[str, pd.Series]:
    told = frame[["local_date", "factors"]].dropna()
    wide = pd.json_normalize(told["factors"].map(msgspec.json.decode).tolist()).set_index(
        pd.to_datetime(told["local_date"])
    )
    return {name: wide[name].dropna().astype(float).groupby(level=0).mean() for name in wide}


def by_tag(frame: pd.DataFrame, days: pd.Index) -> dict[str, pd.Series]:
    tagged = frame[["local_date", "tags"]].explode("tags").dropna()
    table = pd.crosstab(pd.to_datetime(tagged["local_date"]), tagged["tags"]).reindex(days, fill_value=0)
    return {name: (table[name] > 0).astype(float) for name in table}


def examined_by_scipy(paired: pd.DataFrame) -> Row | None:
    n, values = len(paired), paired["kept"].value_counts()
    if n < 21 or len(values) < 2 or (len(values) == 2 and values.min() < 8):
        return None
    rho = stats.spearmanr(paired["mood"], paired["kept"]).statistic
    centred = [ranks - ranks.mean() for ranks in (stats.rankdata(paired[name]) for name in ("mood", "kept"))]
    after = [max(0, np.sum(each[1:] * each[:-1]) / np.sum(each**2) + 1 / n) for each in centred]
    n_eff = n * (1 - after[0] * after[1]) / (1 + after[0] * after[1])
    t = rho * np.sqrt((n_eff - 2) / (1 - rho**2))
    p = max(2 * stats.t.sf(abs(t), n_eff - 2), 2 / special.gamma(n_eff + 1))
    row = {"rho": rho, "days": n, "p": p, "strength": "pattern" if n >= 60 else "early_hint"}
    if set(values.index) == {0.0, 1.0}:
        means = paired.groupby("kept")["mood"].mean()
        row |= {"difference": means[1] - means[0], "days_with": values[1], "days_without": values[0]}
    return row


def comparable(rows: list[Row]) -> dict[tuple[str, str], Row]:
    rows = [{name: value for name, value in row.items() if name not in {"p", "sentence"}} for row in rows]
    return {(row.pop("kind"), row.pop("name")): row for row in rows}


def demo_mood(user: str, entry: DemoEntry) -> SeededMood:
    """*entry* as *user*'s."""
    return felt(
        user,
        from_ms(entry.felt_at_ms),
        valence=entry.valence,
        tags=entry.tags,
        factors=entry.factors,
        timezone=entry.timezone,
    )


@pytest.mark.parametrize("days", [30, 90, 380])
async def test_it_is_what_pandas_and_scipy_find(database: Database, care: PatternCare, days: int) -> None:
    users = await make_users(database, 8)
    people = [person(SEED, number) for number in range(len(users))]
    for user, who in zip(users, people, strict=True):
        await save_moods(database, [demo_mood(user, entry) for entry in entries_of(SEED, who, days, NOW_MS)])
    true = unrelated = 0
    for user, who in zip(users, people, strict=True):
        found = await found_for(database, care, user)
        told = comparable(msgspec.to_builtins(found.patterns))
        expected = comparable(await expected_for(database, user))
        assert told.keys() == expected.keys()
        for what, row in told.items():
            assert row == pytest.approx(expected[what], abs=1e-9), what
        names = {name for _, name in told}
        true, unrelated = true + len(names & who.effects.keys()), unrelated + len(names & who.unrelated)
        logged = await database.fetchval("select count(distinct local_date) from moods where user_id = $1", user)
        assert (found.days, found.needed, found.computed_at) == (logged, 21, rfc3339(NOW_MS))
    assert unrelated <= true / 5
    if days > 30:
        assert true >= 0.8 * sum(len(who.effects) for who in people)


def noise(n: int, seed: int = 1) -> list[float]:
    drawn = random.Random(seed)
    return [round(drawn.uniform(-1, 1), 2) for _ in range(n)]


@pytest.mark.parametrize(("n", "strength"), [(20, None), (21, "early_hint"), (59, "early_hint"), (60, "pattern")])
async def test_how_many_days_it_takes(database: Database, care: PatternCare, n: int, strength: str | None) -> None:
    (ana,) = await make_users(database, 1)
    await save_moods(
        database, [felt_ago(ana, ago, value, factors={"sleep": 7 + value}) for ago, value in enumerate(noise(n))]
    )
    found = await found_for(database, care, ana)
    assert [(each.name, each.strength, each.days) for each in found.patterns] == [("sleep", strength, n)] * bool(
        strength
    )
    assert (found.days, found.needed) == (n, 21)


@pytest.mark.parametrize(("yes", "is_told"), [(7, False), (8, True), (32, True), (33, False)])
async def test_a_tag_takes_eight_days_with_and_without(
    database: Database, care: PatternCare, yes: int, is_told: bool
) -> None:
    (ana,) = await make_users(database, 1)
    values = noise(40)
    least = sorted(values)[-yes]
    moods = [felt_ago(ana, ago, value, tags=["Café"] if value >= least else []) for ago, value in enumerate(values)]
    await save_moods(database, moods)
    told = (await found_for(database, care, ana)).patterns
    assert [(each.kind, each.days_with, each.days_without) for each in told] == [("tag", yes, 40 - yes)] * is_told
    assert all("“Café” goes with brighter moods: +" in each.sentence for each in told)


async def test_several_entries_of_a_day_are_one_day(database: Database, care: PatternCare) -> None:
    (ana,) = await make_users(database, 1)
    values = noise(25)
    for ago, value in enumerate(values):
        late = felt_ago(ana, ago, value)
        tags = ["evening"] if value > 0 else []
        early = felt(ana, late.felt_at - timedelta(hours=3), valence=value / 2, tags=tags, factors={"walk": value > 0})
        await save_moods(database, [late, early])
    found = await found_for(database, care, ana)
    assert found.days == 25
    assert {(each.name, each.days, each.days_with) for each in found.patterns} == {
        (name, 25, sum(value > 0 for value in values)) for name in ("walk", "evening")
    }
    above, below = ([0.75 * value for value in values if (value > 0) is is_above] for is_above in (True, False))
    difference = sum(above) / len(above) - sum(below) / len(below)
    assert [each.difference for each in found.patterns] == pytest.approx([difference] * 2, abs=1e-6)


async def test_another_users_days_are_never_mixed_in(database: Database, care: PatternCare) -> None:
    ana, ben, cleo = await make_users(database, 3)
    for user, sign in ((ana, 1), (ben, -1)):
        moods = [felt_ago(user, ago, value, factors={"sleep": sign * value}) for ago, value in enumerate(noise(40))]
        await save_moods(database, moods)
    rhos = [[each.rho for each in (await found_for(database, care, user)).patterns] for user in (ana, ben)]
    assert rhos == [[1.0], [-1.0]]
    assert (await found_for(database, care, cleo)).days == 0
    of_ana = await load_patterns(database, ana)
    assert of_ana is not None
    assert [each.rho for each in of_ana.patterns] == [1.0]


async def test_days_of_the_last_four_hundred_count(database: Database, care: PatternCare) -> None:
    (ana,) = await make_users(database, 1)
    old = [
        felt_ago(ana, ago, value, factors={"sleep": 7 + value}) for ago, value in enumerate(noise(430)) if ago >= 370
    ]
    await save_moods(database, old)
    found = await found_for(database, care, ana)
    assert found.days == 30
    assert [each.days for each in found.patterns] == [30]
    # Its date is the 400th back, though where it was felt that day had begun before UTC's.
    first = NOW - timedelta(days=399)
    await database.execute("delete from moods")
    await save_moods(database, [felt(ana, first - timedelta(hours=25), day=first.date())])
    assert (await found_for(database, care, ana)).days == 1


async def test_of_very_many_entries_the_newest_count(
    database: Database, care: PatternCare, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ana,) = await make_users(database, 1)
    moods = [felt_ago(ana, ago, value) for ago, value in enumerate(noise(10)) for _ in range(3)]
    await save_moods(database, moods)
    monkeypatch.setattr(mood_patterns, "ENTRIES_MAX", 30)
    assert (await found_for(database, care, ana)).days == 10
    for most in (29, 28, 27):  # the tenth day lacks something
        monkeypatch.setattr(mood_patterns, "ENTRIES_MAX", most)
        assert (await found_for(database, care, ana)).days == 9


async def test_the_newer_result_stays(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    results = [MoodPatterns(computed_at=None, days=days, needed=21, patterns=[]) for days in range(3)]
    for result, at in zip(results, (NOW, NOW - timedelta(seconds=1), NOW), strict=True):
        await save_patterns(database, ana, result, at)
        assert await load_patterns(database, ana) == (results[0] if result is not results[2] else results[2])
