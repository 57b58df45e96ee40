"""A hub dies under many sessions, and everybody comes back at once.

Clients do as the protocol asks: a backoff with full jitter, then `hello` with their cursor. Some of them hug all the
time, those who are cut off as well as others: every hug that was answered has to arrive once and in order, and what was
not answered is sent again with the same id.
"""

import argparse
import asyncio
import os
import signal
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from loadtest.arguments import count, rate
from loadtest.clients.checker import percentiles
from loadtest.clients.couples import DELIVERY, OK, Couple, beside, settle, share_couples, share_of, tally
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person, pairs_of_friends
from loadtest.clients.returning import Absence, Attendance, Returning, ReturningIdle
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import bounded
from loadtest.scenario import Load, Orders, Scenario
from loadtest.server.processes import cpu_s
from loadtest.targets import STORM_S
from protocol.backoff import FIRST_S
from protocol.codes import CloseCode

LEAD_S = 3.0  # of the measured phase, before the hub is ended
LOOK_EVERY_S = 0.25
WINDOW_S = 0.1
FILES_BESIDE = 200  # that a hub needs for other things than sessions
UNEVEN = 1.15  # the kernel spreads connections by chance: one hub may get that much more than its share
AFTER_CUT = ", after being cut off"  # of histograms


class StormCouple(Couple):
    """Two whose latencies are kept apart once one of them was cut off."""

    def suffix(self) -> str:
        """What is added now to the names of its histograms."""
        return AFTER_CUT if self.sender.absence or self.recipient.absence else ""


class StormLoad(Load):
    """Couples that hug, and idle devices; all of them come back."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self._attendance = Attendance(self)
        pairs = share_of(int(orders.options["pairs"]), orders)
        self._couples = [StormCouple(self, couple) for couple in beside(orders.people[: 2 * pairs])]
        self._devices: list[Returning] = [each for pair in self._couples for each in (pair.sender, pair.recipient)]
        self._devices += [ReturningIdle() for _ in orders.people[2 * pairs :]]
        for device in self._devices:
            device.attendance = self._attendance

    async def open(self) -> None:
        """Connect everybody. Raises: Lost."""
        await enter_all(self.orders, self._devices)

    async def drive(self, seconds: float) -> None:
        """Hugs, couple after couple."""
        couples = self._couples
        share = len(couples) / int(self.orders.options["pairs"])
        await self.pace(
            float(self.orders.options["rate"]) * share,
            seconds,
            lambda index, intended: couples[index % len(couples)].sender.send(intended),
        )

    def nodes(self) -> dict[str, int]:
        """How many sessions are open on each node."""
        return Counter(device.node for device in self._devices if device.is_in())

    def absences(self) -> list[Absence]:
        """Everybody who was cut off."""
        return self._attendance.absences

    async def settle(self) -> None:
        """Until all are back, and every hug has arrived."""
        await settle(self._couples, self._attendance)

    def tally(self) -> None:
        """What the ledgers say."""
        tally(self, self._couples)

    def close(self) -> None:
        """All connections."""
        for device in self._devices:
            device.leave()


class Storm(Scenario):
    """Ends hubs in the middle of the measured phase."""

    name: ClassVar[str] = "storm"
    summary: ClassVar[str] = (
        "a hub is killed under many sessions: how soon and how evenly all come back, and what that costs"
    )
    keys: ClassVar[tuple[str, ...]] = (
        "storm_s",
        "cut_off",
        "back_p99_s",
        "peak_hub_cores",
        "stampede",
        "ok_p99_ms",
        "ok_cut_off_p99_ms",
        "delivery_p99_ms",
    )
    load: ClassVar[type[Load]] = StormLoad
    hubs: ClassVar[int] = 3

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._ended = 0.0  # when the hubs were ended (perf_counter)
        self._nodes: Counter[str] = Counter()
        self._absences: list[Absence] = []
        self._peak_cores = 0.0

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """The options of this scenario alone."""
        parser.add_argument("--sessions", type=count, default=20_000, metavar="N", help="in all (%(default)s)")
        parser.add_argument("--pairs", type=count, default=500, metavar="N", help="of them that hug (%(default)s)")
        parser.add_argument("--rate", type=rate, default=500.0, metavar="R", help="hugs a second (%(default)s)")
        parser.add_argument("--kill", type=count, default=1, metavar="N", help="hubs to end (%(default)s)")
        parser.add_argument("--stop", action="store_true", help="with SIGTERM, so that they drain, not with SIGKILL")

    def title(self) -> str:
        """One line."""
        hubs = "a hub is" if self.options.kill == 1 else f"{self.options.kill} hubs are"
        how = "stopped" if self.options.stop else "killed"
        return f"{self.options.sessions:,} sessions, and {hubs} {how}"

    def people(self) -> int:
        """Everybody has one session. Raises: ValueError if the hubs that remain could not hold them."""
        if 2 * self.options.pairs > self.options.sessions:
            raise ValueError(f"{self.options.pairs} pairs are more than {self.options.sessions} sessions")
        if self.options.seconds <= LEAD_S:
            raise ValueError(f"hubs are ended after {LEAD_S:.0f} s: --seconds must be more")
        if self.options.up:
            self._check_room([os.getpid()] * (self.options.hubs or self.hubs))
        return int(self.options.sessions)

    def _check_room(self, hubs: Sequence[int]) -> None:
        """Raises: ValueError unless those of *hubs* (pids) that remain can hold everybody."""
        sessions, kill = self.options.sessions, self.options.kill
        if not hubs:
            raise ValueError("which processes the hubs are is not known: --up starts some, or --ready-file tells")
        if not 0 < kill < len(hubs):
            raise ValueError(
                f"of {len(hubs)} hubs at least one must be ended and one must remain: --kill {kill} cannot be"
            )
        room = min(map(files_max, hubs)) - FILES_BESIDE
        needed = int(UNEVEN * sessions / (len(hubs) - kill))
        if needed > room:
            raise ValueError(
                f"{len(hubs) - kill} hubs that remain would get up to {needed:,} sessions each, and may open {room:,} files: "
                "take fewer --sessions or more --hubs"
            )

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Couples in turn to each child, and behind them those who are idle."""
        couples = pairs_of_friends(list(people), self.options.pairs)
        hugging = {person.id for couple in couples for person in couple}
        idle = [person for person in people if person.id not in hugging]
        return [[*shared, *idle[number::children]] for number, shared in enumerate(share_couples(couples, children))]

    async def conduct(self, conductor: Conductor) -> None:
        """A hub is ended while everybody is watched."""
        self._check_room(conductor.stack.pids().get("hub", []))
        await conductor.open()
        for nodes in await conductor.call("nodes"):
            self._nodes.update(nodes)
        await conductor.warm_up()
        ending = asyncio.create_task(self._end_hubs(conductor))
        try:
            await conductor.run()
            await conductor.settle()
            if ending.done():
                ending.result()
        finally:
            ending.cancel()
        for absences in await conductor.call("absences"):
            self._absences += msgspec.convert(absences, list[Absence])

    async def _end_hubs(self, conductor: Conductor) -> None:
        await asyncio.sleep(LEAD_S)
        hubs = conductor.stack.pids()["hub"]
        for pid in hubs[: self.options.kill]:
            os.kill(pid, signal.SIGTERM if self.options.stop else signal.SIGKILL)
        self._ended = time.perf_counter()
        await self._watch(hubs[self.options.kill :])

    async def _watch(self, hubs: Sequence[int]) -> None:
        """The most CPU that the hubs that remain take, until cancelled."""
        then, spent = time.perf_counter(), sum(map(cpu_s, hubs))
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now, total = time.perf_counter(), sum(map(cpu_s, hubs))
            self._peak_cores = max(self._peak_cores, (total - spent) / (now - then))
            then, spent = now, total

    def rows(self, conductor: Conductor) -> list[Row]:
        """How it went; the bounds are those of 20,000 sessions."""
        back = [absence for absence in self._absences if absence.caught_up_at]
        back_s = [absence.caught_up_at - absence.lost_at for absence in back]
        self._tell(conductor, back)
        ok, delivery = conductor.latency(OK), conductor.latency(DELIVERY)
        return [
            Row("cut_off", "sessions cut off", len(self._absences), ""),
            bounded("storm_s", "until all are back and caught up", self._storm_s(back), "s", STORM_S),
            Row("back_p99_s", "coming back, p99", percentiles(back_s, [99.0])[0], "s"),
            Row("peak_hub_cores", "hub CPU at its peak", self._peak_cores, "cores"),
            Row("stampede", "busiest 100 ms of arrivals, to even ones", self._stampede()[1], "×"),
            Row("ok_p99_ms", "ok p99, who stayed", ok.p99, "ms"),
            Row("ok_cut_off_p99_ms", "ok p99, who was cut off", conductor.latency(OK + AFTER_CUT).p99, "ms"),
            Row("delivery_p99_ms", "delivery p99, who stayed", delivery.p99, "ms"),
        ]

    def _storm_s(self, back: Sequence[Absence]) -> float:
        return max((absence.caught_up_at for absence in back), default=self._ended) - self._ended

    def _stampede(self) -> tuple[int, float]:
        """First arrivals in the busiest 100 ms, and how many times those of even spreading over the time they were to take."""
        arrivals = sorted(absence.tries[0] for absence in self._absences if absence.tries)
        if not arrivals:
            return 0, 0.0
        most = max(bisect_left(arrivals, at + WINDOW_S) - number for number, at in enumerate(arrivals))
        # A hub that drains says when to come; otherwise it is the first ceiling of the backoff.
        lasted = arrivals[-1] - arrivals[0] if self.options.stop else FIRST_S
        return most, most / (len(arrivals) * WINDOW_S / max(lasted, WINDOW_S))

    def _tell(self, conductor: Conductor, back: Sequence[Absence]) -> None:
        entered = Counter(absence.entered for absence in back)
        known = [
            f"{number:,} to a hub with {self._nodes[node]:,} before"
            for node, number in entered.items()
            if node in self._nodes
        ]
        anew = sum(number for node, number in entered.items() if node not in self._nodes)
        tries = Counter(len(absence.tries) for absence in back)
        told = sum(absence.code == CloseCode.DRAIN for absence in self._absences)
        conductor.notes += [
            f"came back: {', '.join(known)}; {anew:,} to one that was started again meanwhile",
            "connections that took: " + ", ".join(f"{tried} for {number:,}" for tried, number in sorted(tries.items())),
            f"busiest 100 ms: {self._stampede()[0]:,} first arrivals",
            f"{told:,} were told to go, {conductor.counts['sent again']:,} hugs were sent again with their id",
        ]


def files_max(pid: int) -> int:
    """How many files a process may open. Raises: OSError."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[3])
    raise OSError(f"/proc/{pid}/limits says nothing of files")
