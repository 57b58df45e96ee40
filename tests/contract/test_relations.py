"""What users are to each other, for whole batches, against real PostgreSQL."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.friendships import Friendship
from domain.ids import uuid7
from domain.privacy import Audience, Privacy, Relation
from domain.times import from_ms
from storage.pairs import locked_pair
from storage.postgres import Database
from storage.privacy import load_privacy, save_privacy
from storage.relations import load_relations
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def test_a_batch_comes_back_in_its_order(database: Database) -> None:
    ana, friend, asked, blocked, blocker, gone = users = await make_users(database, 6)
    for other, friendship in ((friend, Friendship.FRIENDS), (asked, Friendship.REQUESTED)):
        async with locked_pair(database, ana, other) as pair:
            await pair.save_friendship(friendship, from_ms(NOW_MS))
    for user, other in ((ana, blocked), (blocker, ana)):
        async with locked_pair(database, user, other) as pair:
            await pair.save_block(from_ms(NOW_MS))
    await database.execute("update users set deleted_at = now() where id = $1", gone)
    await save_privacy(database, friend, {"who_may_hug": Audience.NOBODY})

    nobody = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
    pairs = [(ana, other) for other in (nobody, blocker, friend, gone, asked, blocked, friend, ana)]
    assert await load_relations(database, pairs) == [
        Relation(exists=False),
        Relation(exists=True, is_blocked=True, name="Ana"),
        Relation(exists=True, is_friend=True, privacy=Privacy(who_may_hug=Audience.NOBODY), name="Ana"),
        Relation(exists=False),
        Relation(exists=True, name="Ana"),
        Relation(exists=True, is_blocked=True, name="Ana"),
        Relation(exists=True, is_friend=True, privacy=Privacy(who_may_hug=Audience.NOBODY), name="Ana"),
        Relation(exists=True, name="Ana"),
    ]
    mirrored = await load_relations(database, [(other, ana) for other in users[1:5]])
    assert [(relation.is_friend, relation.is_blocked) for relation in mirrored] == [
        (True, False),
        (False, False),
        (False, True),
        (False, True),
    ]
    assert await load_relations(database, []) == []


async def test_who_has_hugged_back_has_answered(database: Database) -> None:
    ana, bo, cleo = await make_users(database, 3)
    await database.execute(
        "insert into hugs (id, sender_id, recipient_id, seq, kind, at) values ($1, $2, $3, 1, 'warm', now())",
        uuid7(NOW_MS),
        ana,
        bo,
    )
    relations = await load_relations(database, [(bo, ana), (ana, bo), (cleo, ana), (bo, cleo)])
    assert [relation.has_answered for relation in relations] == [True, False, False, False]


async def test_privacy_is_kept_field_by_field(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    assert await load_privacy(database, ana) == Privacy()
    for field in msgspec.structs.fields(Privacy):
        for choice in Audience if field.type is Audience else (True, False):
            before = await load_privacy(database, ana)
            saved = await save_privacy(database, ana, {field.name: choice})
            assert saved == await load_privacy(database, ana)
            for other in Privacy.__struct_fields__:
                assert getattr(saved, other) is (choice if other == field.name else getattr(before, other))


async def test_several_choices_at_once_and_none_at_all(database: Database) -> None:
    ana, ben = await make_users(database, 2)
    chosen = {"who_may_ask": Audience.EVERYONE, "shares_receipts": False}
    assert await save_privacy(database, ana, chosen) == Privacy(**chosen)
    assert await save_privacy(database, ana, {}) == Privacy(**chosen) == await load_privacy(database, ana)
    assert await load_privacy(database, ben) == Privacy()
    with pytest.raises(TypeError):
        await save_privacy(database, ana, {"user_id": True})
