"""`hugmood up`: what starts, what it tells, what stays, and what is left behind by any kind of end."""

import json
import os
import shutil
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.folder import SYSTEM_HOME
from storage.encryption_keys import load_keys
from tests.support.local import get, hugmood, is_gone, launched, running, wait_until
from tests.support.servers import run, temporary_folder

pytestmark = pytest.mark.integration


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


def count_users(database_url: str) -> int:
    async def count() -> int:
        connection = await asyncpg.connect(database_url)
        try:
            number: int = await connection.fetchval("select count(*) from users")
            return number
        finally:
            await connection.close()

    return run(count())


def order_of_ends(pids: list[int], within_s: float = 40.0) -> list[int]:
    """*pids* in the order in which they are seen to end."""
    order: list[int] = []
    deadline = time.monotonic() + within_s
    while len(order) < len(pids):
        order += [pid for pid in pids if pid not in order and is_gone(pid)]
        assert time.monotonic() < deadline, f"still there: {set(pids) - set(order)}"
        time.sleep(0.001)
    return order


def test_tells_what_runs_and_keeps_its_data(folder: Path) -> None:
    with running(folder, "--hubs", "2", "--workers", "1") as up:
        ready = up.ready
        assert len(ready["pids"]["hubs"]) == 2
        assert len(ready["pids"]["workers"]) == 1
        assert not any(is_gone(pid) for pid in up.pids())
        assert get(f"{ready['url']}/readyz")[0] == 200
        assert len(ready["metrics"]) == 3
        for address in ready["metrics"]:
            status, body = get(address)
            assert status == 200
            assert "# HELP" in body
        assert f"Open {ready['url']}\n" in up.output
        for url in (ready["database_url"], ready["redis_url"]):
            assert urlsplit(url).password not in up.output
        assert stat.S_IMODE((folder / "ready.json").stat().st_mode) == 0o600
        keys = (up.data / "encryption-keys").read_text()
        assert stat.S_IMODE((up.data / "encryption-keys").stat().st_mode) == 0o600
        assert len(load_keys(keys)) == 1
        assert keys.strip() not in up.output
        made = hugmood("people", "make", "--count", "30", "--data", up.data, "--out", folder / "people")
        assert made.returncode == 0, made.stderr

        pids, hubs, workers = up.pids(), ready["pids"]["hubs"], ready["pids"]["workers"]
        up.process.send_signal(signal.SIGTERM)
        order = order_of_ends(pids)
        assert set(order[:2]) == set(hubs)
        assert order[2:] == [*workers, ready["pids"]["valkey"], ready["pids"]["postgres"]]
        assert up.process.wait(10) == 0
        assert not (folder / "ready.json").exists()

    with running(folder) as up:
        assert count_users(up.ready["database_url"]) == 30
        # The addresses of the servers stay, for those who have noted them.
        assert up.ready["database_url"] == ready["database_url"]
        assert up.ready["redis_url"] == ready["redis_url"]
        assert up.stop(signal.SIGINT) == 0


def test_kill_9_leaves_no_child_behind_and_the_next_start_works(folder: Path) -> None:
    with running(folder, "--hubs", "2") as up:
        assert hugmood("people", "make", "--count", "7", "--data", up.data, "--out", folder / "people").returncode == 0
        pids = up.pids()
        up.process.kill()
        up.process.wait()
        # At once, while the servers may still be dying: the next one waits for them.
        with running(folder) as successor:
            assert all(is_gone(pid) for pid in pids)
            assert count_users(successor.ready["database_url"]) == 7
            assert successor.stop() == 0


def test_kill_9_of_everything_is_survived(folder: Path) -> None:
    with running(folder) as up:
        assert hugmood("people", "make", "--count", "7", "--data", up.data, "--out", folder / "people").returncode == 0
        pids = up.pids()
        for pid in (up.process.pid, *pids):
            os.kill(pid, signal.SIGKILL)
        up.process.wait()
    with running(folder) as up:
        assert all(is_gone(pid) for pid in pids)
        assert count_users(up.ready["database_url"]) == 7
        assert up.stop() == 0


def test_whatever_is_killed_is_started_again(folder: Path) -> None:
    with running(folder, "--hubs", "2") as up:
        for kind in ("hubs", "workers", "valkey", "postgres"):
            old = up.ready["pids"][kind]
            os.kill(old[0] if isinstance(old, list) else old, signal.SIGKILL)
            up.wait_replaced(kind, old)
        for metrics in up.ready["metrics"]:
            ready = metrics.replace("/metrics", "/readyz")
            wait_until(lambda ready=ready: get(ready)[0] == 200, f"{ready}:\n{up.output}")
        assert "hub-1 was ended by SIGKILL" in up.output
        assert "PostgreSQL runs again" in up.output
        assert up.stop() == 0


def test_a_crash_loop_is_told_plainly(folder: Path) -> None:
    async def make_schema_too_new(database_url: str) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("insert into schema_migrations (version, name, checksum) values (9999, 'later', '')")
        await connection.close()

    with running(folder) as up:
        run(make_schema_too_new(up.ready["database_url"]))
        os.kill(up.ready["pids"]["hubs"][0], signal.SIGKILL)
        wait_until(lambda: "hub-1 ends again and again" in up.output, "the crash loop was told", 45)
        assert "run a newer HugMood" in up.output  # the reason that the hub gave
        assert up.stop() == 0


def test_stops_while_it_starts(folder: Path) -> None:
    with launched(folder) as up:
        wait_until((up.data / "log" / "postgres.log").exists, "PostgreSQL was launched")
        assert up.stop() == 0
    assert not (folder / "ready.json").exists()
    with running(folder) as up:  # nobody holds the folder
        assert up.stop() == 0


def test_uses_servers_that_it_is_given(folder: Path, database_url: str, redis_url: str) -> None:
    settings = {"HUGMOOD_DATABASE_URL": database_url, "HUGMOOD_REDIS_URL": redis_url}
    with running(folder, settings=settings) as up:
        assert up.ready["pids"]["postgres"] is None
        assert up.ready["pids"]["valkey"] is None
        assert up.ready["database_url"] == database_url
        assert not (up.data / "postgres").exists()
        refused = hugmood("people", "make", "--count", "1", "--data", up.data, "--out", "-")
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        assert up.stop() == 0
    assert count_users(database_url) == 0  # it still answers


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_root_does_not_run_the_servers(folder: Path) -> None:
    with running(folder) as up:
        for server in ("postgres", "valkey"):
            assert Path(f"/proc/{up.ready['pids'][server]}").stat().st_uid != 0
        assert stat.S_IMODE((up.data / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((up.data / "secret").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_below_a_closed_folder_the_servers_live_elsewhere(folder: Path) -> None:
    folder.chmod(0o700)
    with running(folder) as up:
        home = Path(json.loads((up.data / "servers.json").read_bytes())["home"])
        try:
            assert home.parent == SYSTEM_HOME
            assert (home / "postgres" / "PG_VERSION").exists()
            assert not (up.data / "postgres").exists()
            assert up.stop() == 0
            assert str(home) in up.output
            with running(folder) as again:  # it remembers where
                assert json.loads((again.data / "servers.json").read_bytes())["home"] == str(home)
                assert again.stop() == 0
        finally:
            shutil.rmtree(home, ignore_errors=True)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700  # never opened


@pytest.mark.parametrize("shares", [False, True])
def test_a_port_in_use(folder: Path, shares: bool) -> None:
    with socket.socket() as other:
        if shares:  # so that a hub could join it, and nobody would notice
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = hugmood("up", "--port", port, "--data", folder / "data")
    assert_refused(done.returncode, done.stderr, f"Port {port} of 127.0.0.1 is in use")


def test_a_folder_in_use(folder: Path) -> None:
    with running(folder) as up:
        done = hugmood("up", "--port", "0", "--data", up.data)
        assert_refused(done.returncode, done.stderr, f"in use by another hugmood (process {up.process.pid})")
        assert get(f"{up.ready['url']}/readyz")[0] == 200
        assert json.loads((up.data / "running.json").read_bytes()) == up.ready


def test_wrong_settings_are_told_all_at_once_and_nothing_is_made(folder: Path) -> None:
    done = hugmood(
        "up",
        "--data",
        folder / "data",
        HUGMOOD_LIMITS="perhaps",
        HUGMOOD_SECRET="short",
        HUGMOOD_LOG="all",
        HUGMOOD_ENCRYPTION_KEYS="K",
    )
    assert done.returncode == 2
    form = "must hold ID:base64 of 32 bytes for each key: key 1 has"
    assert done.stderr.splitlines() == [
        "hugmood up: HUGMOOD_LIMITS must be on or off",
        "hugmood up: HUGMOOD_SECRET must hold at least 32 bytes",
        f"hugmood up: HUGMOOD_ENCRYPTION_KEYS {form} an id that is not 1 to 16 of a-z, 0-9 and -",
        f"hugmood up: HUGMOOD_ENCRYPTION_KEYS {form} something else than the base64 of 32 bytes behind its id",
        "hugmood up: HUGMOOD_LOG must be one of debug, info, warning, error",
    ]
    assert not (folder / "data").exists()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HUGMOOD_DATABASE_URL": "postgresql://hugmood:hidden@127.0.0.1:1/hugmood"}, "Cannot connect to PostgreSQL"),
        ({"HUGMOOD_REDIS_URL": "redis://:hidden@127.0.0.1:1/0"}, "No Redis or Valkey answers at 127.0.0.1:1"),
    ],
)
def test_a_server_that_does_not_answer(folder: Path, settings: dict[str, str], reason: str) -> None:
    done = hugmood("up", "--port", "0", "--data", folder / "data", **settings)
    assert_refused(done.returncode, done.stderr, reason)
    assert "hidden" not in done.stderr + done.stdout


def test_a_server_that_cannot_start(folder: Path) -> None:
    with running(folder) as up:
        assert up.stop() == 0
    (folder / "data" / "postgres" / "global" / "pg_control").unlink()
    done = hugmood("up", "--port", "0", "--data", folder / "data")
    assert_refused(done.returncode, done.stderr, "pg_control")


def test_data_of_a_version_that_is_not_there(folder: Path) -> None:
    (folder / "data" / "postgres").mkdir(parents=True)
    (folder / "data" / "postgres" / "PG_VERSION").write_text("9\n")
    done = hugmood("up", "--port", "0", "--data", folder / "data")
    assert_refused(done.returncode, done.stderr, "PostgreSQL 9, which made the data here, was not found")


def assert_refused(code: int, said: str, reason: str) -> None:
    """One line, and exit code 2."""
    assert code == 2, said
    assert reason in said
    assert len(said.splitlines()) == 1, said
