"""`hugmood keys`: a new key for encrypted fields, and what older keys have encrypted encrypted anew."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import asyncpg

from deploy.key_rotation import Pace, explain, is_finished, load_uses, rotate
from deploy.reach import Servers, find_keys, operate
from domain.errors import Unavailable
from storage.encryption_keys import make_key
from storage.jobs import open_pool
from storage.waiting_notes import load_waiting_keys

EXIT_SOME_LEFT = 1
WHERE = (
    "Put it before the keys in HUGMOOD_ENCRYPTION_KEYS or its file (that of `hugmood up`: encryption-keys in the data "
    "folder) and keep those. With several machines it takes two rounds: docs/operating.md, Keys."
)


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if something is left that an older key has encrypted. Raises: CannotStart."""
    return _new() if arguments.action == "new" else _rotate(arguments, environment)


def _new() -> int:
    """On standard output and nowhere else."""
    print(make_key(datetime.now(UTC).date()).line)
    print(WHERE, file=sys.stderr)
    return 0


def _rotate(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    async def work(servers: Servers, connection: asyncpg.Connection) -> int:
        keys = find_keys(arguments.data, environment)
        if not arguments.dry_run:
            await rotate(connection, keys, Pace(arguments.batch, arguments.wait_ms / 1000), _say)
        waiting = await _load_waiting(servers.jobs_redis_url)  # before the table: what leaves Redis now is seen there
        uses = await load_uses(connection, waiting, keys)
        for line in explain(uses):
            print(line)
        return 0 if arguments.dry_run or is_finished(uses) else EXIT_SOME_LEFT

    return operate(arguments, environment, work)


async def _load_waiting(redis_url: str | None) -> frozenset[str] | None:
    if redis_url is None:
        return None
    try:
        async with open_pool(redis_url) as redis:
            return await load_waiting_keys(redis)
    except Unavailable:
        return None


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
