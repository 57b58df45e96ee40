"""The arguments of what operators do with stored data: dead jobs, keys, outages, demo data, notices, traces."""

import argparse
from pathlib import Path
from typing import Protocol
from uuid import UUID

from deploy.arguments import COUNT_MAX, add_data, add_tokens, day, number, seconds
from domain.api_keys import NAME_MAX, Scope

LISTED = 50
ID_MAX = 2**63 - 1
BATCH_ROWS = 500
WAIT_MS = 20
WATCHED_S = 15.0
DEMO_DAYS_MAX = 3_660
DEMO_PEOPLE = Path("demo-people.jsonl")


class Commands(Protocol):
    """What argparse's `add_subparsers` gives."""

    def add_parser(self, name: str, *, help: str) -> argparse.ArgumentParser:  # noqa: A002  argparse's name
        """A parser for one more."""


def add_operators(commands: Commands, data: Path) -> None:
    """Add them to *commands*. *data*: the default data folder."""
    _add_dead_jobs(_actions(commands, "dead-jobs", "jobs that were given up"), data)
    _add_keys(_actions(commands, "keys", "the keys of encrypted fields"), data)
    _add_outage(_actions(commands, "outage", "days on which nobody could log, frozen in all streaks"), data)
    _add_api_keys(_actions(commands, "api-keys", "the keys of app owners' servers"), data)
    _add_send_test_push(commands.add_parser("send-test-push", help="notify somebody, and see what becomes of it"), data)
    _add_trace(commands.add_parser("trace", help="the life of one hug: what happened when, and why not"), data)
    _add_demo_data(commands.add_parser("demo-data", help="invent people with friends, hugs and moods"), data)


def _actions(commands: Commands, name: str, summary: str) -> Commands:
    return commands.add_parser(name, help=summary).add_subparsers(dest="action", required=True, metavar="ACTION")


def _add_dead_jobs(actions: Commands, data: Path) -> None:
    add = actions.add_parser("list", help="the newest first")
    add.add_argument("--queue", metavar="Q", help="only those of this queue")
    add.add_argument("--function", metavar="F", help="only those that called this function")
    add.add_argument(
        "--limit",
        type=number("a number of jobs", 1, 1_000_000),
        default=LISTED,
        metavar="N",
        help="no more than these (%(default)s)",
    )
    add.add_argument("--json", action="store_true", help="a JSON object a line")
    add_data(add, data)
    add = actions.add_parser("show", help="all that is known of some, with their arguments")
    add.add_argument("ids", nargs="+", type=_id, metavar="ID")
    add.add_argument("--json", action="store_true", help="a JSON object a line")
    add_data(add, data)
    for name, summary in (("requeue", "have them run again"), ("drop", "forget them")):
        add = actions.add_parser(name, help=summary)
        add.add_argument("ids", nargs="*", type=_id, metavar="ID")
        add.add_argument("--all", action="store_true", help="instead of ids: all of --queue")
        add.add_argument("--queue", metavar="Q")
        add_data(add, data)


def _add_keys(actions: Commands, data: Path) -> None:
    actions.add_parser("new", help="print a new key, and where to put it")
    add = actions.add_parser("rotate", help="encrypt with the newest key whatever an older one has encrypted")
    add.add_argument("--dry-run", action="store_true", help="only count what each key has encrypted")
    add.add_argument(
        "--batch",
        type=number("a number of rows", 1, 10_000),
        default=BATCH_ROWS,
        metavar="N",
        help="rows in one transaction (%(default)s)",
    )
    add.add_argument(
        "--wait-ms",
        type=number("milliseconds", 0, 60_000),
        default=WAIT_MS,
        metavar="MS",
        help="rest between two batches, so that others get their turn (%(default)s)",
    )
    add_data(add, data)


def _add_outage(actions: Commands, data: Path) -> None:
    add = actions.add_parser("add", help="declare one")
    add.add_argument("first", type=day, metavar="FROM", help="the first local date, such as 2026-01-31")
    add.add_argument("last", type=day, metavar="TO", help="the last one")
    add.add_argument("--reason", metavar="TEXT", help="for those who read the list")
    add_data(add, data)
    add_data(actions.add_parser("list", help="the latest first"), data)
    add = actions.add_parser("remove", help="take one back")
    add.add_argument("id", type=_id, metavar="ID")
    add_data(add, data)


def _add_api_keys(actions: Commands, data: Path) -> None:
    add = actions.add_parser("new", help="make one; it is shown once")
    add.add_argument("name", type=_name, metavar="NAME", help="whose it is, for those who read the list")
    add.add_argument(
        "--scope",
        action="append",
        choices=[scope.value for scope in Scope],
        required=True,
        help="what it may do; several times for several",
    )
    add_data(add, data)
    add_data(actions.add_parser("list", help="the latest first, without the keys themselves"), data)
    add = actions.add_parser("revoke", help="have one open nothing any more")
    add.add_argument("id", type=_uuid, metavar="ID")
    add_data(add, data)


def _add_send_test_push(add: argparse.ArgumentParser, data: Path) -> None:
    add.add_argument("user", metavar="USER", help="an id or a username")
    add.add_argument(
        "--within", type=seconds, default=WATCHED_S, metavar="SECONDS", help="how long to watch it (%(default)s)"
    )
    add_data(add, data)


def _add_trace(add: argparse.ArgumentParser, data: Path) -> None:
    add.add_argument("hug", type=_uuid, metavar="HUG_ID")
    add.add_argument("--json", action="store_true", help="a JSON object a line")
    add_data(add, data)


def _add_demo_data(add: argparse.ArgumentParser, data: Path) -> None:
    add.add_argument("--users", type=number("a number of people", 1, COUNT_MAX), required=True, metavar="N")
    add.add_argument(
        "--days", type=number("a number of days", 1, DEMO_DAYS_MAX), required=True, metavar="M", help="up to now"
    )
    add.add_argument(
        "--until",
        type=day,
        metavar="DATE",
        help="up to the end of this date in UTC instead: the same again at any time",
    )
    add.add_argument(
        "--seed",
        type=number("a seed", 0, 999_999_999),
        default=1,
        metavar="S",
        help="other people for each; the same for the same (%(default)s)",
    )
    add_tokens(add, DEMO_PEOPLE)
    add.add_argument("--anyway", action="store_true", help="also into a database that people use already")
    add_data(add, data)


_id = number("an id", 1, ID_MAX)


def _name(value: str) -> str:
    if not 1 <= len(value) <= NAME_MAX or not value.isprintable():
        raise argparse.ArgumentTypeError(f"{value!r} is not a name of 1 to {NAME_MAX} characters")
    return value


def _uuid(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{value!r} is not an id such as 0198f2a4-7b1c-7d3e-9f00-000000000001"
        ) from None
