"""`hugmood loadtest`: the command line of the load tester.

Exit codes: 0, every promise and every bound was kept; 1, one was not; 2, it could not be measured.
"""

import argparse
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec
import uvloop

from loadtest import compare
from loadtest.arguments import count, seconds, seconds_or_none
from loadtest.bounds import Bound, broken, parse_bound, unknown_key
from loadtest.catalogue import find_scenario, scenario_names
from loadtest.clients.people import Person, load_people
from loadtest.clients.wire import Lost
from loadtest.progress import Progress
from loadtest.report.html import write_html
from loadtest.report.table import render
from loadtest.results import Result
from loadtest.run import Interrupted, Plan, run_scenario
from loadtest.scenario import Scenario
from loadtest.server.processes import Processes
from loadtest.server.stack import Stack, StackFailed, load_ready, own_stack

PROG = "hugmood loadtest"
COMPARE = "compare"
EXIT_BROKEN, EXIT_NOT_MEASURED, EXIT_INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Exit code 2, without the usage text."""
        self.exit(EXIT_NOT_MEASURED, f"{self.prog}: {message} (see {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """All scenarios with their options."""
    parser = Parser(
        prog=PROG,
        description="Makes load, follows everything that was promised, and measures what it costs.",
        epilog=f"Each scenario has options of its own: {PROG} hugs --help",
    )
    scenarios = parser.add_subparsers(dest="scenario", required=True, metavar="SCENARIO", parser_class=Parser)
    for name in scenario_names():
        scenario = find_scenario(name)
        add = scenarios.add_parser(name, help=scenario.summary, description=scenario.summary)
        _add_options(add, scenario)
        scenario.add_options(add.add_argument_group(f"of {name}"))
    compare.add_options(scenarios.add_parser(COMPARE, help=compare.SUMMARY, description=compare.SUMMARY))
    return parser


def _add_options(parser: argparse.ArgumentParser, scenario: type[Scenario]) -> None:
    server = parser.add_argument_group("the server")
    server.add_argument("--up", action="store_true", help="start one in a temporary folder, without limits")
    server.add_argument("--hubs", type=count, metavar="N", help=f"its hubs (with --up: {scenario.hubs}; else 1)")
    server.add_argument("--workers", type=count, default=1, metavar="N", help="its workers (%(default)s)")
    server.add_argument("--url", help="one that runs already; wants --people, and HUGMOOD_LIMITS=off over there")
    server.add_argument("--people", type=Path, metavar="FILE", help="accounts on it, of `hugmood people make`")
    server.add_argument("--ready-file", type=Path, metavar="FILE", help="of its `hugmood up`, for CPU and memory")
    run = parser.add_argument_group("the run")
    run.add_argument("--seconds", type=seconds, default=20.0, metavar="S", help="that are measured (%(default)s)")
    run.add_argument(
        "--warm-up", type=seconds_or_none, default=2.0, metavar="S", help="checked, not counted (%(default)s)"
    )
    run.add_argument("--processes", type=count, default=1, metavar="N", help="of load, at least (%(default)s)")
    run.add_argument("--pin", action="store_true", help="hubs on the first cores, the load on the last")
    run.add_argument(
        "--require", type=_bound, action="append", default=[], metavar="BOUND", help="such as 'ok_p99_ms<=10'; several"
    )
    run.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    run.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts there")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    options = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up like Ctrl-C
    _raise_file_limit()
    try:
        return compare.run(options) if options.scenario == COMPARE else _measure(options)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except (Lost, StackFailed, ValueError, msgspec.DecodeError, OSError) as error:
        print(f"{PROG} {options.scenario}: {error}", file=sys.stderr)
        return EXIT_NOT_MEASURED


def _raise_file_limit() -> None:
    """As many files as we may open; the load, and the server of --up, inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _measure(options: argparse.Namespace) -> int:
    scenario = find_scenario(options.scenario)(options)
    if scenario.keys and (wrong := unknown_key(options.require, scenario.keys)):
        raise ValueError(wrong)
    for path in (options.json, options.html):
        if path is not None and not path.absolute().parent.is_dir():
            raise ValueError(f"there is no folder {path.absolute().parent} to write {path.name} to")
    progress = Progress()
    with _server(scenario, options, progress) as (stack, people, hubs):
        plan = Plan(options.seconds, options.warm_up, options.processes, hubs, options.pin)
        try:
            result = uvloop.run(run_scenario(scenario, stack, people, plan, progress))
        except Interrupted as interrupted:
            if interrupted.result is not None:
                _tell(interrupted.result, options)
            return EXIT_INTERRUPTED
    return _tell(result, options)


@contextmanager
def _server(
    scenario: Scenario, options: argparse.Namespace, progress: Progress
) -> Iterator[tuple[Stack, list[Person], int]]:
    """The server, its people, and how many hubs it has. Raises: ValueError, StackFailed, OSError, DecodeError."""
    if options.up:
        if options.url or options.people or options.ready_file:
            raise ValueError("--up starts a server of its own: --url, --people and --ready-file belong to another one")
        hubs = options.hubs = options.hubs or scenario.hubs
        progress.say(f"starting {hubs} hub{'s' if hubs > 1 else ''}, PostgreSQL and Valkey in a temporary folder …")
        people = scenario.people() + scenario.people() % 2
        with (
            scenario.beside() as settings,
            own_stack(hubs, people, options.workers, scenario.friends(), settings) as (stack, made),
        ):
            yield stack, made, hubs
        return
    if not options.people or not (options.url or options.ready_file):
        raise ValueError("which server? --up starts one; another wants --people, and --url or --ready-file")
    known = load_ready(options.ready_file) if options.ready_file else Stack(options.url, Processes(()))
    stack = Stack(options.url or known.url, known.processes, known.ready, known.database_url)
    options.hubs = options.hubs or len(known.processes.hubs) or 1
    yield stack, load_people(options.people), options.hubs


def _tell(result: Result, options: argparse.Namespace) -> int:
    """Print and write everything; returns the exit code. Raises: ValueError for an unknown figure, OSError."""
    print(render(result), flush=True)
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(result)) + b"\n")
    if options.html:
        write_html([result], options.html)
    if wrong := unknown_key(options.require, [row.key for row in result.rows]):
        raise ValueError(wrong)
    failures = broken(options.require, result.rows)
    for failure in failures:
        print(failure, file=sys.stderr)
    return EXIT_BROKEN if failures or result.problems else 0


def _bound(text: str) -> Bound:
    try:
        return parse_bound(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
