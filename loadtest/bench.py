"""The benchmark: `python -m loadtest.bench`, or `make bench`.

It starts a server of its own, or is told of one, and prints each figure beside its target. Every hug is
followed: one that is lost, doubled or out of order makes the exit code 1; a missed target does not.
"""

import argparse
import math
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import uvloop

from loadtest.hug_runs import run_full, run_steady
from loadtest.people import Person, load_people, pairs_of_friends
from loadtest.processes import pin
from loadtest.report import Section, describe_full, describe_idle, describe_room, describe_steady, render
from loadtest.rooms import run_room
from loadtest.stack import Stack, StackFailed, load_ready, own_stack
from loadtest.swarm import run_idle
from loadtest.wire import Lost

MESSAGE = "well done, and much more than that: you did it again!"  # with it a command is about 240 bytes
RATE_PER_PAIR = 1_000  # more pairs for higher rates: one session may have 16 commands on the way
RUNS = ("steady", "busy", "idle", "full", "room")
ROOM_RATES = (1_000.0, 10_000.0)  # squeezes a second


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.bench",
        description="Measures a HugMood server and follows every hug. Without --ready-file it starts one of its own.",
        epilog="A server that runs already should have been started with HUGMOOD_LIMITS=off.",
    )
    parser.add_argument("runs", nargs="*", metavar="RUN", help=f"{', '.join(RUNS)} (default: all, in this order)")
    parser.add_argument("--ready-file", type=Path, help="of a running `hugmood up`; needs --people")
    parser.add_argument("--people", type=Path, help="accounts on it, written by `hugmood people make`")
    parser.add_argument("--url", help="another address than the ready file's, for example of a balancer")
    parser.add_argument("--hubs", type=int, default=2, help="hubs of the server that is started (default: 2)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each run (default: 30)")
    parser.add_argument("--rate", type=float, default=1_000.0, help="of `steady`: two users, hugs/s (default: 1000)")
    parser.add_argument("--busy-rate", type=float, default=5_000.0, help="of `busy`, hugs/s (default: 5000)")
    parser.add_argument("--pairs", type=int, default=64, help="pairs of users of `full` (default: 64)")
    parser.add_argument("--sessions", type=int, default=10_000, help="of `idle` (default: 10000)")
    parser.add_argument("--members", type=int, default=5_000, help="of `room` (default: 5000)")
    parser.add_argument("--pin", action="store_true", help="hubs on the first core, this client on the last one")
    parser.add_argument("--json", type=Path, metavar="F", help="write all figures to F as well")
    options = parser.parse_args(arguments)
    if (options.ready_file is None) != (options.people is None):
        parser.error("--ready-file and --people belong together")
    options.runs = options.runs or list(RUNS)
    if unknown := set(options.runs) - set(RUNS):
        parser.error(f"no such run: {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    return options


def people_needed(options: argparse.Namespace) -> int:
    """How many accounts the runs of *options* take."""
    counts: dict[str, int] = {
        "steady": 2,
        "busy": 2 * busy_pairs(options.busy_rate),
        "idle": options.sessions,
        "full": 2 * options.pairs,
        "room": options.members,
    }
    return max(2, max(counts[run] for run in options.runs) + 1 & ~1)  # even, so that everybody has a friend


def busy_pairs(rate: float) -> int:
    """How many pairs share *rate*."""
    return max(1, math.ceil(rate / RATE_PER_PAIR))


class Bench:
    """The runs on one server."""

    def __init__(self, options: argparse.Namespace, stack: Stack, people: list[Person]) -> None:
        self._options = options
        self._url: str = options.url or stack.url
        self._processes = stack.processes
        self._people = people
        self.figures: dict[str, object] = {}

    async def run(self, name: str) -> Section:
        """One run by its name. Raises: Lost, ValueError if there are too few people."""
        runs: dict[str, Callable[[], Awaitable[Section]]] = {
            "steady": self._steady,
            "busy": self._busy,
            "idle": self._idle,
            "full": self._full,
            "room": self._room,
        }
        return await runs[name]()

    async def _steady(self) -> Section:
        return await self._at_rate("steady", self._options.rate, 1)

    async def _busy(self) -> Section:
        return await self._at_rate("busy", self._options.busy_rate, busy_pairs(self._options.busy_rate))

    async def _at_rate(self, name: str, rate: float, pairs: int) -> Section:
        couples = pairs_of_friends(self._people, pairs)
        figures = await run_steady(self._url, self._processes, couples, rate, self._options.seconds, MESSAGE)
        self.figures[name] = figures
        users = "Two users" if pairs == 1 else f"{pairs} pairs of users"
        nodes = "two nodes" if len(self._processes.hubs) > 1 else "one node"
        return describe_steady(f"{users} on {nodes}, {rate:,.0f} hugs/s", figures)

    async def _full(self) -> Section:
        couples = pairs_of_friends(self._people, self._options.pairs)
        figures = await run_full(self._url, self._processes, couples, self._options.seconds, MESSAGE)
        self.figures["full"] = figures
        return describe_full(f"Full speed, {self._options.pairs} pairs", figures)

    async def _room(self) -> Section:
        if len(self._people) < self._options.members:
            raise ValueError(f"{self._options.members} people are needed, there are {len(self._people)}")
        people = self._people[: self._options.members]
        figures = await run_room(self._url, self._processes, people, ROOM_RATES, min(10.0, self._options.seconds))
        self.figures["room"] = figures
        return describe_room(figures)

    async def _idle(self) -> Section:
        if len(self._people) < self._options.sessions:
            raise ValueError(f"{self._options.sessions} people are needed, there are {len(self._people)}")
        people = self._people[: self._options.sessions]
        figures = await run_idle(self._url, self._processes, people, min(30.0, self._options.seconds))
        self.figures["idle"] = figures
        return describe_idle(figures)


async def run_all(bench: Bench, names: Sequence[str]) -> list[Section]:
    """All runs; each section is printed as soon as it is there. Raises: Lost, ValueError."""
    sections: list[Section] = []
    for name in names:
        sections.append(await bench.run(name))
        print(render(sections[-1:]), flush=True)
    return sections


def measure(options: argparse.Namespace) -> list[Section]:
    """The runs of *options*, on its server or on one of our own. Raises: Lost, StackFailed, ValueError, OSError."""
    with ExitStack() as stack:
        if options.ready_file is not None:
            server, people = load_ready(options.ready_file), load_people(options.people)
        else:
            print(f"starting {options.hubs} hubs, PostgreSQL and Valkey in a temporary folder …", flush=True)
            server, people = stack.enter_context(own_stack(options.hubs, people_needed(options)))
        cores = sorted(os.sched_getaffinity(0))
        if options.pin and len(cores) > 1:
            pin(server.processes.hubs, {cores[0]})
            os.sched_setaffinity(0, {cores[-1]})
        bench = Bench(options, server, people)
        sections = uvloop.run(run_all(bench, options.runs))
    if options.json is not None:
        data = {"cores": len(cores), "is_pinned": options.pin, "figures": bench.figures, "sections": sections}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(data)))
    return sections


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every promise was kept; 1: one was not; 2: it could not be measured."""
    try:
        sections = measure(parse(arguments))
    except (Lost, StackFailed, ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 1 if any(section.problems for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
