"""PostgreSQL and Valkey as our own children, for a machine on which nothing is installed.

Invariant: what PostgreSQL acknowledged is on disk (Valkey: within a second, and it may lose all by design); both listen
on loopback only, behind a password, and die when we do.

Both are used in the same way: `launch` on the main thread, `wait_ready`, later `stop`. They block; an event loop calls
the last two through `asyncio.to_thread`.
"""

import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from deploy.binaries import Program, find_postgres, find_valkey, within_reach
from deploy.children import CannotStart, Child, spawn
from deploy.cluster import DATABASE, USER, make_cluster
from deploy.folder import DataFolder
from deploy.logs import last_words
from deploy.ports import LOOPBACK, free_port

READY_WITHIN_S = 300.0  # recovery from a large write-ahead log on a slow disk; one that fails says so at once
READY_POLL_S = 0.005
PING_WITHIN_S = 1.0
PREDECESSOR_WITHIN_S = 10.0
STOP_WITHIN_S = 30.0
VALKEY_COPY_AVOIDANCE = (9, 0)  # the first version that can stall on large replies, and can be told not to

POSTGRES_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "wal_buffers": "16MB",
    "wal_init_zero": "off",  # filling a new segment with zeros holds every commit up for 60 ms
    "min_wal_size": "160MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "10min",
    "random_page_cost": "1.1",
    "work_mem": "8MB",
    "maintenance_work_mem": "128MB",
    "jit": "off",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # the details quote what people wrote
    "cluster_name": "hugmood",
}
POSTGRES_UNSAFE = {"fsync": "off", "full_page_writes": "off"}

VALKEY_SETTINGS = {
    "bind": LOOPBACK,
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "tcp-keepalive": "60",
    "client-output-buffer-limit": "pubsub 64mb 16mb 10",
    "daemonize": "no",
}


class EmbeddedServer(Protocol):
    """What `hugmood up` knows of either of them."""

    @property
    def name(self) -> str:
        """As people call it."""
        ...

    @property
    def log_name(self) -> str:
        """Of its file below `log/`, without the ending."""
        ...

    @property
    def stop_steps(self) -> tuple[tuple[signal.Signals, float], ...]:
        """Signals in order, each with the seconds it gets; then SIGKILL."""
        ...

    @property
    def url(self) -> str:
        """For clients on this machine; the same over restarts as long as its port stays free."""
        ...

    @property
    def child(self) -> Child:
        """The process launched last. Raises: RuntimeError before the first `launch`."""
        ...

    def launch(self) -> None:
        """Start it, on the main thread; the first time it makes its data first. Raises: CannotStart."""
        ...

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Block until it answers. Raises: CannotStart, with the last line of its log."""
        ...

    def stop(self) -> None:
        """Block until it is gone, with everything written out."""
        ...


class EmbeddedPostgres:
    """One PostgreSQL cluster below a data folder. Without *is_durable*, for tests, it never waits for the disk."""

    name = "PostgreSQL"
    log_name = "postgres"
    stop_steps = ((signal.SIGINT, STOP_WITHIN_S), (signal.SIGQUIT, 6.0))  # "fast", then "immediate"

    def __init__(self, folder: DataFolder, *, is_durable: bool = True) -> None:
        self._folder = folder
        self._is_durable = is_durable
        self._child: Child | None = None
        self.cluster = folder.home / "postgres"

    @property
    def url(self) -> str:
        state = self._folder.state
        return f"postgresql://{USER}:{quote(state.postgres_password)}@{LOOPBACK}:{state.postgres_port}/{DATABASE}"

    @property
    def child(self) -> Child:
        return _running(self._child)

    @property
    def pid(self) -> int:
        return self.child.pid

    def launch(self) -> None:
        program = self._program()
        path = within_reach(program, self._folder.account, self._folder.home / "servers")
        if not self.cluster.exists():
            make_cluster(self._folder, program, path, self.cluster, is_durable=self._is_durable)
        self._wait_for_predecessors()
        state = self._folder.state
        if self._child is None:  # a restart keeps the port: others know it by now
            state.postgres_port = free_port(state.postgres_port)
            self._folder.save_state()
        settings = POSTGRES_SETTINGS | ({} if self._is_durable else POSTGRES_UNSAFE)
        settings["port"] = str(state.postgres_port)
        argv: list[str | Path] = [path, "-D", self.cluster, *(f"--{name}={value}" for name, value in settings.items())]
        # SIGQUIT: the postmaster takes its own children with it at once, and recovers from its log next time.
        self._child = _spawn(self._folder, argv, self.log_name, signal.SIGQUIT)

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        _wait_until(self._is_ready, self._folder, self.child, within_s)

    def stop(self) -> None:
        if self._child:
            self._child.stop(*self.stop_steps)

    def _program(self) -> Program:
        made_by = self.cluster / "PG_VERSION"
        return find_postgres(int(made_by.read_text(encoding="ascii")) if made_by.exists() else None)

    def _is_ready(self) -> bool:
        """As pg_ctl sees it: the postmaster keeps its state in the eighth line of its pid file."""
        lines = self._pid_lines()
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _pid_lines(self) -> list[str]:
        try:
            return (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _wait_for_predecessors(self) -> None:
        """After a kill -9 of the postmaster its children live on for a moment, and must not meet new ones.

        Then its pid file names a process that is gone, or a stranger by now, for which PostgreSQL would refuse to start.
        Raises: CannotStart if they do not go away.
        """
        deadline = time.monotonic() + PREDECESSOR_WITHIN_S
        while pid := _find_process("postgres", self.cluster.resolve()):
            if time.monotonic() > deadline:
                raise CannotStart(f"Another PostgreSQL (process {pid}) runs on {self.cluster}.")
            time.sleep(READY_POLL_S)
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)


class EmbeddedValkey:
    """One Valkey (or Redis) below a data folder."""

    name = "Valkey"
    log_name = "valkey"
    stop_steps = ((signal.SIGTERM, STOP_WITHIN_S),)

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._child: Child | None = None

    @property
    def url(self) -> str:
        state = self._folder.state
        return f"redis://:{quote(state.valkey_password)}@{LOOPBACK}:{state.valkey_port}/0"

    @property
    def child(self) -> Child:
        return _running(self._child)

    @property
    def pid(self) -> int:
        return self.child.pid

    def launch(self) -> None:
        program = find_valkey()
        path = within_reach(program, self._folder.account, self._folder.home / "servers")
        state = self._folder.state
        if self._child is None:  # a restart keeps the port: others know it by now
            state.valkey_port = free_port(state.valkey_port)
            self._folder.save_state()
        settings = VALKEY_SETTINGS | {
            "dir": f'"{self._folder.make_server_folder("valkey")}"',
            "port": str(state.valkey_port),
            "requirepass": state.valkey_password,
        }
        if program.is_valkey and program.version >= VALKEY_COPY_AVOIDANCE:
            settings["min-string-size-avoid-copy-reply"] = "0"
        # The settings go in by standard input: the password shows neither on disk nor in the list of processes.
        # SIGTERM: it takes the child that rewrites its log with it, which SIGKILL would leave behind.
        self._child = _spawn(self._folder, [path, "-"], self.log_name, signal.SIGTERM, settings)

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        _wait_until(self._is_ready, self._folder, self.child, within_s)

    def stop(self) -> None:
        if self._child:
            self._child.stop(*self.stop_steps)

    def _is_ready(self) -> bool:
        """It answers, and has read its log."""
        state = self._folder.state
        try:
            with socket.create_connection((LOOPBACK, state.valkey_port or 0), timeout=PING_WITHIN_S) as connection:
                connection.sendall(f"AUTH {state.valkey_password}\r\nPING\r\n".encode())
                reply = b""
                while reply.count(b"\r\n") < 2 and (more := connection.recv(256)):
                    reply += more
        except OSError:
            return False
        return reply == b"+OK\r\n+PONG\r\n"


def _find_process(name: str, works_in: Path) -> str | None:
    """The pid of a process of ours called *name* whose working directory is *works_in*."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text(encoding="utf-8") == f"{name}\n" and (
                process / "cwd"
            ).readlink() == works_in:
                return process.name
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
    return None


def _running(child: Child | None) -> Child:
    if child is None:
        raise RuntimeError("the server was not launched")
    return child


def _spawn(
    folder: DataFolder,
    argv: list[str | Path],
    name: str,
    death_signal: signal.Signals,
    standard_input: Mapping[str, str] | None = None,
) -> Child:
    log = folder.open_log(name)
    try:
        child = spawn(
            argv,
            name,
            death_signal=death_signal,
            output=log,
            cwd=folder.home,
            account=folder.account,
            keep_open=(folder.lock,),  # so that the folder is free only when the server is gone too
            env={"PATH": os.defpath, "LC_ALL": "C"},
            with_stdin=standard_input is not None,
        )
    finally:
        os.close(log)
    if standard_input is not None and child.stdin is not None:
        with child.stdin as pipe:
            pipe.write("".join(f"{key} {value}\n" for key, value in standard_input.items()).encode())
    return child


def _wait_until(is_ready: Callable[[], bool], folder: DataFolder, child: Child, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not is_ready():
        code = child.exit_code
        if code is not None or time.monotonic() > deadline:
            log = folder.log_path(child.name)
            what = f"ended with code {code}" if code is not None else f"was not ready within {within_s:.0f} s"
            raise CannotStart(f"The embedded {child.name} {what}: {last_words(log)} (see {log})")
        time.sleep(READY_POLL_S)
