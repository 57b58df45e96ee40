"""`hugmood outage`: days on which people could not log, frozen in every streak for nothing."""

import argparse
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import asyncpg

from deploy.reach import Servers, operate
from domain.outages import check_outage
from storage import outages

EXIT_NONE = 1


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if there is no such outage. Raises: CannotStart."""
    work = {"add": _add, "list": _list, "remove": _remove}[arguments.action]
    return operate(arguments, environment, partial(work, arguments))


async def _add(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    first, last = arguments.first, arguments.last
    check_outage(first, last, datetime.now(UTC).date())
    number, is_new = await outages.add_outage(connection, first, last, arguments.reason)
    print(f"Outage {number}, {first} to {last}, {'is declared' if is_new else 'was declared before'}.")
    _tell(await outages.mark_streaks(connection, last))
    return 0


async def _list(_arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    declared = await outages.load_outages(connection)
    for outage in declared:
        reason = f"  {outage.reason}" if outage.reason else ""
        print(f"{outage.id:>6}  {outage.first_day}  {outage.last_day}{reason}")
    if not declared:
        print("There is none.", file=sys.stderr)
    return 0


async def _remove(arguments: argparse.Namespace, _servers: Servers, connection: asyncpg.Connection) -> int:
    gone = await outages.remove_outage(connection, arguments.id)
    if gone is None:
        print(f"There is no outage {arguments.id}.", file=sys.stderr)
        return EXIT_NONE
    print(f"Outage {gone.id}, {gone.first_day} to {gone.last_day}, is taken back.")
    _tell(await outages.mark_streaks(connection, gone.last_day))
    return 0


def _tell(marked: int) -> None:
    print(f"{'1 streak is' if marked == 1 else f'{marked:,} streaks are'} reckoned anew by the workers.")
