"""Hubs on fresh servers, for tests over the wire."""

from collections.abc import AsyncIterator

import pytest

from tests.support.hubs import HubProcess, StartHub, hub_starter


@pytest.fixture
async def start_hub(database_url: str, redis_url: str) -> AsyncIterator[StartHub]:
    """Starts hub processes: `await start_hub()`; settings by name, without HUGMOOD_, in lower case."""
    async with hub_starter(database_url, redis_url) as start:
        yield start


@pytest.fixture
async def hub(start_hub: StartHub) -> HubProcess:
    """One hub."""
    return await start_hub()
