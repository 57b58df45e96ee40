"""Child processes: they end with their parent, whatever ends it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.children import CannotStart, Child, spawn
from deploy.ports import free_port, reserve
from deploy.supervisor import Service, Supervisor
from tests.support.local import is_gone, wait_until

pytestmark = pytest.mark.integration

PARENT = """
import signal, sys, time
from deploy.children import Account, spawn
account = Account(65534, 65534) if sys.argv[1] == "other" else None
child = spawn(["sleep", "1000"], "sleeper", death_signal=signal.SIGTERM, account=account)
print(child.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize(
    "account",
    [
        "same",
        pytest.param("other", marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can change accounts")),
    ],
)
def test_a_child_dies_with_a_killed_parent(account: str) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, account], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        parent.kill()
    wait_until(lambda: is_gone(child), "the child is gone", 5)


async def test_its_end_is_heard_of() -> None:
    child = spawn(["sh", "-c", "exit 7"], "shell", death_signal=signal.SIGKILL)
    assert await asyncio.wait_for(child.ended(), 5) == 7
    assert await child.ended() == 7
    child.send(signal.SIGTERM)  # nothing happens


def test_stopping_gets_harder_step_by_step() -> None:
    stubborn = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    read, write = os.pipe()
    child = spawn(["sh", "-c", stubborn], "shell", death_signal=signal.SIGKILL, output=write)
    os.close(write)
    with os.fdopen(read) as said:
        assert said.readline() == "ready\n"
        assert child.stop((signal.SIGTERM, 0.1)) == -signal.SIGKILL


def test_what_does_not_exist_cannot_start() -> None:
    with pytest.raises(CannotStart, match="nothing cannot be started"):
        spawn(["/nonexistent/program"], "nothing", death_signal=signal.SIGKILL)


async def test_a_supervisor_starts_again_and_stops(tmp_path: Path) -> None:
    said: list[str] = []
    changes = asyncio.Event()

    async def ready(_child: Child) -> None:
        return

    service = Service(
        "sleeper",
        lambda: spawn(["sleep", "1000"], "sleeper", death_signal=signal.SIGKILL),
        ready,
        lambda: "nothing",
        ((signal.SIGTERM, 5.0),),
    )
    supervisor = Supervisor(said.append, changes.set)
    await supervisor.start([service])
    first = service.pid
    os.kill(first, signal.SIGKILL)
    await asyncio.wait_for(changes.wait(), 10)
    assert service.pid != first
    assert said == ["sleeper was ended by SIGKILL", f"sleeper runs again (process {service.pid})"]
    await supervisor.stop([service])
    assert is_gone(service.pid)
    assert len(said) == 2  # a wanted end is no news


async def test_a_supervisor_tells_why_nothing_starts() -> None:
    async def never(child: Child) -> None:
        await child.ended()
        raise CannotStart("breaker is not ready")

    service = Service(
        "breaker",
        lambda: spawn(["false"], "breaker", death_signal=signal.SIGKILL),
        never,
        lambda: "no",
        ((signal.SIGTERM, 5.0),),
    )
    with pytest.raises(CannotStart, match="breaker is not ready"):
        await Supervisor(lambda _line: None, lambda: None).start([service])


def test_a_reserved_port_is_for_those_who_share_it() -> None:
    with reserve("127.0.0.1", 0) as address:
        port = address.getsockname()[1]
        with pytest.raises(CannotStart, match=f"Port {port} of 127.0.0.1 is in use"):
            reserve("127.0.0.1", port)
        with socket.socket() as hub, socket.socket() as other_hub:
            for sock in (hub, other_hub):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                sock.bind(("127.0.0.1", port))
                sock.listen()
            assert free_port(port) != port
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
    assert free_port(port) == port


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(CannotStart, match=r"Cannot listen on 192\.0\.2\.1"):
        reserve("192.0.2.1", 0)
