"""One run from beginning to end: children, phases, and the `Result` made of what they found."""

import argparse
import asyncio
import os
import resource
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import urlsplit

from msgspec import Struct

from loadtest.clients.people import Person
from loadtest.conductor import Conductor
from loadtest.progress import Progress
from loadtest.results import Machine, Result
from loadtest.scenario import LATE, Orders, Plain, Scenario
from loadtest.server.machine import this_machine
from loadtest.server.meter import OTHER
from loadtest.server.processes import pin
from loadtest.server.stack import Stack

SESSIONS_PER_CHILD = 9_000  # so that one Python process is not what is measured
FILES_SPARE = 100  # of a child: what it opens besides sessions
PORTS_PER_SOURCE = 5_000  # of one local address: beyond 7,000 the kernel takes a millisecond to find a free one
BUSY_CORES = 0.85  # of a load process, from which on it is itself what is measured
OTHERS_CORES = 0.1  # of programs that are no part of the run
LATE_MS = 5.0  # at the 99th percentile


class Interrupted(Exception):  # noqa: N818  what happened
    """Ctrl-C. *result*: of the part of the run that was measured by then, if there was one."""

    def __init__(self, result: Result | None) -> None:
        super().__init__("interrupted")
        self.result = result


class Plan(Struct, frozen=True):
    """How to run: the options that all scenarios have."""

    seconds: float
    warm_up_s: float
    processes: int  # of load, at least
    hubs: int
    is_pinned: bool


async def run_scenario(
    scenario: Scenario, stack: Stack, people: Sequence[Person], plan: Plan, progress: Progress
) -> Result:
    """Raises: Lost, Interrupted, ValueError if there are too few people, OSError."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    machine = this_machine()  # before anything is pinned
    conductor = Conductor(scenario, stack, plan.seconds, plan.warm_up_s, progress)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    try:
        await conductor.start(make_orders(scenario, stack.url, people, plan))
        if plan.is_pinned:
            _pin(stack, conductor.load_pids)
        conducting, stopping = asyncio.create_task(conductor.conduct()), asyncio.create_task(stop.wait())
        await asyncio.wait({conducting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        is_whole = conducting.done()
        for task in (conducting, stopping):
            task.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        if is_whole:
            await conducting
            return _result(conductor, plan, machine, started_at)
        await asyncio.gather(conducting, return_exceptions=True)
        if not await conductor.interrupted():
            raise Interrupted(None)
        conductor.notes.append("it was interrupted: what was still on the way has not been waited for")
        raise Interrupted(_result(conductor, plan, machine, started_at))
    finally:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signum)
        progress.clear()
        await conductor.end()


def make_orders(scenario: Scenario, url: str, people: Sequence[Person], plan: Plan) -> list[Orders]:
    """What each child is told. Raises: ValueError if there are too few people."""
    needed = scenario.people()
    if len(people) < needed:
        raise ValueError(f"{needed} people are needed, there are {len(people)}")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    sessions_per_child = max(1, min(SESSIONS_PER_CHILD, files - FILES_SPARE))
    children = max(plan.processes, -(-scenario.sessions() // sessions_per_child))
    shares = [share for share in scenario.share(scenario.choose(people), children) if share]
    sources = _sources(url, scenario.sessions())
    options = plain_options(scenario.options)
    return [
        Orders(scenario.name, url, index, len(shares), plan.hubs, share, sources, options)
        for index, share in enumerate(shares)
    ]


def plain_options(options: argparse.Namespace) -> Plain:
    """Those that JSON can say; without paths, because a result is sent to people who need not know them."""
    return {name: value for name, value in vars(options).items() if isinstance(value, str | int | float | bool | None)}


def _sources(url: str, sessions: int) -> list[str]:
    if sessions <= PORTS_PER_SOURCE or urlsplit(url).hostname not in ("127.0.0.1", "localhost"):
        return [""]
    return [f"127.0.0.{2 + number}" for number in range(1 + sessions // PORTS_PER_SOURCE)]


def _pin(stack: Stack, load: Sequence[int]) -> None:
    cores = sorted(os.sched_getaffinity(0))
    hubs = stack.pids()["hub"]
    if len(cores) < 2 or not hubs:
        raise ValueError("--pin needs two cores, and hubs whose processes are known")
    own = cores[-1:] if len(cores) < 4 else cores[len(cores) // 2 :]
    pin(hubs, set(cores) - set(own))
    pin([os.getpid(), *load], set(own))


def _result(conductor: Conductor, plan: Plan, machine: Machine, started_at: str) -> Result:
    scenario = conductor.scenario
    return Result(
        scenario=scenario.name,
        title=scenario.title(),
        started_at=started_at,
        seconds=conductor.running.seconds if "run" in conductor.spans else 0.0,
        version=version("hugmood"),
        machine=machine,
        options=plain_options(scenario.options),
        rows=scenario.rows(conductor),
        counts=dict(conductor.counts),
        latencies={name: histogram.latency() for name, histogram in conductor.histograms.items()},
        timeline=conductor.timeline,
        processes=conductor.processes(),
        notes=[*_warnings(conductor, plan), *conductor.notes],
        problems=conductor.problems,
        tables=scenario.tables(),
    )


def _warnings(conductor: Conductor, plan: Plan) -> list[str]:
    """When the client, or somebody else, is what was measured."""
    found: list[str] = []
    if "run" in conductor.spans and plan.seconds:
        load = [each for each in conductor.processes() if each.pid in conductor.load_pids]
        busiest = max((each.cpu_s for each in load), default=0.0) / conductor.running.seconds
        if busiest > BUSY_CORES:
            found.append(
                f"WARNING: a load process used {busiest:.0%} of a core: the client is what is measured here; "
                f"more --processes, or another machine"
            )
    measured = [sample.cores.get(OTHER, 0.0) for sample in conductor.timeline if sample.phase == "run"]
    if measured and (others := sum(measured) / len(measured)) > OTHERS_CORES:
        found.append(
            f"WARNING: other programs used {others:.2f} cores of this machine meanwhile: "
            f"alone, the server would have done better"
        )
    late = conductor.latency(LATE)
    if late.p99 > LATE_MS:
        found.append(
            f"WARNING: the load was sent up to {late.p99:.1f} ms late (p99), which is counted in: "
            f"the client had not enough CPU"
        )
    if not any(conductor.stack.pids().values()):
        found.append("CPU and memory of the server are not known: --ready-file tells which processes it has here")
    return found
