"""`hugmood trace`: the life of one hug, from its acceptance to how it was felt."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

import asyncpg
import msgspec

from deploy.reach import Servers, operate
from domain.times import rfc3339
from hub.api.traces import step_of
from storage.postgres import Database
from storage.traces import KEPT, Life, Step, load_life

EXIT_NONE = 1
EXPIRED = f"It is older than {KEPT.days} days: where it was rung and what was pushed is known no longer."
UNKNOWN = "Nothing is known of a push, and no device has acknowledged it: does a worker run?"


def run(arguments: argparse.Namespace, environment: Mapping[str, str]) -> int:
    """1 if there is no such hug. Raises: CannotStart."""
    return operate(arguments, environment, partial(_trace, arguments))


async def _trace(arguments: argparse.Namespace, servers: Servers, _connection: asyncpg.Connection) -> int:
    async with Database(servers.database_url) as database:
        life = await load_life(database, arguments.hug)
    if life is None:
        print(f"There is no hug {arguments.hug}.", file=sys.stderr)
        return EXIT_NONE
    steps = life.seen_by_operator()
    if arguments.json:
        for step in steps:
            print(msgspec.json.encode(step_of(step)).decode())
    else:
        hug = life.hug
        print(
            f"{hug['kind']} hug {hug['id']} from {hug['sender']} to {hug['recipient']}, whose event {hug['seq']} it is"
        )
        for line in _table(steps):
            print(line)
    _remark(life)
    return 0


def _table(steps: Sequence[Step]) -> list[str]:
    """One line a step: when, how many ms after the first, what, and what more is known."""
    begin_ms = steps[0].at_ms
    offsets = [f"+{step.at_ms - begin_ms:,} ms" for step in steps]
    width = max(map(len, offsets))
    return [
        f"{rfc3339(step.at_ms)}  {offset:>{width}}  {step.what:<15}  {_more(step)}".rstrip()
        for step, offset in zip(steps, offsets, strict=True)
    ]


def _more(step: Step) -> str:
    nodes = None
    if step.nodes is not None:
        nodes = f"to {', '.join(step.nodes)}" if step.nodes else "to nobody: nobody was connected"
    return "; ".join(filter(None, (step.provider, step.device, step.detail, nodes, step.delivery)))


def _remark(life: Life) -> None:
    """What the table cannot show."""
    if life.is_expired(datetime.now(UTC)):
        print(EXPIRED, file=sys.stderr)
    elif life.hug["acked_at"] is None and not life.pushes:
        print(UNKNOWN, file=sys.stderr)
