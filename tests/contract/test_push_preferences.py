"""Preferences, against real PostgreSQL: defaults, what differs from them, and two changes at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import time

import msgspec
import pytest

from domain.preferences import Category, Channel, Preferences, Preview
from domain.quiet_hours import QuietHours
from domain.times import from_ms
from storage.postgres import Database
from storage.push_preferences import change_preferences, load_preferences
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract

NOW = from_ms(NOW_MS)
CHOSEN = Preferences(
    switches={"email": True, "hugs.push": False},
    quiet_hours=QuietHours(time(22), time(7, 30), "Europe/Berlin"),
    preview=Preview.NAME,
    language="ar",
    streak_reminders=True,
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url) as database:
        yield database


async def test_each_has_their_own_and_the_others_the_defaults(database: Database) -> None:
    ana, ben, eve = await make_users(database, 3)
    assert await change_preferences(database, ben, lambda _: CHOSEN, NOW) == CHOSEN
    assert await load_preferences(database, [ana, ben, eve]) == {ana: Preferences(), ben: CHOSEN, eve: Preferences()}
    assert await load_preferences(database, []) == {}
    assert await change_preferences(database, ben, lambda _: Preferences(), NOW) == Preferences()
    assert await load_preferences(database, [ben]) == {ben: Preferences()}


async def test_what_is_as_by_default_is_not_stored(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    said = {"push": True, "email": False, "in_app": False, "groups.email": True, "groups.push": False}
    after = await change_preferences(database, ana, lambda _: Preferences(switches=said), NOW)
    assert after.switches == {"in_app": False, "groups.push": False}
    assert not after.wants(Category.GROUPS, Channel.PUSH)
    assert after == (await load_preferences(database, [ana]))[ana]


async def test_changes_at_once_are_all_kept(database: Database) -> None:
    (ana,) = await make_users(database, 1)
    names = [f"{category}.{channel}" for category in Category for channel in Channel]

    def switch_off(name: str, before: Preferences) -> Preferences:
        return msgspec.structs.replace(before, switches={**before.switches, name: False})

    await asyncio.gather(
        *(change_preferences(database, ana, lambda before, name=name: switch_off(name, before), NOW) for name in names)
    )
    assert (await load_preferences(database, [ana]))[ana].switches == dict.fromkeys(names, False)


async def test_a_change_that_is_refused_changes_nothing(database: Database) -> None:
    (ana,) = await make_users(database, 1)

    def refuse(_before: Preferences) -> Preferences:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await change_preferences(database, ana, refuse, NOW)
    assert await database.fetchval("select count(*) from push_preferences") == 0
