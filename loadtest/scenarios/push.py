"""Hugs to people who are away, each with one device, and pushes of them through a worker to a sink beside us.

The worker is what is measured: it is held (SIGSTOP) until all hugs are stored, and timed from when it may go on until the
sink has the last push. Checked, always: every device is pushed to once, and every delivery is written down as accepted.
"""

import argparse
import asyncio
import random
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from domain.ids import uuid7
from loadtest.arguments import count
from loadtest.clients.abreast import abreast
from loadtest.clients.devices import register_all
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person
from loadtest.clients.speaker import Speaker
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import KIND_NAMES, bounded
from loadtest.scenario import Load, Orders, Scenario
from loadtest.server.holding import held, send_signal
from loadtest.server.meter import KINDS
from loadtest.server.stored_pushes import judge_pushes, load_states
from loadtest.sinks.counting import Taken
from loadtest.sinks.sink import PROVIDERS, Sink, browser_keys, running_sink
from loadtest.targets import PUSHES_PER_S

EACH = 20  # people that one sender hugs
WARM_UP_SHARE = 0.1
AT_ONCE = 64  # hugs of one process that wait for their ok
LOOK_EVERY_S = 0.2
QUIET_S = 20.0  # without any push, after which what is missing counts as lost
CALM_S = 3.0  # all hugs are old enough by then to be pushed, and nothing is on the way when the worker is held
LEAD_S = 0.2  # into the measured phase, before the worker goes on
SETTINGS = {"HUGMOOD_PUSH_UNACKED_S": "1", "HUGMOOD_PUSH_LOG": "off"}


class PushLoad(Load):
    """Some of the senders, each with those they hug behind them. `counts`: hugs."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        people = orders.people
        self._groups = [people[start : start + EACH + 1] for start in range(0, len(people), EACH + 1)]
        self._senders = [Speaker() for _ in self._groups]
        self._warm = max(1, round(WARM_UP_SHARE * len(self._groups)))
        self._is_over = asyncio.Event()
        self.counts["hugs"] = 0

    async def open(self) -> None:
        """Only senders are there. Raises: Lost."""
        await enter_all(self.orders, self._senders, [group[0] for group in self._groups])
        self.sessions = len(self._senders)

    async def register(self, provider: str, url: str, keys: dict[str, str]) -> None:
        """A device for everybody who is to be hugged. Raises: Lost."""
        away = [person for group in self._groups for person in group[1:]]
        await register_all(self.orders.url, away, provider, url, keys)

    async def hug(self, is_warm_up: bool) -> int:
        """Everybody of the first groups, or of all others, once. Returns how many. Raises: Lost."""
        chosen = slice(0, self._warm) if is_warm_up else slice(self._warm, None)
        hugs = [
            (sender, person)
            for sender, group in zip(self._senders[chosen], self._groups[chosen], strict=True)
            for person in group[1:]
        ]
        random.shuffle(hugs)  # so that one sender does not wait for itself

        async def send(hug: tuple[Speaker, Person]) -> None:
            sender, person = hug
            hug_id = uuid7(time.time_ns() // 1_000_000)
            await sender.ask(type="hug.send", id=hug_id, to=person.id, kind="bear")
            self.counts["hugs"] += 1

        await abreast(hugs, send, AT_ONCE)
        return len(hugs)

    async def drive(self, _seconds: float) -> None:
        """Nothing is to be done here, until it is told that all is pushed."""
        await self._is_over.wait()

    def finish(self) -> None:
        """All is pushed."""
        self._is_over.set()

    async def settle(self) -> None:
        """What senders were told."""
        for sender in self._senders:
            self.problems += sender.ended()

    def close(self) -> None:
        """All connections."""
        for sender in self._senders:
            sender.close()


class Push(Scenario):
    """How many pushes one worker brings away."""

    name = "push"
    summary = "hugs to people who are away, pushed through a worker to a provider that takes everything"
    load = PushLoad
    keys = ("pushes_per_s", "queued_per_s", *(f"{kind}_cpu_us" for kind in KINDS))
    hubs = 1

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._sink: Sink | None = None
        self._pushes = 0
        self._went_on = self._last_at = 0.0

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """Through whom, and how many."""
        parser.add_argument("--provider", choices=PROVIDERS, default=PROVIDERS[0], help="whose API (%(default)s)")
        parser.add_argument(
            "--pushes",
            type=count,
            default=10_000,
            metavar="N",
            help="that are measured, to a device each (%(default)s)",
        )

    def title(self) -> str:
        """How many, and through whom."""
        return f"{self.options.pushes:,} queued pushes through {self.options.provider}, as fast as they go"

    def _senders(self) -> int:
        return -(-int(self.options.pushes) // EACH)

    def people(self) -> int:
        """Those who are hugged, a sender for some of them, and those for warming up."""
        return (EACH + 1) * (self._senders() + max(1, round(WARM_UP_SHARE * self._senders())))

    def friends(self) -> int:
        """Who is hugged is a friend."""
        return EACH

    def sessions(self) -> int:
        """Of senders."""
        return self.people() // (EACH + 1)

    def choose(self, people: Sequence[Person]) -> list[Person]:
        """A sender, their friends, the next sender … Raises: ValueError if not enough people have enough friends."""
        free = {person.id: person for person in people}
        chosen: list[Person] = []
        for person in people:
            friends = [free[each] for each in person.friends if each in free]
            if person.id in free and len(friends) >= EACH and len(chosen) < self.people():
                group = [person, *friends[:EACH]]
                chosen += group
                for each in group:
                    del free[each.id]
        if len(chosen) < self.people():
            raise ValueError(f"only {len(chosen)} of {self.people()} people can be grouped with {EACH} friends each")
        return chosen

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Groups stay together."""
        groups = [people[start : start + EACH + 1] for start in range(0, len(people), EACH + 1)]
        return [[person for group in groups[number::children] for person in group] for number in range(children)]

    @contextmanager
    def beside(self) -> Iterator[Mapping[str, str]]:
        """The sink, and settings with which a server pushes there."""
        with running_sink(self.options.provider) as sink:
            self._sink = sink
            yield {**SETTINGS, **sink.settings}

    def pids(self) -> Sequence[int]:
        """The sink's."""
        return [self._sink.pid] if self._sink is not None else []

    async def conduct(self, conductor: Conductor) -> None:
        """Warm up; hold the workers while hugs are stored; let them go and wait for the last push."""
        url = self._running_sink().url
        await conductor.open()
        async with conductor.phase("register"):
            await conductor.call("register", self.options.provider, url, browser_keys())
        async with conductor.phase("warm up"):
            warm = sum(await conductor.call("hug", True))
            await self._settled(warm)
        await asyncio.sleep(CALM_S)
        workers = conductor.stack.pids()["worker"]
        with held(workers):
            async with conductor.phase("queue"):
                self._pushes = sum(await conductor.call("hug", False))
            await asyncio.sleep(CALM_S)
            going_on = asyncio.create_task(self._let_go(conductor, workers, warm + self._pushes))
            try:
                await conductor.run()
                await going_on
            finally:
                going_on.cancel()
        await conductor.settle()
        await self._judge(conductor, warm + self._pushes)

    async def _let_go(self, conductor: Conductor, workers: Sequence[int], total: int) -> None:
        await asyncio.sleep(LEAD_S)
        self._went_on = time.perf_counter()
        send_signal(workers, signal.SIGCONT)
        try:
            self._last_at = (await self._settled(total)).last_at
        finally:
            await conductor.call("finish")

    async def _settled(self, total: int) -> Taken:
        """As soon as the sink has *total* pushes, or has got none for a while."""
        taken, seen, since = await self._taken(), -1, time.perf_counter()
        while taken.pushes < total and time.perf_counter() - since < QUIET_S:
            if taken.pushes != seen:
                seen, since = taken.pushes, time.perf_counter()
            await asyncio.sleep(LOOK_EVERY_S)
            taken = await self._taken()
        return taken

    async def _taken(self) -> Taken:
        return await asyncio.to_thread(self._running_sink().taken)

    def _running_sink(self) -> Sink:
        if self._sink is None:
            raise ValueError("a server has to be told of the sink before it starts: this scenario wants --up")
        return self._sink

    async def _judge(self, conductor: Conductor, total: int) -> None:
        await asyncio.sleep(CALM_S)  # for what comes twice, and for what is still being written down
        url = conductor.stack.database_url
        conductor.problems += judge_pushes(total, await self._taken(), await load_states(url) if url else None)

    def rows(self, conductor: Conductor) -> list[Row]:
        """What one worker does, and what that costs everybody."""
        running, queueing = conductor.running, conductor.spans["queue"]
        lasted = max(self._last_at - self._went_on, 0.0) or running.seconds
        through = "one worker" if len(conductor.stack.pids()["worker"]) == 1 else "all workers"
        return [
            bounded(
                "pushes_per_s",
                f"pushes through {through}",
                self._pushes / lasted,
                "/s",
                PUSHES_PER_S[self.options.provider],
            ),
            Row(
                "queued_per_s",
                "hugs stored before",
                queueing.count("hugs") / queueing.seconds,
                "/s",
                more_is_better=True,
            ),
            *(
                Row(
                    f"{kind}_cpu_us", f"{KIND_NAMES[kind]} CPU per push", 1e6 * running.cpu_s[kind] / self._pushes, "µs"
                )
                for kind in KINDS
                if kind in running.cpu_s
            ),
        ]
