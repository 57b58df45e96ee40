"""Child processes that end with us, whatever happens to us.

Invariant: a child outlives its parent by no more than its own way of dying at the death signal takes,
also when the parent is killed with SIGKILL. Children sit in sessions of their own, so that Ctrl-C in the terminal
reaches only us and the order of stopping is ours.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from msgspec import Struct

PR_SET_PDEATHSIG = 1  # prctl(2), Linux

# Looked up before any fork: between fork and exec nothing may be imported or loaded.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


class CannotStart(Exception):  # noqa: N818  it reads as what it is
    """Something that `hugmood` was told to start cannot be started. The message is one line for the person."""


class Account(Struct, frozen=True):
    """Whom a child runs as."""

    uid: int
    gid: int


class Child:
    """One running process. Spawn it on the main thread: the death signal is tied to the thread that forked."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str) -> None:
        self._process = process
        self.name = name

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def stdin(self) -> IO[bytes] | None:
        return self._process.stdin

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def send(self, signum: signal.Signals) -> None:
        """Nothing if it has ended already."""
        self._process.send_signal(signum)

    async def ended(self) -> int:
        """Wait until it has ended; returns its exit code."""
        if (code := self.exit_code) is not None:
            return code
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self.pid)  # readable when the process ends; no thread, no polling
        done = asyncio.Event()
        try:
            loop.add_reader(descriptor, done.set)
            await done.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        return self._process.wait()

    def stop(self, *steps: tuple[signal.Signals, float]) -> int:
        """Send each signal in turn and wait the seconds beside it; SIGKILL at last. Blocks; returns the exit code."""
        for signum, wait_s in steps:
            self.send(signum)
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._process.wait(wait_s)
        self._process.kill()
        return self._process.wait()


def spawn(
    argv: Sequence[str | Path],
    name: str,
    *,
    death_signal: signal.Signals,
    output: int | IO[bytes] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    account: Account | None = None,
    keep_open: Sequence[int] = (),
    with_stdin: bool = False,
) -> Child:
    """Start *argv*; the kernel sends it *death_signal* when we die.

    *output*: where its standard output and error go (default: where ours go). *keep_open*: descriptors it inherits.
    Raises: CannotStart if the program cannot be executed.
    """
    try:
        process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.PIPE if with_stdin else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            pass_fds=tuple(keep_open),
            start_new_session=True,
            preexec_fn=_die_with(os.getpid(), death_signal),  # noqa: PLW1509  one system call and no lock: safe after fork
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(f"{name} cannot be started: {error}") from error
    return Child(process, name)


def _die_with(parent: int, death_signal: signal.Signals) -> Callable[[], None]:
    """Runs in the child after the change of user, which would clear the death signal again."""

    def arm() -> None:
        if _prctl is None:
            return
        _prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return arm
