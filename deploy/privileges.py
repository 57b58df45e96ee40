"""Whom the servers run as when we are root: PostgreSQL refuses root, and Valkey has no use for it.

Invariant: permissions of folders that we did not make are never changed. What the account cannot reach is put elsewhere.
"""

import os
import pwd
import stat
from pathlib import Path

from deploy.children import Account, CannotStart

ACCOUNT_NAMES = ("postgres", "nobody")  # initdb wants an account with a name, so a bare number would not do


def server_account(owner_of: Path) -> Account | None:
    """None unless we are root. A folder that exists already keeps its owner. Raises: CannotStart."""
    if os.geteuid() != 0:
        return None
    if owner_of.exists() and (status := owner_of.stat()).st_uid != 0:
        return Account(status.st_uid, status.st_gid)
    for name in ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise CannotStart(
        f"PostgreSQL refuses to run as root, and there is no account {' or '.join(ACCOUNT_NAMES)}:"
        " make one, or start hugmood as another user."
    )


def can_pass(folder: Path, account: Account) -> bool:
    """May *account* go through *folder* and all above it? Mode bits only: an access list that allows it counts as a no."""
    folder = folder.resolve()
    return all(_allows(part, account, 0o1) for part in (folder, *folder.parents))


def can_execute(file: Path, account: Account) -> bool:
    """May *account* reach and run *file*?"""
    file = file.resolve()
    return can_pass(file.parent, account) and _allows(file, account, 0o5)


def _allows(path: Path, account: Account, wanted: int) -> bool:
    status = path.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid == account.uid:
        mode >>= 6
    elif status.st_gid == account.gid:
        mode >>= 3
    return mode & wanted == wanted


def make_folder(path: Path, mode: int, account: Account | None = None) -> None:
    """Make *path* with exactly *mode*, owned by *account*; an existing one stays as it is. Raises: CannotStart."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        return
    except OSError as error:
        raise CannotStart(f"Cannot make the folder {path}: {error.strerror}.") from error
    if account:
        os.chown(path, account.uid, account.gid)
    path.chmod(mode)
