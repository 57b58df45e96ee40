"""The `hugmood` command: reads arguments and the environment, and starts what they name.

Invariant: what a person can get wrong ends with one plain line for each thing, and exit code 2.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from deploy.arguments import COUNT_MAX, DEFAULT_PORT, add_account, add_data, add_tokens, number, seconds
from deploy.children import CannotStart
from deploy.operators import add_operators
from deploy.ports import LOOPBACK

EXIT_WRONG = 2
EXIT_INTERRUPTED = 130
DEFAULT_DATA = ".hugmood"
SEND_WITHIN_S = 15.0

SETTINGS_HELP = """\
Settings come from the environment: HUGMOOD_DATABASE_URL and HUGMOOD_REDIS_URL (without them `hugmood up` runs its
own servers), HUGMOOD_SECRET or HUGMOOD_SECRET_FILE, HUGMOOD_ENCRYPTION_KEYS or HUGMOOD_ENCRYPTION_KEYS_FILE,
HUGMOOD_LIMITS=off for load tests, HUGMOOD_LOG=debug|info|warning|error, and those of docs/operating.md.
"""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2, without the usage text."""
        self.exit(EXIT_WRONG, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = build_parser(os.environ)
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command != "loadtest":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    try:
        # Only the module of the command is imported: `up` starts many of us, and somebody waits for it.
        command = import_module(f"deploy.commands.{arguments.command.replace('-', '_')}")
        if getattr(arguments, "log_level", None):
            os.environ["HUGMOOD_LOG"] = arguments.log_level
        code: int = command.run(arguments, os.environ)
    except CannotStart as error:
        for line in str(error).splitlines():
            print(f"hugmood {arguments.command}: {line}", file=sys.stderr)
        return EXIT_WRONG
    except (KeyboardInterrupt, BrokenPipeError):
        return EXIT_INTERRUPTED
    return code


def build_parser(environment: "os._Environ[str] | dict[str, str]") -> argparse.ArgumentParser:
    """All commands with their options; defaults may come from *environment*."""
    parser = Parser(
        prog="hugmood",
        description="Live sockets for apps where people hug: nothing lost, doubled or out of order.",
        epilog=SETTINGS_HELP,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    data = Path(environment.get("HUGMOOD_DATA") or DEFAULT_DATA)

    add = commands.add_parser("up", help="run everything on this machine", epilog=SETTINGS_HELP)
    add_data(add, data)
    add.add_argument(
        "--host", default=environment.get("HUGMOOD_HOST") or LOOPBACK, help="address to listen on (%(default)s)"
    )
    add.add_argument(
        "--port",
        type=number("a port", 0, 65_535),
        default=environment.get("HUGMOOD_PORT") or DEFAULT_PORT,
        help="port to listen on; 0: any free one (%(default)s)",
    )
    add.add_argument(
        "--hubs",
        type=number("a number of hubs", 1, 256),
        default=1,
        metavar="N",
        help="hub processes, sharing the port (%(default)s)",
    )
    add.add_argument(
        "--workers",
        type=number("a number of workers", 0, 256),
        default=1,
        metavar="N",
        help="worker processes (%(default)s)",
    )
    add.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="write addresses and process ids there, as JSON, when all is ready",
    )
    _add_log_level(add)

    add = commands.add_parser("hub", help="run one hub", epilog=SETTINGS_HELP)
    _add_log_level(add)
    add = commands.add_parser("worker", help="run one worker", epilog=SETTINGS_HELP)
    add.add_argument("--queues", metavar="A,B", help="which queues to work on (all)")
    _add_log_level(add)
    commands.add_parser("migrate", help="bring the database schema up to date", epilog=SETTINGS_HELP)

    add = commands.add_parser("listen", help="log in and print events as JSON lines")
    add_account(add, data)
    add.add_argument(
        "--count",
        type=number("a number of events", 1, COUNT_MAX),
        metavar="N",
        help="end after N durable events, such as hugs",
    )
    add = commands.add_parser("send", help="send a hug")
    add_account(add, data)
    add.add_argument("--to", required=True, metavar="USER", help="whom to hug: an id or a username")
    add.add_argument("--kind", default="warm", help="the kind of hug, such as bear or comfort (%(default)s)")
    add.add_argument("--message", metavar="TEXT")
    add.add_argument("--id", metavar="UUID", help="to send the same hug again, without doubling it")
    add.add_argument(
        "--within", type=seconds, default=SEND_WITHIN_S, metavar="SECONDS", help="how long to try (%(default)s)"
    )

    # Its options are read by itself: whoever starts a hub need not wait for the load tester to be imported.
    commands.add_parser("loadtest", help="make load and measure what it costs", add_help=False)

    people = commands.add_parser("people", help="make accounts in bulk").add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    add = people.add_parser("make", help="make accounts with tokens, for tests and load, as JSON lines")
    add_data(add, data)
    add.add_argument("--count", type=number("a number of people", 1, COUNT_MAX), required=True, metavar="N")
    add.add_argument(
        "--friends",
        type=number("a number of friends", 0, 1_000),
        default=0,
        metavar="K",
        help="friends of each (%(default)s)",
    )
    add_tokens(add)
    add.add_argument("--yes", action="store_true", help="also into a database that is not the data folder's own")

    add_operators(commands, data)
    return parser


def _add_log_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"), help="instead of HUGMOOD_LOG")


if __name__ == "__main__":
    sys.exit(main())
