"""uvicorn, told to hand us its connections, and to drain them before it stops."""

import asyncio
import errno
import random
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from hub.admission import Admission, Guest
from hub.connection import Connection
from hub.http import HttpConnection
from hub.registrar import Registrar
from hub.sweep import Sweep
from protocol.codes import CloseCode
from storage.hug_commits import HugCommits
from storage.mutuals import Mutuals

LISTEN_BACKLOG = 4096
# The kernel takes twice that. Without it megabytes hide there before anybody notices a slow reader.
SEND_BUFFER_BYTES = 32 * 1024
DRAIN_BATCH = 500
DRAIN_PAUSE_S = 0.05
RETRY_MAX_MS = 2_000
UVICORN_SHUTDOWN_S = 3


def listen(host: str, port: int, *, is_shared: bool) -> socket.socket:
    """A listening socket, which other hubs of this machine may share or not. Raises: OSError, with the address in its text."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        sock.bind((host, port))
        sock.listen(LISTEN_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        reason = "in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise OSError(error.errno, f"{host}:{port} cannot be opened: {reason}") from error
    return sock


class HubServer(uvicorn.Server):
    """Stops in order: no new connections, `bye` to the old ones, commits finished, then uvicorn's own shutdown."""

    def __init__(
        self,
        app: ASGIApp,
        admission: Admission,
        sweep: Sweep,
        commits: HugCommits,
        mutuals: Mutuals,
        registrar: Registrar,
        *,
        drain_s: float,
        trusted_proxies: tuple[str, ...],
        on_started: Callable[[], None],
    ) -> None:
        http = cast("type[asyncio.Protocol]", partial(HttpConnection, admission, sweep))
        super().__init__(
            uvicorn.Config(
                app,
                http=http,
                ws="none",  # HttpConnection hands an upgrade over itself
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_graceful_shutdown=UVICORN_SHUTDOWN_S,
            )
        )
        self._admission = admission
        self._commits = commits
        self._mutuals = mutuals
        self._registrar = registrar
        self._drain_s = drain_s
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn: SIGTERM and SIGINT begin the shutdown. Its own version raises them again at the end, too early for us."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        try:
            yield
        finally:
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn: begin to listen."""
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn: the signal has come."""
        await self._drain()
        await super().shutdown(sockets)

    async def _drain(self) -> None:
        self._admission.is_draining = True
        self._registrar.is_draining = True
        deadline = asyncio.get_running_loop().time() + self._drain_s
        connections: list[Connection | Guest] = [*self._admission.connections, *self._admission.guests]
        # Clients come back spread over a time that grows with their number.
        spread_ms = min(RETRY_MAX_MS, 50 + len(connections) // 5)
        for start in range(0, len(connections), DRAIN_BATCH):
            for connection in connections[start : start + DRAIN_BATCH]:
                connection.session.end(CloseCode.DRAIN, "drain", random.randrange(spread_ms))  # noqa: S311  spread
            await asyncio.sleep(DRAIN_PAUSE_S)
        try:
            async with asyncio.timeout_at(deadline):
                await self._commits.drained()
                await self._mutuals.drained()
                while not self._admission.is_empty():  # noqa: ASYNC110  ends within CLOSE_WITHIN_S of the sweep
                    await asyncio.sleep(DRAIN_PAUSE_S)
        except TimeoutError:
            pass


class OperatorsServer(uvicorn.Server):
    """The metrics port: no signals of its own, ends with the hub."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn: the hub's server listens to signals already."""
        yield
