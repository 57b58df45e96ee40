"""Finding people against a real PostgreSQL: beginnings first, then what is spelt alike, each once, at a bounded cost."""

import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from domain.ids import uuid7
from storage import search
from storage.postgres import Database
from storage.profiles import save_profile
from storage.search import BEGINNINGS_SCANNED, SIMILAR_SCANNED, SearchPosition, search_profiles
from tests.support.people import NOW_MS, befriend, make_users

pytestmark = pytest.mark.contract

READ_MAX = 5 * SIMILAR_SCANNED  # of 20,000 rows


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, max_size=2) as database:
        yield database


@pytest.fixture
async def asker(database: Database) -> str:
    return await person(database, "Zzyzx")


async def person(database: Database, name: str, username: str | None = None) -> str:
    user = uuid7(NOW_MS)
    await database.execute(
        "insert into users (id, username, is_anonymous, created_at) values ($1, $2, true, now())", user, username
    )
    await database.execute("insert into profiles (user_id, display_name) values ($1, $2)", user, name)
    return user


async def found(database: Database, asker: str, text: str, limit: int = 20) -> list[str]:
    """Everybody, by pages; through the cursor as clients get it."""
    users: list[str] = []
    after: SearchPosition | None = None
    while True:
        page = await search_profiles(database, asker, text, after, limit)
        users += [profile.user for profile in page.profiles]
        assert len(page.profiles) <= limit
        if page.following is None:
            return users
        after = msgspec.json.decode(msgspec.json.encode(page.following), type=SearchPosition)


async def test_a_new_name_is_found(database: Database, asker: str) -> None:
    user = await person(database, "Ana")
    await save_profile(database, user, "Ünal", None, keep_about=True)
    assert await found(database, asker, "ÜN") == [user]
    assert await found(database, asker, "ana") == []


async def test_beginnings_come_before_what_is_spelt_alike(database: Database, asker: str) -> None:
    ana = await person(database, "Ana")
    lopez = await person(database, "Ana López", "lopez")
    exact = await person(database, "Anna Bolt")
    by_username = await person(database, "Somebody Else", "anna.b")
    inside = await person(database, "Maria Anna")
    await person(database, "Bert")
    assert await found(database, asker, "Anna") == [exact, by_username, inside, *sorted([ana, lopez])]
    assert await found(database, asker, "lopes") == [lopez]
    assert await found(database, asker, "ann") == [exact, by_username], "too short for guesses"


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
async def test_pages_show_everybody_once_also_among_equals(database: Database, asker: str, limit: int) -> None:
    alike = [await person(database, "Ana") for _ in range(10)]
    both = [await person(database, "Anna", f"anna{number}") for number in range(10)]
    names = [await person(database, f"Anna {number}", f"user{number}") for number in range(5)]
    users = await found(database, asker, "anna", limit)
    assert len(users) == len(set(users)) == 25
    assert set(users[:15]) == {*both, *names}
    assert users[15:] == sorted(alike)


async def test_crowds_of_hidden_people_cost_pages_but_hide_nobody(database: Database, asker: str) -> None:
    hidden = await make_users(database, BEGINNINGS_SCANNED + 20)
    await database.execute("update profiles set display_name = 'Anna' where user_id = any($1)", hidden)
    await database.execute(
        "insert into privacy (user_id, who_may_hug, who_sees_online, who_finds, who_befriends)"
        " select u, 'nobody', 'nobody', 'nobody', 'nobody' from unnest($1::uuid[]) u",
        hidden,
    )
    last = await person(database, "Anna Z")
    assert await found(database, asker, "anna") == [last]


async def test_only_who_may_be_found_is(database: Database, asker: str) -> None:
    open_, friend, stranger, hidden, blocker, blocked, gone = [await person(database, "Anna") for _ in range(7)]
    await befriend(database, [asker, friend])
    for user, audience in ((friend, "friends"), (stranger, "friends"), (hidden, "nobody")):
        await database.execute(
            "insert into privacy (user_id, who_may_hug, who_sees_online, who_finds, who_befriends)"
            " values ($1, 'nobody', 'nobody', $2, 'nobody')",
            user,
            audience,
        )
    await database.execute(
        "insert into blocks (user_id, blocked_id, created_at) values ($1, $2, now()), ($2, $3, now())",
        blocker,
        asker,
        blocked,
    )
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    for text in ("anna", "hanna", "an"):
        assert await found(database, asker, text) == sorted([open_, friend]), text


async def test_hostile_texts_find_nothing_and_harm_nothing(database: Database, asker: str) -> None:
    user = await person(database, "50%_\\ off", "anna")
    for text in ("%", "%%", "__", "\\", "\\\\", "'; drop table users; --", "a" * 64, "\U0010ffff\U0010ffff", "an" * 32):
        assert user not in await found(database, asker, text)
    assert await found(database, asker, "50%_\\") == [user]
    for cursor in (SearchPosition(key="zzz"), SearchPosition(key="\U0010ffff", user=user), SearchPosition(score=0)):
        assert (await search_profiles(database, asker, "ann", cursor, 5)).profiles in ([], [])


async def test_any_text_is_looked_for_by_index_and_only_so_far(database: Database, asker: str) -> None:
    """The plans, not the clock: whatever the text, only a small part of each table is read."""
    await database.execute(
        "insert into users (id, username, created_at)"
        " select gen_random_uuid(), (array['anna', 'mari', 'johan'])[1 + n % 3] || n, now() from generate_series(1, 20000) n"
    )
    await database.execute(
        "insert into profiles select id, initcap(username) || left(md5(username), 9) from users where username is not null"
    )
    await database.execute("vacuum analyze users, profiles")
    dice = random.Random(5)
    parts = ["an", "na", "mari", "a", " ", "joh", "nn", "1"]
    texts = [
        "anna",
        "ana",
        "mariana",
        "aaaaaaaa",
        *("".join(dice.choices(parts, k=dice.randint(2, 20)))[:64] for _ in range(20)),
    ]
    for text in texts:
        for sql, rest in ((search._BEGINNINGS, "null, null, 100"), (search._SIMILAR, "null, null, 20")):
            statement = f"explain (analyze, format json) execute asked('{asker}', '{text}', {rest})"
            async with database.transaction() as connection:
                await connection.execute(f"prepare asked as {sql}")
                plan = msgspec.json.decode(await connection.fetchval(statement))
                await connection.execute("deallocate asked")
            for node in nodes(plan[0]["Plan"]):
                if node.get("Relation Name") in {"users", "profiles"}:
                    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
                    assert node["Actual Rows"] + removed <= READ_MAX, (text, node)


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]
