"""The server under test: one of our own, in a folder that is thrown away, or one that runs already."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from loadtest.clients.people import Person, load_people
from loadtest.server.processes import Processes

START_WITHIN_S = 120.0
STOP_WITHIN_S = 60.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_libc = ctypes.CDLL(None)  # before any fork: between fork and exec nothing may be loaded
NO_SETTINGS: Mapping[str, str] = {}
COMMAND = Path(sys.executable).with_name("hugmood")


class StackFailed(Exception):  # noqa: N818  what happened
    """The server did not start, or a command failed; the text says which."""


class _Pids(Struct):
    hubs: list[int]
    workers: list[int] = []
    postgres: int | None = None
    valkey: int | None = None


class _Ready(Struct):
    url: str
    pids: _Pids
    database_url: str | None = None


class Stack(Struct, frozen=True):
    """Where the server is, and which processes it consists of; none if it is not known.

    *ready*: the file that is written anew when processes are. *database_url*: for looking at what is stored.
    """

    url: str
    processes: Processes
    ready: Path | None = None
    database_url: str | None = None

    def pids(self) -> dict[str, list[int]]:
        """The processes as they are now, by kind."""
        processes = self.processes
        if self.ready is not None:
            with suppress(OSError, msgspec.DecodeError):  # being stopped
                processes = load_ready(self.ready).processes
        found = {"hub": list(processes.hubs), "worker": list(processes.workers)}
        if processes.postgres is not None:
            found["postgres"] = [processes.postgres]
        if processes.valkey is not None:
            found["valkey"] = [processes.valkey]
        return found


def load_ready(path: Path) -> Stack:
    """What `hugmood up --ready-file` wrote. Raises: OSError, msgspec.DecodeError."""
    ready = msgspec.json.decode(path.read_bytes(), type=_Ready)
    pids = ready.pids
    processes = Processes(tuple(pids.hubs), tuple(pids.workers), pids.postgres, pids.valkey)
    return Stack(ready.url, processes, path, ready.database_url)


@contextmanager
def own_stack(
    hubs: int, count: int, workers: int = 1, friends: int = 1, settings: Mapping[str, str] = NO_SETTINGS
) -> Iterator[tuple[Stack, list[Person]]]:
    """`hugmood up` in a temporary folder, with limits off, and *count* people with *friends* each. Raises: StackFailed."""
    options = ("--hubs", str(hubs), "--workers", str(workers))
    with temporary_folder() as folder, hugmood_up(folder, *options, settings=settings) as ready:
        data, people = str(folder / "data"), folder / "people.jsonl"
        _run("people", "make", "--data", data, "--count", str(count), "--friends", str(friends), "--out", str(people))
        yield load_ready(ready), load_people(people)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Thrown away at the end, with whatever is in it."""
    folder = Path(tempfile.mkdtemp(prefix="hugmood-loadtest-"))
    folder.chmod(0o711)  # started by root, PostgreSQL runs as a user of its own
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def hugmood_up(folder: Path, *options: str, settings: Mapping[str, str] = NO_SETTINGS) -> Iterator[Path]:
    """`hugmood up` with its data in *folder* and limits off, until the end; its ready file. Raises: StackFailed."""
    ready, log = folder / "ready.json", folder / "up.log"
    ready.unlink(missing_ok=True)
    up = (str(COMMAND), "up", "--port", "0", "--data", str(folder / "data"), "--ready-file", str(ready), *options)
    # A session of its own: Ctrl-C is for us, and the order of stopping is ours. When we are killed it stops by itself.
    with log.open("wb") as output:
        process = subprocess.Popen(
            up,
            env={**os.environ, "HUGMOOD_LIMITS": "off", **settings},
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=end_with_parent,  # noqa: PLW1509  one system call and no lock: safe after fork
        )
    try:
        _wait_for(ready, process, log)
        yield ready
    finally:
        _stop(process)


def end_with_parent() -> None:
    """For a child before it becomes another program: it gets SIGTERM when we are killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _wait_for(ready: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not ready.exists():
        if process.poll() is not None:
            raise StackFailed(f"hugmood up ended with {process.returncode}:\n{log.read_text()[-2000:]}")
        if time.monotonic() > deadline:
            raise StackFailed(f"hugmood up was not ready in time:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _run(*arguments: str) -> None:
    done = subprocess.run((str(COMMAND), *arguments), capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr)[-2000:]
        raise StackFailed(f"hugmood {' '.join(arguments[:2])} ended with {done.returncode}:\n{output}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()  # its children end with it
        process.wait()
