"""A whole `hugmood up` as a child process, and the `hugmood` command, as a person would start them."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HUGMOOD = str(Path(sys.executable).with_name("hugmood"))
STARTS_WITHIN_S = 45.0
STOPS_WITHIN_S = 45.0
POLL_S = 0.01


def clean_environment(**settings: str) -> dict[str, str]:
    """Ours without any `HUGMOOD_*`, and *settings* by their full names."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HUGMOOD_")} | settings


def hugmood(
    *arguments: str | Path, said: str = "", within_s: float = 45.0, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; *said* is its standard input."""
    return subprocess.run(
        [HUGMOOD, *map(str, arguments)],
        input=said,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        env=clean_environment(**settings),
    )


def wait_until(is_true: Callable[[], object], what: str, within_s: float = 30.0) -> None:
    """Blocks until the condition holds; fails with *what* if it does not in time."""
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(POLL_S)


def is_gone(pid: int) -> bool:
    """No such process, or a zombie that only waits for its parent to look."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except (FileNotFoundError, ProcessLookupError):
        return True


class Up:
    """A running `hugmood up`."""

    def __init__(self, process: "subprocess.Popen[bytes]", folder: Path) -> None:
        self.process = process
        self.data = folder / "data"
        self._ready_file = folder / "ready.json"
        self._output = folder / "up.out"

    @property
    def ready(self) -> Any:
        """The ready file as it is now."""
        return json.loads(self._ready_file.read_bytes())

    @property
    def output(self) -> str:
        return self._output.read_text(encoding="utf-8")

    def pids(self) -> list[int]:
        """Of all children."""
        pids = self.ready["pids"]
        servers = [pid for pid in (pids["valkey"], pids["postgres"]) if pid is not None]
        return [*pids["hubs"], *pids["workers"], *servers]

    def wait_ready(self) -> None:
        """Fails with what it said if it ends instead."""

        def is_ready() -> bool:
            assert self.process.poll() is None, f"hugmood up has ended with {self.process.returncode}:\n{self.output}"
            return self._ready_file.exists()

        wait_until(is_ready, f"ready:\n{self.output}", STARTS_WITHIN_S)

    def wait_replaced(self, kind: str, old: object) -> None:
        """Until the ready file names another process than *old*."""
        wait_until(lambda: self.ready["pids"][kind] != old, f"a new {kind}:\n{self.output}")

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """In good order; the exit code."""
        self.process.send_signal(signum)
        return self.process.wait(STOPS_WITHIN_S)


def get(url: str) -> tuple[int, str]:
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own hubs
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@contextmanager
def launched(folder: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Iterator[Up]:
    """`hugmood up` on `folder/data` and a free port, perhaps not ready yet; killed at the end if it still runs."""
    command = [HUGMOOD, "up", "--port", "0", "--data", str(folder / "data")]
    command += ["--ready-file", str(folder / "ready.json"), *arguments]
    (folder / "ready.json").unlink(missing_ok=True)  # of one that was killed
    with (folder / "up.out").open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=clean_environment(**(settings or {})))
    try:
        yield Up(process, folder)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running(folder: Path, *arguments: str, settings: Mapping[str, str] | None = None) -> Iterator[Up]:
    """As `launched`, once it is ready."""
    with launched(folder, *arguments, settings=settings) as up:
        up.wait_ready()
        yield up
