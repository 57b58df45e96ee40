"""`hugmood demo-data`: plausible people with friends, hugs and moods, for charts and tests."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day

from deploy.children import CannotStart
from deploy.demo_data import Access, World, check_is_new, make_demo
from deploy.people import open_tokens
from deploy.reach import find_keys, find_secret, reach
from domain.accounts import check_password
from domain.errors import Refusal
from domain.times import to_ms
from storage.direct import connect
from storage.encryption import KeyRing
from storage.migrate import SchemaMismatch, migrate


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Raises: CannotStart."""
    world = World(users=arguments.users, days=arguments.days, seed=arguments.seed, until_ms=_until_ms(arguments))
    try:
        if arguments.password is not None:
            check_password(arguments.password)
        with reach(arguments.data, environment) as servers:
            asyncio.run(_make(servers.database_url, world, arguments, environment))
    except (Refusal, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    return 0


def _until_ms(arguments: argparse.Namespace) -> int:
    now_ms = time.time_ns() // 1_000_000
    if arguments.until is None:
        return now_ms
    end_ms = to_ms(datetime.combine(arguments.until + timedelta(days=1), time_of_day(), UTC))
    if end_ms > now_ms:
        raise CannotStart(f"{arguments.until} is not over yet (in UTC).")
    return end_ms


async def _make(url: str, world: World, arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    await migrate(url)
    if not arguments.anyway:
        async with connect(url) as connection:
            await check_is_new(connection)
    access = Access(
        secret=find_secret(arguments.data, environment),
        token_ttl_s=arguments.token_ttl,
        password=arguments.password,
    )
    ring = KeyRing(find_keys(arguments.data, environment))
    with open_tokens(arguments.out) as out:
        await make_demo(url, world, access, ring, out, _say)
    if str(arguments.out) != "-":
        _say(f"How to log in as them is in {arguments.out}.")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
