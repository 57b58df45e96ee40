"""Processes that are held, so that what is to be measured begins at once and with all there is."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress


@contextmanager
def held(pids: Sequence[int]) -> Iterator[None]:
    """They do nothing in the block, unless they are told to go on; behind it they do, whatever happened."""
    send_signal(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        send_signal(pids, signal.SIGCONT)


def send_signal(pids: Sequence[int], signum: signal.Signals) -> None:
    """To those of *pids* that there are."""
    for pid in pids:
        with suppress(ProcessLookupError):  # it has ended: what is missing then will tell
            os.kill(pid, signum)
