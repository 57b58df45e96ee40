"""Makes a PostgreSQL cluster, once for each data folder.

Invariant: a cluster has its final name only when it is complete. What a kill -9 left unfinished is thrown away.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deploy.binaries import Program
from deploy.children import CannotStart
from deploy.folder import DataFolder

WITHIN_S = 120
USER = "hugmood"
DATABASE = "hugmood"
BUILTIN_LOCALE_MAJOR = 17  # before that the C.UTF-8 of the system's C library is used


def make_cluster(folder: DataFolder, program: Program, postgres: Path, cluster: Path, *, is_durable: bool) -> None:
    """`initdb`, and an empty database; a second or two. *postgres*: the path to run, with `initdb` beside it.

    Raises: CannotStart.
    """
    unfinished = folder.home / f"{cluster.name}.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    folder.make_server_folder(unfinished.name)
    password_file = folder.make_server_folder("password.unfinished") / "password"
    try:
        password_file.write_text(folder.state.postgres_password, encoding="ascii")
        password_file.chmod(0o644)  # its folder is closed to everybody but the account that has to read it
        _run(
            folder,
            [
                *(postgres.with_name("initdb"), "-D", unfinished, "-U", USER, f"--pwfile={password_file}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
                *_locale(program),
                *(["--data-checksums"] if is_durable else ["--no-sync"]),
            ],
        )
    finally:
        shutil.rmtree(password_file.parent)
    # In single-user mode, because nothing listens yet. It ends with a checkpoint.
    no_fsync = [] if is_durable else ["-F"]
    said = _run(
        folder, [postgres, "--single", *no_fsync, "-D", unfinished, "postgres"], f"create database {DATABASE}\n"
    )
    if "ERROR" in said:
        raise CannotStart(f"The database could not be made: {_last_line(said)}")
    unfinished.rename(cluster)


def _locale(program: Program) -> list[str]:
    """Sorted by code point, with upper and lower case of all scripts, the same on every machine."""
    if program.version[0] >= BUILTIN_LOCALE_MAJOR:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _run(folder: DataFolder, argv: Sequence[str | Path], said: str = "") -> str:
    """Run to the end as the servers' account; returns what it wrote to standard error. Raises: CannotStart."""
    account = folder.account
    name = Path(argv[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            input=said,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
            cwd=folder.home,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            pass_fds=(folder.lock,),
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotStart(f"{name} cannot be run: {error}.") from error
    if done.returncode:
        raise CannotStart(f"{name} could not make the database: {_last_line(done.stderr)}")
    return done.stderr


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
