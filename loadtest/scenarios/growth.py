"""More and more sessions, with hugs among them: what each thousand of them costs, and what stays as it is."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Sequence

from loadtest.arguments import count, rate, seconds
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person, pairs_of_friends
from loadtest.conductor import Conductor
from loadtest.histogram import Histogram
from loadtest.report.growth import Held, Step, growth_tables
from loadtest.results import Row, Table
from loadtest.rows import bounded, latency_keys, latency_rows
from loadtest.scenario import Orders, Scenario
from loadtest.scenarios.hugs import HugsLoad
from loadtest.scenarios.idle import Idle
from loadtest.server.kernel import look_at_kernel
from loadtest.targets import LIVE_SESSIONS, SESSION_KIB

CALM_S = 2.0  # until buffers of an opening are free again, and the last hugs have arrived


class GrowthLoad(HugsLoad):
    """Some pairs that hug, and more and more others who do nothing."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        pairs = len(range(orders.index, orders.options["pairs"], orders.children))
        self.hugging, self._waiting = orders.people[: 2 * pairs], orders.people[2 * pairs :]
        self._idle: list[Idle] = []
        self._opened = 0

    async def open(self) -> None:
        """Only those who hug. Raises: Lost."""
        await self.open_pairs(self.hugging)

    async def drive(self, seconds: float) -> None:
        """Hugs at this child's part of the rate. Raises: Lost."""
        if self.hugging:
            await super().drive(seconds)
        else:
            await asyncio.sleep(seconds)

    async def grow(self, total: int) -> None:
        """Open this child's part, until all children together have *total* sessions. Raises: Lost."""
        idle = total - 2 * self.orders.options["pairs"]
        part = len(range(self.orders.index, idle, self.orders.children))
        people = self._waiting[len(self._idle) : part]
        members = [Idle() for _ in people]
        await enter_all(self.orders, members, people, on_entered=self._entered)
        self._idle += members

    def _entered(self, seconds: float) -> None:
        self._opened += 1
        self.record("opening", seconds)

    def nodes(self) -> dict[str, int]:
        """How many sessions are on which node."""
        members = [*self._idle, *(end for pair in self.pairs for end in (pair.sender, pair.recipient))]
        return Counter(member.node for member in members if not member.lost.done())

    async def settle(self) -> None:
        """Every hug has arrived, and nobody has gone."""
        await super().settle()
        gone = [member.lost.result() for member in self._idle if member.lost.done()]
        if gone:
            self.problems.append(f"{len(gone)} sessions ended, the first one: {gone[0]}")

    def tally(self) -> None:
        """Hugs, and those who are there."""
        super().tally()
        self.counts["opened"] = self._opened
        self.sessions = 2 * len(self.pairs) + self._opened - sum(member.lost.done() for member in self._idle)

    def close(self) -> None:
        """End all connections."""
        super().close()
        for member in self._idle:
            member.close()


class Growth(Scenario):
    """The phases over and over, with more sessions each time."""

    name = "growth"
    summary = "from a few sessions to very many, with hugs among them: how everything grows"
    load = GrowthLoad
    hubs = 6
    keys = (
        "live_sessions",
        "session_rss_kib",
        "session_pss_kib",
        "kernel_kib",
        "idle_cores",
        "evenness",
        *latency_keys("ok", "delivery"),
    )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._steps: list[Step] = []
        self._before: Held | None = None

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many in the end, and what they do."""
        parser.add_argument("--sessions", type=count, default=100_000, metavar="N", help="in the end (%(default)s)")
        parser.add_argument("--first", type=count, default=1_000, metavar="N", help="in the first step (%(default)s)")
        parser.add_argument("--pairs", type=count, default=12, metavar="N", help="of them, who hug (%(default)s)")
        parser.add_argument("--rate", type=rate, default=500.0, metavar="R", help="hugs/s in all (%(default)s)")
        parser.add_argument(
            "--idle", type=seconds, default=26.0, metavar="S", help="without hugs in each step; pings come after 25 s"
        )

    def title(self) -> str:
        """From where to where."""
        return f"Growing to {self.options.sessions:,} sessions, with {self.options.rate:,.0f} hugs a second among them"

    def people(self) -> int:
        """One for each session."""
        if self.options.sessions < 2 * self.options.pairs:
            raise ValueError(f"{self.options.pairs} pairs are more than {self.options.sessions} sessions")
        return int(self.options.sessions)

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Pairs in turn to each child, and behind them those who do nothing."""
        pairs = pairs_of_friends(list(people), self.options.pairs)
        hugging = {person.id for pair in pairs for person in pair}
        idle = [person for person in people if person.id not in hugging]
        return [
            [*(person for pair in pairs[number::children] for person in pair), *idle[number::children]]
            for number in range(children)
        ]

    async def conduct(self, conductor: Conductor) -> None:
        """Grow, be still, hug; again and again."""
        if not conductor.stack.pids()["hub"]:
            raise ValueError("growth wants to know the server's processes: --up or --ready-file")
        await conductor.open()
        await conductor.warm_up()
        await asyncio.sleep(CALM_S)
        self._before = await _look(conductor)
        for sessions in steps(self.options.first, self.options.sessions):
            self._steps.append(await self._step(conductor, sessions))
        await conductor.settle()

    async def _step(self, conductor: Conductor, sessions: int) -> Step:
        async with conductor.phase(f"to {sessions:,}"):
            await conductor.call("grow", sessions)
        opening = conductor.spans[f"to {sessions:,}"]
        await asyncio.sleep(CALM_S)
        async with conductor.phase(f"idle at {sessions:,}", self.options.idle):
            await asyncio.sleep(self.options.idle)
        held = await _look(conductor)
        before = {name: histogram.copy() for name, histogram in conductor.histograms.items()}
        await conductor.run()
        await asyncio.sleep(CALM_S)
        await conductor.sample()
        ok, delivery = (
            conductor.histograms.get(name, Histogram()).since(before.get(name, Histogram())).latency()
            for name in ("ok", "delivery")
        )
        nodes = Counter[str]()
        for each in await conductor.call("nodes"):
            nodes.update(each)
        return Step(
            conductor.sessions,
            sorted(nodes.values()),
            opening,
            conductor.spans[f"idle at {sessions:,}"],
            conductor.running,
            ok,
            delivery,
            held,
        )

    def rows(self, conductor: Conductor) -> list[Row]:
        """Of the last step; memory for each session that came with it."""
        if not self._steps or self._before is None:
            return []
        last = self._steps[-1]
        before = self._steps[-2].held if len(self._steps) > 1 else self._before
        grown = last.sessions - before.sessions
        rss = (last.held.rss["hub"] - before.rss["hub"]) / grown
        pss = (last.held.hub_pss - before.hub_pss) / grown
        kernel = last.held.kernel.since(before.kernel)
        return [
            bounded("live_sessions", "live sessions", last.sessions, "", LIVE_SESSIONS),
            bounded("session_rss_kib", "hub memory per session, RSS", rss, "KiB", SESSION_KIB),
            bounded("session_pss_kib", "hub memory per session, PSS", pss, "KiB", SESSION_KIB),
            Row("kernel_kib", "kernel memory per session, both ends", (kernel.slab + kernel.buffers) / grown, "KiB"),
            Row("idle_cores", "hub cores while idle", last.idle.cpu_s["hub"] / last.idle.seconds, ""),
            Row("evenness", "most sessions on a hub, to the fewest", last.nodes[-1] / last.nodes[0], "×"),
            *latency_rows("ok", conductor),
            *latency_rows("delivery", conductor),
        ]

    def tables(self) -> list[Table]:
        """A row for each step."""
        return [] if self._before is None else growth_tables(self._steps, self._before)


def steps(first: int, last: int) -> list[int]:
    """1, 2, 5, 10 … times *first*, up to *last*, which is always among them."""
    found, factor = [], 1
    while first * factor < last:
        found += [first * factor * each for each in (1, 2, 5) if first * factor * each < last]
        factor *= 10
    return [*found, last]


async def _look(conductor: Conductor) -> Held:
    await conductor.sample()
    return Held(conductor.sessions, conductor.rss_kib(), conductor.pss_kib("hub"), look_at_kernel())
