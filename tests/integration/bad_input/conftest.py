"""A hub on which somebody misbehaves, while a bystander, connected all the time, is served as ever."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.support.hubs import hub_starter, make_friends
from tests.support.manners import Place, hug_to
from tests.support.servers import Databases, flush
from tests.support.wire import Wire


@pytest.fixture(scope="module")
def place(databases: Databases, valkey_server: Any) -> Iterator[Place]:
    flush(valkey_server.url)
    with databases.fresh() as database_url, asyncio.Runner() as runner:
        starter = hub_starter(database_url, valkey_server.url)
        start = runner.run(starter.__aenter__())
        try:
            hub = runner.run(start())
            yield Place(hub, *runner.run(make_friends(database_url, 3)))
        finally:
            runner.run(starter.__aexit__(None, None, None))


@pytest.fixture(autouse=True)
async def undisturbed(place: Place) -> AsyncIterator[None]:
    """The hub lives and the bystander, who was there all the time, is served as ever."""
    async with await Wire.log_in(place.hub.url, place.bystander.access_token, device="bystander") as bystander:
        yield
        assert place.hub.is_alive()
        assert (await bystander.ask("ping"))["type"] == "ok"
        async with await Wire.log_in(place.hub.url, place.friend.access_token) as friend:
            hug = hug_to(place.bystander)
            assert (await friend.ask("hug.send", **hug))["state"] == "accepted"
        while (await bystander.hear("hug.received"))["id"] != hug["id"]:
            pass  # some tests hug the bystander too


@pytest.fixture
async def rude(place: Place) -> AsyncIterator[Wire]:
    """A session of somebody with bad manners."""
    async with await Wire.log_in(place.hub.url, place.rude.access_token) as wire:
        yield wire
