"""Sessions opened as fast as they go: what an opening costs."""

import argparse

from loadtest.arguments import count
from loadtest.clients.entering import AT_ONCE, enter_all
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import bounded, cpu_rows, latency_rows
from loadtest.scenario import Load, Orders, Scenario
from loadtest.scenarios.idle import Idle
from loadtest.targets import OPENINGS_PER_CORE_S

REHEARSED = 300


class OpeningLoad(Load):
    """Some of the sessions."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self._members: list[Idle] = []
        self.counts["opened"] = 0

    async def open(self) -> None:
        """A rehearsal: a few are opened, and closed again. Raises: Lost."""
        members = [Idle() for _ in self.orders.people[:REHEARSED]]
        await enter_all(self.orders, members)
        for member in members:
            member.close()
            await member.lost

    async def drive(self, seconds: float) -> None:
        """One session after the other until all are open, however long that takes. Raises: Lost."""
        self._members = [Idle() for _ in self.orders.people]
        at_once = max(1, self.orders.options["at_once"] // self.orders.children)
        await enter_all(self.orders, self._members, at_once=at_once, on_entered=self._entered)

    def _entered(self, seconds: float) -> None:
        self.counts["opened"] += 1
        self.sessions += 1
        self.record("opening", seconds)

    def close(self) -> None:
        """End all connections."""
        for member in self._members:
            member.close()


class Opening(Scenario):
    """Handshake, hello, welcome."""

    name = "opening"
    summary = "sessions opened as fast as they go: what an opening costs"
    load = OpeningLoad
    hubs = 1

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many, and how many at a time."""
        parser.add_argument("--sessions", type=count, default=8_000, metavar="N", help="(%(default)s)")
        parser.add_argument("--at-once", type=count, default=AT_ONCE, metavar="N", help="being opened (%(default)s)")

    def title(self) -> str:
        """How many, and how many at a time."""
        return f"{self.options.sessions:,} sessions opened, {self.options.at_once} at a time"

    def people(self) -> int:
        """One for each session."""
        return int(self.options.sessions)

    async def conduct(self, conductor: Conductor) -> None:
        """The rehearsal is the warm-up."""
        await conductor.open()
        await conductor.run()

    def rows(self, conductor: Conductor) -> list[Row]:
        """Per second of a hub's CPU, and by the clock."""
        running = conductor.running
        opened = running.count("opened")
        found: list[Row] = []
        if "hub" in running.cpu_s:
            per_core = opened / max(running.cpu_s["hub"], 0.01)
            found.append(
                bounded("openings_per_core_s", "openings per core of hub", per_core, "/s", OPENINGS_PER_CORE_S)
            )
        return [
            *found,
            Row("openings_per_s", "openings, by the clock", opened / running.seconds, "/s", more_is_better=True),
            *latency_rows("opening", conductor),
            *cpu_rows(conductor, "opened", "opening"),
        ]
