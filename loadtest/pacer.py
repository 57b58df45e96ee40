"""Calls at even intervals below a millisecond, which event loops cannot do by themselves.

The kernel's timer (timerfd_create(2)) wakes the loop through a file descriptor.
"""

import asyncio
import ctypes
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERVAL_MIN_S = 0.0002
_CLOCK_MONOTONIC = 1  # that of time.perf_counter()
_ABSOLUTE = 1
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def ticking(start: float, interval_s: float, on_tick: Callable[[], None]) -> Iterator[None]:
    """Call *on_tick* at *start* (perf_counter) and every *interval_s* seconds after it; late ones are merged into one."""
    fd = _libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    loop = asyncio.get_running_loop()

    def wake() -> None:
        try:
            os.read(fd, 8)
        except BlockingIOError:
            return
        on_tick()

    try:
        interval_ns = int(max(interval_s, INTERVAL_MIN_S) * 1e9)
        spec = struct.pack("qqqq", *divmod(interval_ns, 10**9), *divmod(int(start * 1e9), 10**9))
        if _libc.timerfd_settime(fd, _ABSOLUTE, spec, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
        loop.add_reader(fd, wake)
        yield
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def pace(rate: float, seconds: float, send: Callable[[int, float], None]) -> int:
    """Call `send(index, intended)` *rate* times a second, and return how often when *seconds* are over.

    Open loop: the intended times (`time.perf_counter()`) are fixed beforehand. Whoever measures from them
    counts the time that a stalled server, or a late client, kept a request from being sent at all.
    """
    total = int(rate * seconds)
    start = time.perf_counter() + 0.01
    done = asyncio.Event()
    index = 0

    def on_tick() -> None:
        nonlocal index
        due = min(total, int((time.perf_counter() - start) * rate) + 1)
        while index < due:
            send(index, start + index / rate)
            index += 1
        if index >= total:
            done.set()

    if total:
        with ticking(start, 1 / rate, on_tick):
            await done.wait()
    await asyncio.sleep(start + seconds - time.perf_counter())
    return total
