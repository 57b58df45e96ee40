"""Ephemeral events from one user to one other, on different nodes: hub → Valkey → hub.

`hug.preparing` carries no id. Those of a pair arrive in order, so they are matched by counting: latencies are kept
whenever as many have arrived as were sent. After a loss that never happens again for this pair: nobody would know
which is which. Loss is allowed, and reported.
"""

import argparse
import asyncio
import math
import time
from collections.abc import Sequence

from loadtest.arguments import AS_IT_GOES, count, rate_or_max
from loadtest.clients.abreast import settled
from loadtest.clients.hugs import TRIES_FOR_ANOTHER_NODE, Member
from loadtest.clients.people import Person, pairs_of_friends, people_in_pairs, share_pairs
from loadtest.clients.speaker import Speaker
from loadtest.clients.wire import Lost
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import cpu_rows, latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario
from loadtest.targets import UNICAST_CPU_US

RATE_PER_PAIR = 500
PAIRS_AT_MAX = 16
SETTLE_S = 5.0  # without any progress, after which what is missing counts as lost
IN_FLIGHT = 16  # of one pair at full speed: with more unanswered the hub stops reading

_PREPARING = b'{"type":"hug.preparing"'


class Recipient(Member):
    """Tells its pair what it was shown."""

    def __init__(self, pair: "Pair") -> None:
        super().__init__()
        self._pair = pair

    def event(self, payload: bytes, now: float) -> None:
        """Presence and the like are let go."""
        if payload.startswith(_PREPARING):
            self._pair.shown(now)

    def batch_done(self, now: float) -> None:
        """At full speed there is room for more."""
        self._pair.top_up()


class Pair:
    """A sender and a recipient; those sent and not yet matched are remembered."""

    def __init__(self, load: "UnicastLoad", to: str) -> None:
        self.sender = Speaker()
        self.recipient = Recipient(self)
        self.in_flight = 0  # kept by `top_up`; 0: nothing is sent by itself
        self._load = load
        self._command = b'{"type":"hug.preparing","to":"%b"' % to.encode()
        self._intended: list[float] = []
        self._shown: list[float] = []
        self.sender.on_answers = self.top_up

    def send(self, intended: float) -> None:
        """One more."""
        self._intended.append(intended)
        self._load.counts["sent"] += 1
        self.sender.say(self._command, intended)

    def top_up(self) -> None:
        """Keep as many on the way as there should be: those unanswered, or not shown."""
        free = self.in_flight - max(self.sender.outstanding(), self.missing())
        if free > 0:
            now = time.perf_counter()
            for _ in range(free):
                self.send(now)

    def shown(self, now: float) -> None:
        """One has arrived."""
        if not self.missing():
            self._load.problems.append("an event came that was never sent")
            return
        self._load.counts["delivered"] += 1
        self._shown.append(now)
        if not self.missing():
            for intended, shown in zip(self._intended, self._shown, strict=True):
                self._load.record("unicast", shown - intended, shown)
            self._intended.clear()
            self._shown.clear()

    def missing(self) -> int:
        """How many were sent and have not arrived."""
        return len(self._intended) - len(self._shown)

    def is_settled(self) -> bool:
        """All are answered and have arrived."""
        return not self.sender.outstanding() and not self.missing()


class UnicastLoad(Load):
    """Some pairs. `counts`: sent, answered, delivered."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.counts.update(sent=0, answered=0, delivered=0)
        self._pairs: list[Pair] = []

    async def open(self) -> None:
        """Each recipient connects again and again until its node is not the sender's. Raises: Lost."""
        people, sources = self.orders.people, self.orders.sources
        for number, couple in enumerate(pairs_of_friends(people, len(people) // 2)):
            await self._open_pair(couple, sources[number % len(sources)] or None)

    async def _open_pair(self, couple: tuple[Person, Person], source: str | None) -> None:
        one, other = couple
        pair = Pair(self, other.id)
        self._pairs.append(pair)
        pair.sender.on_ok = self._answered
        await pair.sender.enter(self.orders.url, one, source)
        for _ in range(TRIES_FOR_ANOTHER_NODE):
            await pair.recipient.enter(self.orders.url, other, source)
            if self.orders.hubs == 1 or pair.recipient.node != pair.sender.node:
                self.sessions += 2
                return
            pair.recipient.close()
            await pair.recipient.lost
            pair.recipient = Recipient(pair)
        raise Lost(f"{TRIES_FOR_ANOTHER_NODE} connections all landed on node {pair.sender.node}")

    def _answered(self, seconds: float) -> None:
        self.counts["answered"] += 1
        self.record("ok", seconds)

    async def drive(self, seconds: float) -> None:
        """At the rate of this child, pair after pair; or as fast as they arrive."""
        rate, burst = self.orders.options["rate"], self.orders.options["burst"]

        def send(index: int, intended: float) -> None:
            pair = self._pairs[index % len(self._pairs)]
            for _ in range(burst):
                pair.send(intended)

        if rate == AS_IT_GOES:
            await self._drive_full(seconds)
        else:
            share = len(self._pairs) / self.orders.options["pairs"]
            await self.pace(rate * share / burst, seconds, send)

    async def _drive_full(self, seconds: float) -> None:
        for pair in self._pairs:
            pair.in_flight = IN_FLIGHT
            pair.top_up()
        await asyncio.sleep(seconds)
        for pair in self._pairs:
            pair.in_flight = 0

    async def settle(self) -> None:
        """Until all are answered and shown, or nothing comes any more."""
        pairs = self._pairs
        await settled(
            lambda: all(pair.is_settled() for pair in pairs),
            lambda: self.counts["answered"] + self.counts["delivered"],
            SETTLE_S,
        )
        for pair in pairs:
            self.problems += pair.sender.ended()
            if pair.recipient.lost.done():
                self.problems.append(f"a connection ended during the run: {pair.recipient.lost.result()}")
        lost = [pair.missing() for pair in pairs if pair.missing()]
        if lost:
            self.notes.append(
                f"{sum(lost)} events of {len(lost)} pairs were lost, as ephemeral ones may be (with HUGMOOD_LIMITS on "
                f"the hub shows one a second): their later latencies are not counted"
            )

    def close(self) -> None:
        """All connections."""
        for pair in self._pairs:
            pair.sender.close()
            pair.recipient.close()


class Unicast(Scenario):
    """One to one, stored nowhere."""

    name = "unicast"
    summary = "ephemeral events from one user to one other, on different nodes"
    load = UnicastLoad
    keys = (
        *latency_keys("unicast", "ok"),
        "unicast_per_s",
        "unicast_lost",
        "unicast_cpu_us",
        "postgres_cpu_us",
        "valkey_cpu_us",
        "load_cpu_us",
    )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._is_full = options.rate == AS_IT_GOES
        if not options.pairs:
            options.pairs = PAIRS_AT_MAX if self._is_full else max(1, math.ceil(options.rate / RATE_PER_PAIR))

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many, and between how many."""
        parser.add_argument(
            "--rate",
            type=rate_or_max,
            default=5_000.0,
            metavar="R",
            help="events/s in all, or max: as fast as it goes (5000)",
        )
        parser.add_argument(
            "--pairs",
            type=count,
            metavar="N",
            help=f"of friends (one for every {RATE_PER_PAIR}/s; {PAIRS_AT_MAX} at max)",
        )
        parser.add_argument(
            "--burst", type=count, default=1, metavar="N", help="so many of a pair at once (%(default)s)"
        )

    def title(self) -> str:
        """The rate, and who."""
        options = self.options
        at_once = f", {options.burst} at once" if options.burst > 1 else ""
        speed = "as fast as they go" if self._is_full else f"{options.rate:,.0f} a second{at_once}"
        return f"Ephemeral events from one user to one other, {speed}, {options.pairs} pairs"

    def people(self) -> int:
        """Two for each pair."""
        return 2 * int(self.options.pairs)

    def choose(self, people: Sequence[Person]) -> list[Person]:
        """Pairs of friends."""
        return people_in_pairs(people, self.options.pairs)

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Pairs stay together."""
        return share_pairs(people, children)

    def rows(self, conductor: Conductor) -> list[Row]:
        """What a delivery costs, and how long it takes."""
        running, totals = conductor.running, conductor.counts
        return [
            *latency_rows("unicast", conductor),
            *latency_rows("ok", conductor),
            Row("unicast_per_s", "delivered", running.count("delivered") / running.seconds, "/s", more_is_better=True),
            Row("unicast_lost", "lost", totals["sent"] - totals["delivered"], ""),
            *cpu_rows(conductor, "delivered", "delivery", UNICAST_CPU_US if self._is_full else None, "unicast_cpu_us"),
        ]
