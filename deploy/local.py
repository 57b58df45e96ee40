"""`hugmood up`: everything on one machine, from one command.

Order of starting: PostgreSQL and Valkey (unless they are given), migrations, hubs and workers. Order of stopping: hubs,
which drain, then workers, Valkey, PostgreSQL. Invariant: whatever becomes of us, no child stays behind, and the next
start works.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from deploy.children import CannotStart, Child, spawn
from deploy.embedded import EmbeddedPostgres, EmbeddedServer, EmbeddedValkey
from deploy.folder import DataFolder
from deploy.logs import last_words
from deploy.ports import LOOPBACK, free_port, reserve
from deploy.running import Pids, Running, RunningFiles
from deploy.settings import load_hub_settings, load_worker_settings
from deploy.supervisor import Service, Supervisor, wait_http_ready
from domain.errors import Unavailable
from storage.migrate import SchemaMismatch, migrate

STOP_GRACE_S = 5.0  # for a hub or worker beyond what it takes for itself
REDIS_ANSWER_S = 3.0
ANY_ADDRESS = {"0.0.0.0": LOOPBACK, "::": "[::1]"}  # noqa: S104  what to open in a browser instead


class UpOptions(Struct, frozen=True, kw_only=True):
    """What `hugmood up` was asked for."""

    data: Path
    host: str = LOOPBACK
    port: int = 8080  # 0: any free one
    hubs: int = 1
    workers: int = 1
    ready_file: Path | None = None


async def up(options: UpOptions, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Run everything until SIGTERM, SIGINT or SIGHUP; a second one hurries. *say* gets lines for the person.

    Raises: CannotStart, after stopping what had been started.
    """
    with ExitStack() as stack:
        folder = DataFolder.hold(options.data)
        stack.callback(folder.release)
        address = stack.enter_context(reserve(options.host, options.port))
        local = Local(options, environment, say, folder, address)
        stack.enter_context(_signals(local.ask_to_stop))
        await local.run()


class Local:
    """The processes of one `hugmood up`, on a data folder and an address that are held by the caller."""

    def __init__(
        self,
        options: UpOptions,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        folder: DataFolder,
        address: socket.socket,
    ) -> None:
        self._options = options
        self._environment = dict(environment)
        self._say = say
        self._folder = folder
        self._host, self._port = address.getsockname()[:2]
        self._files = RunningFiles(folder.path, options.ready_file)
        self._supervisor = Supervisor(say, self._tell_changed)
        self._postgres = None if environment.get("HUGMOOD_DATABASE_URL") else EmbeddedPostgres(folder)
        self._valkey = None if environment.get("HUGMOOD_REDIS_URL") else EmbeddedValkey(folder)
        self._servers: dict[str, Service] = {}
        self._hubs: list[Service] = []
        self._workers: list[Service] = []
        self._metrics_ports: list[int] = []
        self._stopping = asyncio.Event()

    def ask_to_stop(self) -> None:
        """In order; asked again, without waiting for hubs to drain and jobs to end."""
        if self._stopping.is_set():
            for service in (*self._hubs, *self._workers):
                service.kill()
        self._stopping.set()

    async def run(self) -> None:
        """Raises: CannotStart."""
        self._files.remove()
        work = asyncio.create_task(self._start_and_keep())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.gather(work, stopping, return_exceptions=True)
            await self._stop()

    async def _start_and_keep(self) -> None:
        await self._start_servers()
        await self._migrate()
        self._make_services()
        await self._supervisor.start([*self._hubs, *self._workers])
        self._files.write(self._running())
        self._tell_started()
        await self._supervisor.failed()

    async def _stop(self) -> None:
        if self._stopping.is_set():
            self._say("Stopping: hubs say good-bye, then workers, Valkey and PostgreSQL end.")
        self._files.remove()
        await self._supervisor.stop(self._hubs)
        await self._supervisor.stop(self._workers)
        for name in ("Valkey", "PostgreSQL"):
            if name in self._servers:
                await self._supervisor.stop([self._servers[name]])
        if self._stopping.is_set():
            self._say(f"Stopped. The data stays in {self._folder.path}.")

    async def _start_servers(self) -> None:
        for server in (self._postgres, self._valkey):
            if server is not None:
                self._servers[server.name] = self._server_service(server)
        await self._supervisor.start(list(self._servers.values()))
        # Every process is told by its environment, as if the servers had been given to us.
        if self._postgres:
            self._environment["HUGMOOD_DATABASE_URL"] = self._postgres.url
        if self._valkey:
            self._environment["HUGMOOD_REDIS_URL"] = self._valkey.url
        else:
            await _check_redis(self._environment["HUGMOOD_REDIS_URL"])
        made = {"HUGMOOD_SECRET": self._folder.secret_file, "HUGMOOD_ENCRYPTION_KEYS": self._folder.keys_file}
        for name, file in made.items():
            if not self._environment.get(name) and not self._environment.get(f"{name}_FILE"):
                self._environment[f"{name}_FILE"] = str(file())

    async def _migrate(self) -> None:
        try:
            applied = await migrate(self._environment["HUGMOOD_DATABASE_URL"])
        except (Unavailable, SchemaMismatch) as error:
            raise CannotStart(str(error)) from error
        if applied:
            self._say(f"Database schema: applied {', '.join(applied)}.")

    def _make_services(self) -> None:
        hubs, workers = self._options.hubs, self._options.workers
        self._metrics_ports = self._choose_metrics_ports(hubs + workers)
        public = {"HUGMOOD_HOST": self._options.host, "HUGMOOD_PORT": str(self._port)}
        names = [f"hub-{n}" for n in range(1, hubs + 1)] + [f"worker-{n}" for n in range(1, workers + 1)]
        services = []
        for name, metrics_port in zip(names, self._metrics_ports, strict=True):
            own = {"HUGMOOD_METRICS_HOST": LOOPBACK, "HUGMOOD_METRICS_PORT": str(metrics_port)}
            services.append(self._process_service(name, metrics_port, self._environment | public | own))
        self._hubs, self._workers = services[:hubs], services[hubs:]

    def _choose_metrics_ports(self, number: int) -> list[int]:
        """Beginning with HUGMOOD_METRICS_PORT if that is set, otherwise any."""
        if first := self._environment.get("HUGMOOD_METRICS_PORT"):
            return list(range(int(first), int(first) + number))
        ports: set[int] = set()
        while len(ports) < number:
            ports.add(free_port())
        return sorted(ports)

    def _server_service(self, server: EmbeddedServer) -> Service:
        def launch() -> Child:
            server.launch()
            return server.child

        async def wait_ready(_child: Child) -> None:
            await asyncio.to_thread(server.wait_ready)

        log = self._folder.log_path(server.log_name)
        return Service(server.name, launch, wait_ready, partial(last_words, log), server.stop_steps)

    def _process_service(self, name: str, metrics_port: int, environment: Mapping[str, str]) -> Service:
        kind = name.partition("-")[0]
        words = partial(last_words, self._folder.log_path(name))
        if kind == "hub":
            patience_s = load_hub_settings(environment).drain_s
        else:
            patience_s = load_worker_settings(environment).stop_wait_s

        def launch() -> Child:
            log = self._folder.open_log(name)
            try:
                # SIGKILL: when we are killed nothing is left to drain for. -P: what lies in the working directory is
                # no part of us.
                argv = [sys.executable, "-P", "-m", "deploy.cli", kind]
                return spawn(argv, name, death_signal=signal.SIGKILL, output=log, env=environment)
            finally:
                os.close(log)

        return Service(
            name,
            launch,
            partial(wait_http_ready, port=metrics_port, last_words=words),
            words,
            ((signal.SIGTERM, patience_s + STOP_GRACE_S),),
        )

    def _running(self) -> Running:
        pids = {name: service.pid for name, service in self._servers.items()}
        return Running(
            url=self._url(),
            metrics=[f"http://{LOOPBACK}:{port}/metrics" for port in self._metrics_ports],
            database_url=self._environment["HUGMOOD_DATABASE_URL"],
            redis_url=self._environment["HUGMOOD_REDIS_URL"],
            pids=Pids(
                hubs=[service.pid for service in self._hubs],
                workers=[service.pid for service in self._workers],
                postgres=pids.get("PostgreSQL"),
                valkey=pids.get("Valkey"),
            ),
        )

    def _url(self) -> str:
        host = ANY_ADDRESS.get(self._host, f"[{self._host}]" if ":" in self._host else self._host)
        return f"http://{host}:{self._port}"

    def _tell_changed(self) -> None:
        if not self._hubs or self._stopping.is_set():
            return
        try:
            self._files.write(self._running())
        except CannotStart as error:  # a full disk is no reason to end what runs
            self._say(str(error))

    def _tell_started(self) -> None:
        lines = [f"HugMood is up. Open {self._url()}", ""]
        for service, port in zip([*self._hubs, *self._workers], self._metrics_ports, strict=True):
            lines.append(f"  {service.name:<11} process {service.pid}, metrics http://{LOOPBACK}:{port}/metrics")
        for name, url in (("PostgreSQL", "HUGMOOD_DATABASE_URL"), ("Valkey", "HUGMOOD_REDIS_URL")):
            where = urlsplit(self._environment[url])
            if name in self._servers:
                lines.append(f"  {name:<11} process {self._servers[name].pid}, port {where.port}")
            else:
                lines.append(f"  {name:<11} yours, at {where.hostname or where.path} ({url})")
        lines += [f"  data        {self._folder.path}", f"  logs        {self._folder.log_path('hub-1').parent}", ""]
        if self._folder.home != self._folder.path:
            lines.insert(-1, f"  databases   {self._folder.home} (PostgreSQL's account cannot reach the data folder)")
        lines.append("Ctrl-C stops it; the data stays.")
        self._say("\n".join(lines))


async def _check_redis(url: str) -> None:
    """Hubs live without Redis, but a wrong address is better told now. Raises: CannotStart."""
    address = urlsplit(url)
    where = address.path if address.scheme == "unix" else f"{address.hostname}:{address.port or 6379}"
    try:
        async with asyncio.timeout(REDIS_ANSWER_S):
            if address.scheme == "unix":
                _, writer = await asyncio.open_unix_connection(address.path)
            else:
                _, writer = await asyncio.open_connection(address.hostname, address.port or 6379)
        writer.close()
    except (OSError, TimeoutError) as error:
        raise CannotStart(
            f"No Redis or Valkey answers at {where} (HUGMOOD_REDIS_URL): {error or 'no answer'}."
        ) from error


@contextmanager
def _signals(ask_to_stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    signals = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        signals.append(signal.SIGHUP)
    for signum in signals:
        loop.add_signal_handler(signum, ask_to_stop)
    try:
        yield
    finally:
        for signum in signals:
            loop.remove_signal_handler(signum)
