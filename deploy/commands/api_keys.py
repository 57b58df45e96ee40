"""`hugmood api-keys`: the keys with which servers of app owners call us."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import asyncpg

from deploy.reach import Servers, operate
from storage import api_keys

EXIT_NONE = 1
ONCE = "It is shown only now: put it where your server reads its secrets, and nowhere else."


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if there is no such key. Raises: CannotStart."""
    work = {"new": _new, "list": _list, "revoke": _revoke}[arguments.action]
    return operate(arguments, environment, partial(work, arguments))


async def _new(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    """The key on standard output and nowhere else."""
    number, key = await api_keys.add_key(connection, arguments.name, arguments.scope, datetime.now(UTC))
    print(key)
    print(f"Key {number}, {arguments.name}, may {' '.join(sorted(set(arguments.scope)))}. {ONCE}", file=sys.stderr)
    return 0


async def _list(_arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    keys = await api_keys.load_keys(connection)
    for key in keys:
        used = f"used {key.used_at:%Y-%m-%d %H:%M}" if key.used_at is not None else "never used"
        revoked = f"  revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at is not None else ""
        print(f"{key.id}  {key.name}  {','.join(key.scopes)}  made {key.created_at:%Y-%m-%d %H:%M}  {used}{revoked}")
    if not keys:
        print("There is none.", file=sys.stderr)
    return 0


async def _revoke(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    key = await api_keys.revoke_key(connection, arguments.id, datetime.now(UTC))
    if key is None:
        print(f"There is no key {arguments.id}.", file=sys.stderr)
        return EXIT_NONE
    print(f"Key {key.id}, {key.name}, opens nothing any more.")
    return 0
