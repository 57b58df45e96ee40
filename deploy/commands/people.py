"""`hugmood people make`: accounts in bulk, for tests and load."""

import argparse
import asyncio
import sys
from collections.abc import Mapping

from deploy.children import CannotStart
from deploy.people import Crowd, make_people, open_tokens
from deploy.reach import find_secret, reach
from domain.errors import Refusal
from storage.migrate import SchemaMismatch, migrate


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """Raises: CannotStart."""
    crowd = Crowd(
        count=arguments.count,
        friends=arguments.friends,
        token_ttl_s=arguments.token_ttl,
        password=arguments.password,
    )
    try:
        crowd.check()
        with reach(arguments.data, environment) as servers:
            if servers.foreign and not arguments.yes:
                raise CannotStart(
                    f"This would write accounts in bulk to {servers.foreign}, which is not the data folder's own: add "
                    "--yes if you mean it."
                )
            asyncio.run(_make(servers.database_url, crowd, arguments, environment))
    except (Refusal, SchemaMismatch) as error:
        raise CannotStart(str(error)) from error
    return 0


async def _make(url: str, crowd: Crowd, arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    await migrate(url)
    secret = find_secret(arguments.data, environment)
    with open_tokens(arguments.out) as out:
        await make_people(url, secret, crowd, out, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
