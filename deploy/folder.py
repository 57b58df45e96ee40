"""The data folder: one running HugMood at a time, and everything it has to remember.

    lock            held while anybody works here; our servers inherit it, so it is free only when they are gone too
    servers.json    ports and passwords of the embedded servers
    secret          signs access tokens
    encryption-keys what notes and the like are encrypted with; without it they are lost
    running.json    what `hugmood up` runs now, for `hugmood people`, `listen` and `send`
    postgres/ valkey/ log/

Started by root below a folder that others cannot enter (such as /root), the servers' own folders live in
/var/lib/hugmood instead: their account has to reach them, and opening somebody's home for that is not ours to do.
"""

import errno
import fcntl
import os
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.children import CannotStart
from deploy.privileges import can_pass, make_folder, server_account
from storage.encryption_keys import make_key

SYSTEM_HOME = Path("/var/lib/hugmood")
LOCK_WAIT_S = 20.0  # how long servers of a killed predecessor may take to die
LOCK_POLL_S = 0.02
LOG_MAX_BYTES = 10 * 1024 * 1024
SECRET_BYTES = 48


class InUse(CannotStart):
    """Somebody else works on the data folder."""


class ServersState(Struct, kw_only=True):
    """What makes the second start find the first one's servers. *home*: see the module."""

    home: str | None = None
    postgres_port: int | None = None
    postgres_password: str = ""
    valkey_port: int | None = None
    valkey_password: str = ""


class DataFolder:
    """A data folder that this process holds. Make it with `DataFolder.hold`; `release` it at the end."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock  # a descriptor, for the servers to inherit
        self.state = _load_state(path)
        if not self.state.postgres_password:
            self.state.postgres_password = secrets.token_urlsafe(24)
            self.state.valkey_password = secrets.token_urlsafe(24)
        self.account = server_account(self._chosen_home() / "postgres")
        self.home = self._make_home()
        self.save_state()

    @classmethod
    def hold(cls, path: Path) -> "DataFolder":
        """Make *path* if need be, and lock it. Raises: InUse; CannotStart if it cannot be written."""
        path = path.absolute()
        make_folder(path, 0o711 if os.geteuid() == 0 else 0o700)
        lock = _lock(path)
        try:
            return cls(path, lock)
        except OSError as error:
            os.close(lock)
            raise CannotStart(f"The data folder {path} cannot be used: {error}.") from error
        except BaseException:
            os.close(lock)
            raise

    def release(self) -> None:
        """Let the next one in. The lock file stays: removing it could take the lock from under a successor."""
        os.close(self.lock)

    def save_state(self) -> None:
        """Remember ports and passwords."""
        write_private(self.path / "servers.json", msgspec.json.encode(self.state))

    def secret_file(self) -> Path:
        """The file with what signs access tokens, made at the first start."""
        path = self.path / "secret"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(SECRET_BYTES).encode())
        return path

    def keys_file(self) -> Path:
        """The file with the keys of encrypted fields; the first one is made at the first start."""
        path = self.path / "encryption-keys"
        if not path.exists():
            write_private(path, f"{make_key(datetime.now(UTC).date()).line}\n".encode(), is_lasting=True)
        return path

    def log_path(self, name: str) -> Path:
        """Where `open_log` writes."""
        return self.path / "log" / f"{name}.log"

    def open_log(self, name: str) -> int:
        """A descriptor to append to the log *name*; one that has grown too large is put aside first."""
        path = self.log_path(name)
        make_folder(path.parent, 0o700)
        if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
            path.replace(path.with_suffix(".log.old"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def make_server_folder(self, name: str) -> Path:
        """A folder below `home` that belongs to the servers' account, and to nobody else."""
        path = self.home / name
        make_folder(path, 0o700, self.account)
        return path

    def _chosen_home(self) -> Path:
        return Path(self.state.home) if self.state.home else self.path

    def _make_home(self) -> Path:
        """Where the servers' folders go: here, unless their account cannot come here."""
        home = self._chosen_home()
        if self.account is None or self.state.home or can_pass(home, self.account):
            return home
        make_folder(SYSTEM_HOME, 0o711)
        home = SYSTEM_HOME / secrets.token_hex(6)
        make_folder(home, 0o711)
        self.state.home = str(home)
        return home


def write_private(path: Path, content: bytes, *, is_lasting: bool = False) -> None:
    """Replace *path* in one step; only we may read it. *is_lasting*: once this returns it outlives a power cut."""
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:  # noqa: PTH123  with a mode
        file.write(content)
        if is_lasting:
            file.flush()
            os.fsync(file.fileno())
    new.replace(path)
    if is_lasting:
        _keep_names(path.parent)


def _keep_names(path: Path) -> None:
    """What was renamed in the folder *path* stays so after a power cut."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _load_state(path: Path) -> ServersState:
    try:
        return msgspec.json.decode((path / "servers.json").read_bytes(), type=ServersState)
    except FileNotFoundError:
        return ServersState()
    except msgspec.DecodeError as error:
        raise CannotStart(f"{path / 'servers.json'} is damaged: {error}.") from error


def _lock(path: Path) -> int:
    """Raises: InUse, at once if the holder lives, else when its servers are still there after a while; CannotStart."""
    file = path / "lock"
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotStart(f"The data folder {path} cannot be written: {error.strerror}.") from error
    deadline = time.monotonic() + LOCK_WAIT_S
    while not _try_lock(lock):
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        if _is_alive(holder) or time.monotonic() > deadline:
            os.close(lock)
            raise InUse(f"The data folder {path} is in use by another hugmood (process {holder or 'unknown'}).")
        time.sleep(LOCK_POLL_S)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _is_alive(pid: str) -> bool:
    """A zombie, which has no command line any more, is not alive."""
    try:
        return pid.isdecimal() and (Path("/proc") / pid / "cmdline").read_bytes() != b""
    except OSError:
        return False


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise
    return True
