"""The servers that tests of all kinds share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

from deploy.children import CannotStart
from deploy.embedded import EmbeddedPostgres, EmbeddedValkey
from deploy.folder import DataFolder
from storage.migrate import migrate
from tests.support.servers import Databases, KillableServer, flush, must_not_skip, run, temporary_data

# How long an example takes says more about the machine than about the code.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def server_folder() -> Iterator[DataFolder]:
    with temporary_data() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(server_folder: DataFolder) -> Iterator[EmbeddedPostgres]:
    """One PostgreSQL for the session. Do not harm it: `own_postgres` is for that."""
    server = EmbeddedPostgres(server_folder, is_durable=False)
    with _running(server):
        yield server


@pytest.fixture(scope="session")
def valkey_server(server_folder: DataFolder) -> Iterator[EmbeddedValkey]:
    """One Valkey for the session. Do not harm it: `own_redis` is for that."""
    server = EmbeddedValkey(server_folder)
    with _running(server):
        yield server


@pytest.fixture(scope="session")
def databases(postgres_server: EmbeddedPostgres) -> Databases:
    return Databases(postgres_server)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A fresh, migrated database."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def redis_url(valkey_server: EmbeddedValkey) -> str:
    """The shared Valkey, emptied."""
    flush(valkey_server.url)
    return valkey_server.url


@pytest.fixture
def own_postgres() -> Iterator[Callable[[], KillableServer]]:
    """Makes migrated PostgreSQL servers that the test may kill."""
    with ExitStack() as stack:

        def start() -> KillableServer:
            server = EmbeddedPostgres(stack.enter_context(temporary_data()))
            stack.enter_context(_running(server))
            run(migrate(server.url))
            return KillableServer(server)

        yield start


@pytest.fixture
def own_redis() -> Iterator[Callable[[], KillableServer]]:
    """Makes Valkey servers that the test may kill."""
    with ExitStack() as stack:

        def start() -> KillableServer:
            server = EmbeddedValkey(stack.enter_context(temporary_data()))
            stack.enter_context(_running(server))
            return KillableServer(server)

        yield start


def _running(server: EmbeddedPostgres | EmbeddedValkey) -> ExitStack:
    """Started, and stopped at the end of the block. Skips the test, or fails it on CI, if that is impossible."""
    stack = ExitStack()
    try:
        server.launch()
        stack.callback(server.stop)
        server.wait_ready()
    except CannotStart as error:
        stack.close()
        if must_not_skip():
            raise
        pytest.skip(f"no {server.name}: {error}")
    return stack
