"""Sessions that do nothing: what each of them costs."""

import argparse
import asyncio

from loadtest.arguments import count
from loadtest.clients.entering import enter_all
from loadtest.clients.hugs import Member
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import bounded
from loadtest.scenario import Load, Orders, Scenario
from loadtest.targets import SESSION_KIB

REHEARSED = 300  # sessions, at most, opened and closed in each child before anything is counted
CALM_S = 4.0  # until buffers of the opening are free again
LOST_SHOWN = 5


class Idle(Member):
    """A session that only answers pings."""

    def event(self, payload: bytes, now: float) -> None:
        """Nothing is asked for."""


class IdleLoad(Load):
    """Some of the sessions."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.members: list[Idle] = []
        self.counts["opened"] = 0

    async def rehearse(self) -> int:
        """Open some and close them: what the first ones cost is not what one costs. Returns how many. Raises: Lost."""
        members = [Idle() for _ in self.orders.people[: min(REHEARSED, len(self.orders.people) // 10)]]
        await enter_all(self.orders, members)
        for member in members:
            member.close()
            await member.lost
        return len(members)

    async def open(self) -> None:
        """A session for each of the people. Raises: Lost."""
        self.members = [Idle() for _ in self.orders.people]
        await enter_all(self.orders, self.members, on_entered=self._entered)

    def _entered(self, seconds: float) -> None:
        self.counts["opened"] += 1
        self.record("opening", seconds)

    async def drive(self, seconds: float) -> None:
        """Nothing is done."""
        await asyncio.sleep(seconds)

    async def settle(self) -> None:
        """Nobody must have gone."""
        gone = [member.lost.result() for member in self.members if member.lost.done()]
        if gone:
            self.problems.append(f"{len(gone)} sessions ended while idle: {', '.join(gone[:LOST_SHOWN])}")

    def tally(self) -> None:
        """Who is there now."""
        self.sessions = self.counts["opened"] - sum(member.lost.done() for member in self.members)

    def close(self) -> None:
        """End all connections."""
        for member in self.members:
            member.close()


class IdleScenario(Scenario):
    """Memory and CPU of sessions that only answer pings."""

    name = "idle"
    summary = "sessions that do nothing: memory and CPU of each"
    load = IdleLoad
    hubs = 1  # with few sessions on each, what they take hides in what a hub has free anyhow

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._rehearsed = 0
        self._pss_before = 0
        self._pss_after = 0

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many."""
        parser.add_argument("--sessions", type=count, default=10_000, metavar="N", help="(%(default)s)")

    def title(self) -> str:
        """How many."""
        return f"{self.options.sessions:,} idle sessions, authenticated"

    def people(self) -> int:
        """One for each session."""
        return int(self.options.sessions)

    async def conduct(self, conductor: Conductor) -> None:
        """Memory is compared between two calm moments."""
        self._rehearsed = sum(await conductor.call("rehearse"))
        await asyncio.sleep(CALM_S)
        await conductor.sample()
        self._pss_before = conductor.pss_kib("hub")
        await conductor.open()
        async with conductor.phase("calm down", CALM_S):
            await asyncio.sleep(CALM_S)
        await conductor.run()
        self._pss_after = conductor.pss_kib("hub")
        await conductor.settle()

    def rows(self, conductor: Conductor) -> list[Row]:
        """Of the server, nothing if it is not known here."""
        opening = conductor.spans["open"]
        sessions = opening.count("opened")
        hubs = [process for process in conductor.processes() if process.kind == "hub"]
        load = [process for process in conductor.processes() if process.pid in conductor.load_pids]
        found: list[Row] = []
        if hubs:
            new = sessions - self._rehearsed  # the others may have been given the memory of the rehearsal
            rss = sum(each.rss_kib - each.rss_kib_before for each in hubs) / new
            pss = (self._pss_after - self._pss_before) / new
            found += [
                bounded("session_rss_kib", "memory per session, RSS", rss, "KiB", SESSION_KIB),
                bounded("session_pss_kib", "memory per session, PSS", pss, "KiB", SESSION_KIB),
                Row(
                    "idle_cores", "hub cores while idle", conductor.running.cpu_s["hub"] / conductor.running.seconds, ""
                ),
                Row("opening_cpu_us", "hub CPU per opening", 1e6 * opening.cpu_s["hub"] / sessions, "µs"),
            ]
        grown = sum(each.rss_kib - each.rss_kib_before for each in load) / sessions
        return [
            *found,
            Row("openings_per_s", "openings, by the clock", sessions / opening.seconds, "/s", more_is_better=True),
            Row("load_session_kib", "memory per session of the load", grown, "KiB"),
        ]
