"""Durable hugs between pairs of friends, each over two nodes where there are two; every one is followed."""

import argparse
import asyncio
import math
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from loadtest.arguments import AS_IT_GOES, count, rate_or_max
from loadtest.clients.checker import Ledger
from loadtest.clients.hugs import Pair, Sender, open_pair
from loadtest.clients.people import Person, pairs_of_friends, people_in_pairs, share_pairs
from loadtest.clients.wire import Lost
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import bounded, cpu_rows, latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario
from loadtest.targets import DELIVERY_P99_MS, HUG_HUB_CPU_US, HUGS_PER_S, OK_P99_MS

MESSAGE = "well done, and much more than that: you did it again!"  # with it a command is about 240 bytes
RATE_PER_PAIR = 1_000  # more pairs for higher rates: one session may have 16 commands on the way
PAIRS_AT_MAX = 64
IN_FLIGHT = 12  # of one sender at full speed; the hub stops reading at 16
SETTLE_WITHIN_S = 15.0  # without any progress, after which what is missing counts as lost


class HugsLoad(Load):
    """Some of the pairs."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.pairs: list[Pair] = []

    async def open(self) -> None:
        """Each recipient until its node is not the sender's. Raises: Lost."""
        await self.open_pairs(self.orders.people)

    async def open_pairs(self, people: Sequence[Person]) -> None:
        """All of *people*. Raises: Lost, ValueError if somebody's friend is not among them."""
        for couple in pairs_of_friends(list(people), len(people) // 2):
            pair = await open_pair(self.orders.url, couple, self.orders.hubs, MESSAGE)
            pair.ledger.on_ok = lambda seconds: self.record("ok", seconds)
            pair.ledger.on_arrival = lambda seconds: self.record("delivery", seconds)
            self.pairs.append(pair)
            self.sessions += 2

    async def drive(self, seconds: float) -> None:
        """At this child's part of the rate, in turn over its pairs; or as fast as answers come. Raises: Lost."""
        rate = self.orders.options["rate"]
        if rate == AS_IT_GOES:
            await self._unless_lost(self._drive_full(seconds))
        else:
            share = len(self.pairs) / self.orders.options["pairs"]
            await self._unless_lost(self._drive_at(rate * share, seconds))

    async def _drive_at(self, rate: float, seconds: float) -> None:
        await self.pace(
            rate, seconds, lambda index, intended: self.pairs[index % len(self.pairs)].sender.send(intended)
        )

    async def _drive_full(self, seconds: float) -> None:
        for pair in self.pairs:
            pair.sender.on_answers = lambda sender, ledger=pair.ledger: _top_up(ledger, sender)
            _top_up(pair.ledger, pair.sender)
        await asyncio.sleep(seconds)
        for pair in self.pairs:
            pair.sender.on_answers = None

    async def _unless_lost(self, driving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(driving)
        lost = [end for pair in self.pairs for end in (pair.sender.lost, pair.recipient.lost)]
        waited: list[asyncio.Future[Any]] = [task, *lost]
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            for end in lost:
                if end.done():
                    raise Lost(f"a connection ended during the run: {end.result()}")
            await task
        finally:
            task.cancel()

    async def settle(self) -> None:
        """Until every hug is answered and has arrived, or nothing moves any more."""
        ledgers = [pair.ledger for pair in self.pairs]
        seen, since = -1, time.perf_counter()
        while not all(ledger.is_settled() for ledger in ledgers) and time.perf_counter() - since < SETTLE_WITHIN_S:
            progress = sum(ledger.accepted + ledger.refused + ledger.received for ledger in ledgers)
            if progress != seen:
                seen, since = progress, time.perf_counter()
            await asyncio.sleep(0.02)
        for ledger in ledgers:
            ledger.close()
            self.problems += ledger.problems

    def tally(self) -> None:
        """What the ledgers say."""
        ledgers = [pair.ledger for pair in self.pairs]
        self.counts = {
            "sent": sum(len(ledger.intended) for ledger in ledgers),
            "accepted": sum(ledger.accepted for ledger in ledgers),
            "received": sum(ledger.received for ledger in ledgers),
        }

    def close(self) -> None:
        """End all connections."""
        for pair in self.pairs:
            pair.close()


def _top_up(ledger: Ledger, sender: Sender) -> None:
    now = time.perf_counter()
    for _ in range(IN_FLIGHT - ledger.outstanding()):
        sender.send(now)


class Hugs(Scenario):
    """Latency at a steady rate, or how many can be stored and delivered at all."""

    name = "hugs"
    summary = "durable hugs between pairs of friends, followed one by one"
    load = HugsLoad
    keys = (
        *latency_keys("ok", "delivery"),
        "hugs_per_s",
        "hub_cpu_us",
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
            default=1_000.0,
            metavar="R",
            help="hugs/s in all, or max: as fast as it goes (1000)",
        )
        parser.add_argument(
            "--pairs",
            type=count,
            metavar="N",
            help=f"of friends (one for every {RATE_PER_PAIR}/s; {PAIRS_AT_MAX} at max)",
        )

    def title(self) -> str:
        """The rate, and who hugs."""
        pairs = self.options.pairs
        among = "one pair of friends" if pairs == 1 else f"{pairs} pairs of friends"
        if self._is_full:
            return f"Hugs as fast as they go, among {among}"
        return f"{self.options.rate:,.0f} hugs a second among {among}"

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
        """Latency has targets at a rate that was given, throughput and CPU where it was not: a lone hug pays for all waking up."""
        running, is_full = conductor.running, self._is_full
        rate = running.count("accepted") / running.seconds
        return [
            *latency_rows("ok", conductor, None if is_full else OK_P99_MS),
            *latency_rows("delivery", conductor, None if is_full else DELIVERY_P99_MS),
            bounded("hugs_per_s", "durable hugs", rate, "/s", HUGS_PER_S if is_full else None),
            *cpu_rows(conductor, "accepted", "hug", HUG_HUB_CPU_US if is_full else None),
        ]
