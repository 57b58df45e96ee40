"""What `hugmood up` runs, as a file: for scripts that wait for it, and for the other commands to find it."""

import contextlib
from pathlib import Path

import msgspec
from msgspec import Struct

from deploy.children import CannotStart
from deploy.folder import write_private

FILE_NAME = "running.json"  # in the data folder


class Pids(Struct, frozen=True):
    """Process ids; null for a server that is not ours."""

    hubs: list[int]
    workers: list[int]
    postgres: int | None
    valkey: int | None


class Running(Struct, frozen=True):
    """Addresses as other programs on this machine use them, passwords included: the file is ours alone to read."""

    url: str
    metrics: list[str]
    database_url: str
    redis_url: str
    pids: Pids


class RunningFiles:
    """The file in the data folder, and the one that was asked for with `--ready-file`. They exist while all is ready."""

    def __init__(self, data: Path, ready_file: Path | None) -> None:
        self._paths = [data / FILE_NAME, *([ready_file.absolute()] if ready_file else [])]

    def write(self, running: Running) -> None:
        """Whole or not at all, also when it replaces an older one. Raises: CannotStart."""
        for path in self._paths:
            try:
                write_private(path, msgspec.json.encode(running))
            except OSError as error:
                raise CannotStart(f"{path} cannot be written: {error.strerror}.") from error

    def remove(self) -> None:
        """Also what a predecessor left that was killed. Raises: CannotStart if the folder of the ready file is missing."""
        for path in self._paths:
            if not path.parent.is_dir():
                raise CannotStart(f"There is no folder {path.parent} to write {path.name} to.")
            with contextlib.suppress(FileNotFoundError):
                path.unlink()


def load_running(data: Path) -> Running | None:
    """What runs on the data folder *data*; None if nothing does (or it is only starting)."""
    try:
        return msgspec.json.decode((data / FILE_NAME).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None
