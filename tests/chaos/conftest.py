"""Hubs on servers of their own, which a test may kill and freeze."""

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.hubs import HubProcess, hub_starter
from tests.support.servers import KillableServer


class Site(NamedTuple):
    """PostgreSQL, Valkey and two hubs, all of one test's own."""

    postgres: KillableServer
    valkey: KillableServer
    one: HubProcess
    other: HubProcess


@pytest.fixture
async def site(
    own_postgres: Callable[[], KillableServer], own_redis: Callable[[], KillableServer]
) -> AsyncIterator[Site]:
    postgres, valkey = own_postgres(), own_redis()
    async with AsyncExitStack() as stack:
        start = await stack.enter_async_context(hub_starter(postgres.url, valkey.url))
        yield Site(postgres, valkey, await start(), await start())


@pytest.fixture
def folder() -> Iterator[Path]:
    """For the data and the logs of `hugmood up`."""
    with tempfile.TemporaryDirectory(prefix="hugmood-chaos-") as name:
        path = Path(name)
        path.chmod(0o711)  # PostgreSQL's account must pass when the tests run as root
        yield path
