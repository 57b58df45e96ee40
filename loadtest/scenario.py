"""What a scenario is: one file in loadtest/scenarios/, with a `Scenario` for the process that conducts, and a `Load`
for those that make the load.

A run has phases: open (everybody connects), warm up, run (what is measured), settle (until the last answer and event
is there, or nothing moves any more). Children never talk to each other: what all of them must know comes from the
conductor, what the conductor must know is in counts, histograms and the replies to `call`.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from loadtest.clients.people import Person, people_with_friends
from loadtest.histogram import Histogram
from loadtest.pacer import pace
from loadtest.results import Row, Table

if TYPE_CHECKING:
    from loadtest.conductor import Conductor

LATE = "late"  # the histogram of how late the load itself was

Plain = dict[str, Any]  # what JSON can say


class Orders(Struct, frozen=True):
    """What one child is told. *index* of *children*; *sources*: local addresses to connect from, in turn ("": any).

    *hubs*: how many share the address, as far as is known; 1 otherwise.
    """

    scenario: str
    url: str
    index: int
    children: int
    hubs: int
    people: list[Person]
    sources: list[str]
    options: Plain


class Load:
    """The load of one child: subclasses connect, send and check. All methods are called in the order given here.

    `counts` only grow and are sampled every second; `problems` are broken promises; `record` keeps latencies of what
    was intended during the measured phase, in histograms. What `call` asks for is a method of the subclass; a
    coroutine is awaited.
    """

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.counts: dict[str, int] = {}
        self.histograms: dict[str, Histogram] = {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.sessions = 0  # open now
        self.measured_from = math.inf  # time.perf_counter()
        self.measured_until = math.inf

    def record(self, name: str, seconds: float, ended: float | None = None) -> None:
        """A latency that *ended* then, or now. It counts if it began in the measured phase, whenever it ends."""
        if self.measured_from <= (ended or time.perf_counter()) - seconds < self.measured_until:
            histogram = self.histograms.get(name)
            if histogram is None:
                histogram = self.histograms[name] = Histogram()
            histogram.record(seconds)

    async def pace(self, rate: float, seconds: float, send: Callable[[int, float], None]) -> int:
        """Call `send(index, intended)` at even intervals, and keep how late that was. Returns how often."""

        def send_and_look(index: int, intended: float) -> None:
            send(index, intended)
            self.record(LATE, time.perf_counter() - intended)

        return await pace(rate, seconds, send_and_look)

    async def open(self) -> None:
        """Connect everybody. Raises: Lost."""
        raise NotImplementedError

    async def drive(self, seconds: float) -> None:
        """Make load for *seconds*, with intended times of sending; called for the warm-up, then for the run."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Wait until everything has arrived, or nothing moves any more; add what is missing to `problems`."""

    def tally(self) -> None:
        """Bring `counts` and `sessions` up to date: they are about to be told."""

    def close(self) -> None:
        """End all connections."""


class Scenario:
    """A scenario as the conducting process sees it. One instance a run."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one line for --help
    keys: ClassVar[tuple[str, ...]] = ()  # of its rows, as far as they are known beforehand
    load: ClassVar[type[Load]]
    hubs: ClassVar[int] = 2  # of the server that --up starts, unless --hubs says otherwise

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """The options of this scenario alone."""

    def title(self) -> str:
        """One line that a person understands without knowing the scenario."""
        raise NotImplementedError

    def people(self) -> int:
        """How many accounts it takes. Raises: ValueError if what the options ask for cannot be done."""
        raise NotImplementedError

    def friends(self) -> int:
        """How many friends each account needs."""
        return 1

    def sessions(self) -> int:
        """How many sessions are open at the same time, at most."""
        return self.people()

    @contextmanager
    def beside(self) -> Iterator[Mapping[str, str]]:
        """What runs besides, from before the server of --up starts until after its end; the settings it is started with."""
        yield {}

    def pids(self) -> Sequence[int]:
        """Processes of the scenario's own, which count as load."""
        return ()

    def choose(self, people: Sequence[Person]) -> list[Person]:
        """Who of all *people* takes part. Raises: ValueError if those who are needed are not among them."""
        return people_with_friends(people, self.people())

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Who goes to which child: who must be followed by one checker goes to one child.

        *people*: exactly as many as it takes. An empty share is a child less. Raises: ValueError.
        """
        return [list(people[number::children]) for number in range(children)]

    async def conduct(self, conductor: "Conductor") -> None:
        """The phases. Override to do things between them, or at the same time: to kill a hub, to compare totals."""
        await conductor.open()
        await conductor.warm_up()
        await conductor.run()
        await conductor.settle()

    def rows(self, conductor: "Conductor") -> list[Row]:
        """The figures of this scenario, with their bounds, from what the conductor has gathered."""
        raise NotImplementedError

    def tables(self) -> list[Table]:
        """What has several steps."""
        return []
