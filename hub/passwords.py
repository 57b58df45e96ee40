"""bcrypt, off the event loop.

Invariant: at most `THREADS` hashes are computed at once and `WAITING_MAX` wait, so that a storm of log-ins
costs the hub neither its loop nor its memory; and a check takes the same time whether or not there is
anything to check against.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import bcrypt

from domain.errors import Unavailable

COST = 12
THREADS = 4  # bcrypt releases the GIL
WAITING_MAX = 64
RETRY_AFTER_MS = 2_000

T = TypeVar("T")


class Passwords:
    """The hashing threads of one process. Open it as an async context manager."""

    def __init__(self, cost: int = COST) -> None:
        self._cost = cost
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="bcrypt")
        self._waiting = 0
        # Nobody's password: well formed, so that comparing with it costs what comparing with a real one does.
        self._nobody = f"$2b${cost:02d}${'.' * 53}"

    async def __aenter__(self) -> "Passwords":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash to store; *password* has been checked to be within bcrypt's 72 bytes. Raises: Unavailable."""
        salt = bcrypt.gensalt(self._cost)
        return (await self._run(partial(bcrypt.hashpw, password.encode(), salt))).decode()

    async def is_right(self, password: str, password_hash: str | None) -> bool:
        """Does *password* belong to *password_hash*? With None, no, after the same time. Raises: Unavailable."""
        stored = (password_hash or self._nobody).encode()
        is_equal = await self._run(partial(bcrypt.checkpw, password.encode(), stored))
        return is_equal and password_hash is not None

    async def _run(self, work: "partial[T]") -> T:
        if self._waiting >= WAITING_MAX:
            raise Unavailable("Too many people log in at this moment. Try again shortly.", RETRY_AFTER_MS)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
