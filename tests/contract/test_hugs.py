"""The history against real PostgreSQL: every page of every question, held against a plain list."""

import random
from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from domain.ids import uuid7
from domain.times import from_ms
from storage.hugs import HugRecord, Position, Wanted, load_hug, load_hugs
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def make_hugs(database: Database, users: list[str], count: int, dice: random.Random) -> list[dict[str, object]]:
    """Hugs at crowded times: several a millisecond, so that order by time alone would not do."""
    seqs = dict.fromkeys(users, 0)
    hugs: list[dict[str, object]] = []
    for number in range(count):
        sender, recipient = dice.sample(users, 2)
        seqs[recipient] += 1
        at_ms = NOW_MS + number // 4
        changed_ms = at_ms + dice.choice([0, 0, 50, 100])
        hug: dict[str, object] = {
            "id": uuid7(at_ms),
            "sender": sender,
            "recipient": recipient,
            "seq": seqs[recipient],
            "at_ms": at_ms,
            "changed_ms": changed_ms,
        }
        hugs.append(hug)
        await database.execute(
            "insert into hugs (id, sender_id, recipient_id, seq, kind, at, delivered_at)"
            " values ($1, $2, $3, $4, 'warm', $5, $6)",
            hug["id"],
            sender,
            recipient,
            hug["seq"],
            from_ms(at_ms),
            from_ms(changed_ms) if changed_ms > at_ms else None,
        )
    return hugs


async def pages(database: Database, wanted: Wanted, limit: int) -> list[HugRecord]:
    found: list[HugRecord] = []
    position: Position | None = Position()
    while position is not None:
        records, position = await load_hugs(database, wanted, position, limit)
        assert len(records) == limit or position is None
        assert len(records) <= limit
        found += records
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_every_page_of_every_question(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    users = await make_users(database, 3)
    hugs = await make_hugs(database, users, 60, dice)
    ana, ben = users[0], users[1]
    since_ms = NOW_MS + 60
    everything = Wanted(user=ana)
    for wanted in [
        everything,
        structs.replace(everything, sent=False),
        structs.replace(everything, received=False),
        structs.replace(everything, other=ben),
        structs.replace(everything, changed_since=from_ms(since_ms)),
        structs.replace(everything, received=False, other=ben, changed_since=from_ms(since_ms)),
    ]:
        expected = {
            hug["id"]
            for hug in hugs
            if ((wanted.sent and hug["sender"] == ana) or (wanted.received and hug["recipient"] == ana))
            and (wanted.other is None or wanted.other in {hug["sender"], hug["recipient"]})
            and (wanted.changed_since is None or int(str(hug["changed_ms"])) >= since_ms)
        }
        for limit in (1, 2, 7, 100):
            found = await pages(database, wanted, limit)
            assert len(found) == len(expected)
            assert {record.id for record in found} == expected
            times = [record.at_ms for record in found]
            assert times == sorted(times, reverse=True)


async def test_what_arrives_between_pages_does_not_move_them(database: Database) -> None:
    users = await make_users(database, 2)
    hugs = await make_hugs(database, users, 20, random.Random(5))
    ana = users[0]
    first, position = await load_hugs(database, Wanted(user=ana), Position(), 8)
    assert position is not None
    await database.execute(
        "insert into hugs (id, sender_id, recipient_id, seq, kind, at) values ($1, $2, $3, 1000, 'bear', now())",
        uuid7(NOW_MS + 10_000),
        users[1],
        ana,
    )
    rest, _ = await load_hugs(database, Wanted(user=ana), position, 100)
    assert len({record.id for record in [*first, *rest]}) == 20 == len(hugs)


async def test_one_hug_is_told_to_its_two_people(database: Database) -> None:
    ana, ben, eve = await make_users(database, 3)
    (hug,) = await make_hugs(database, [ana, ben], 1, random.Random(5))
    for user in (ana, ben):
        record = await load_hug(database, user, str(hug["id"]))
        assert record is not None
        assert record.id == hug["id"]
    assert await load_hug(database, eve, str(hug["id"])) is None


async def test_a_page_is_a_walk_along_an_index(database: Database) -> None:
    """However long the history: no sort of it, and no scan."""
    users = await make_users(database, 2)
    await database.execute(
        "insert into hugs (id, sender_id, recipient_id, seq, kind, at)"
        " select gen_random_uuid(), $1, $2, n, 'warm', now() from generate_series(1, 5000) n",
        *users,
    )
    await database.execute("analyze hugs")
    for column, other, order in (("sender_id", users[0], "id"), ("recipient_id", users[1], "seq")):
        plan = await database.fetch(
            f"explain select id from hugs where {column} = '{other}' order by {order} desc limit 51"  # noqa: S608
        )
        text = "\n".join(row[0] for row in plan)
        assert "Index" in text
        assert "Sort" not in text
