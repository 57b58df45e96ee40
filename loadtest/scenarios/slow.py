"""Readers that stop while events are sent to them, beside pairs that must not notice.

First everybody reads, then the readers stop, one after the other: the load is the same, only what becomes of it at the
hub is not. Hugs go to them all the time, and pulses of their room, and presence of their friends. Each reads on after a
silence of its own, some in time, some when they must have been closed; then they come back as the protocol asks and have
to get every hug, in order.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec

from loadtest.arguments import count, rate
from loadtest.clients.couples import DELIVERY, OK, Couple, beside, settle, share_couples, share_of, tally
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person, pairs_of_friends
from loadtest.clients.readers import NEWS_WITHIN_S, ReaderCouple, Reading, judge_reading
from loadtest.clients.returning import Attendance, Returning
from loadtest.clients.speaker import Speaker
from loadtest.clients.wire import Lost, client_frame
from loadtest.conductor import Conductor
from loadtest.pacer import pace
from loadtest.results import Row
from loadtest.rows import bounded
from loadtest.scenario import Load, Orders, Scenario
from loadtest.scenarios.room import STRENGTH, new_room_id
from loadtest.server.processes import resident_kib
from loadtest.server.sockets import kernel_kib
from loadtest.targets import STOPPED_READER_KIB

HUGS_TO_FILL = 60  # of 4 KB: more than the kernels and the hub keep for one reader
READERS_PER_S = 10
STOPPING_WITHIN_S = 20.0  # all of them, so that all are silent at the same time
CALM_S = 2.0
SILENT_S = (27.0, 33.5)  # the shortest and the longest
GONE_S = 39.0  # of every eighth: the connection is no more by then
HUGS_PER_READER_S = 0.5  # meanwhile
PULSES_PER_S = 8.0
PRESENCE_EVERY_S = 6.0  # of each friend of a reader; faster changes are merged
GOLDEN = 0.618
READING, STOPPED = ", all reading", ", some stopped"  # of histograms
STATUSES = ("away", "online")


class BesideCouple(Couple):
    """Two who must not notice; their latencies are kept by what the readers do."""

    def __init__(self, load: "SlowLoad", people: tuple[Person, Person]) -> None:
        super().__init__(load, people)
        self._slow = load

    def suffix(self) -> str:
        """What is added now to the names of its histograms."""
        return self._slow.stage


class SlowLoad(Load):
    """Readers with those who send to them, pairs beside them, and a room of the readers."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.stage = ""
        self._attendance = Attendance(self)
        pairs = beside(orders.people)
        own = share_of(int(orders.options["stopped"]), orders)
        self._readers = [ReaderCouple(self, pair) for pair in pairs[:own]]
        self._beside = [BesideCouple(self, pair) for pair in pairs[own:]]
        self._couples: list[Couple] = [*self._readers, *self._beside]
        self._devices: list[Returning] = [each for pair in self._couples for each in (pair.sender, pair.recipient)]
        for device in self._devices:
            device.attendance = self._attendance
        self._host = Speaker()
        self._room = new_room_id()
        self._pulse = client_frame(
            msgspec.json.encode({"type": "group.squeeze", "id": self._room, "strength": STRENGTH})
        )
        self._reading_on: list[asyncio.Task[Reading]] = []

    async def open(self) -> None:
        """Connect everybody, and bring the readers into a room. Raises: Lost."""
        await enter_all(self.orders, self._devices)
        if not self._readers:
            return
        await self._host.enter(self.orders.url, self.orders.people[0], self.orders.sources[0] or None)
        self.sessions += 1
        await self._host.ask(type="group.create", id=self._room, name="load", capacity=max(2, 2 * len(self._readers)))
        for couple in self._readers:
            couple.recipient.write(client_frame(msgspec.json.encode({"type": "group.join", "id": self._room})))
        for pulse in range(int(NEWS_WITHIN_S * PULSES_PER_S)):
            if all(couple.recipient.pulses for couple in self._readers):
                return
            self._squeeze(pulse, 0.0)
            await asyncio.sleep(1 / PULSES_PER_S)
        raise Lost("the readers do not hear the pulses of their room")

    def _squeeze(self, _index: int, _intended: float) -> None:
        self._host.write(self._pulse)

    async def drive(self, seconds: float) -> None:
        """What is sent all the time, whoever reads."""
        readers, others = self._readers, self._beside
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hug(others, seconds))
            if readers:
                group.create_task(pace(HUGS_PER_READER_S * len(readers), seconds, self._send_large))
                group.create_task(pace(len(readers) / PRESENCE_EVERY_S, seconds, self._change_presence))
                group.create_task(pace(PULSES_PER_S, seconds, self._squeeze))

    async def _hug(self, couples: Sequence[Couple], seconds: float) -> None:
        share = len(couples) / int(self.orders.options["pairs"])
        if couples:
            hugs = float(self.orders.options["rate"]) * share
            await self.pace(hugs, seconds, lambda index, intended: couples[index % len(couples)].sender.send(intended))

    def _send_large(self, index: int, intended: float) -> None:
        self._readers[index % len(self._readers)].sender.send(intended)

    def _change_presence(self, index: int, _intended: float) -> None:
        status = STATUSES[index // len(self._readers) % len(STATUSES)]
        sender = self._readers[index % len(self._readers)].sender
        sender.write(client_frame(b'{"type":"presence.set","status":"%b"}' % status.encode()))

    async def feed(self) -> None:
        """Everybody gets as much as will later be too much, and reads it."""
        self.stage = READING
        await self._one_after_the_other(lambda couple, _: couple.fill(HUGS_TO_FILL))

    async def stop(self) -> None:
        """Everybody stops reading, and is sent more than can be kept for them."""
        self.stage = STOPPED
        await self._one_after_the_other(self._stop)

    async def _stop(self, couple: ReaderCouple, number: int) -> None:
        couple.recipient.stop_reading()
        stopped_at = time.perf_counter()
        filled_at = await couple.fill(HUGS_TO_FILL)
        reading_on = couple.read_on(stopped_at, filled_at, silence_s(number))
        self._reading_on.append(asyncio.create_task(reading_on))

    async def _one_after_the_other(self, work: Callable[[ReaderCouple, int], Awaitable[object]]) -> None:
        start, lasts = time.perf_counter(), stopping_s(int(self.orders.options["stopped"]))
        for number, couple in enumerate(self._readers):
            await asyncio.sleep(start + lasts * number / len(self._readers) - time.perf_counter())
            await work(couple, number)
        await asyncio.sleep(start + lasts - time.perf_counter())

    async def readings(self) -> list[Reading]:
        """How each silence ended, when all have."""
        found = await asyncio.gather(*self._reading_on)
        self.stage = ""
        for couple, reading in zip(self._readers, found, strict=True):
            if wrong := judge_reading(reading):
                self.problems.append(f"{couple.people[1].id} {wrong}")
        return found

    async def settle(self) -> None:
        """Until everybody is back, and has got everything."""
        await settle(self._couples, self._attendance)
        if self._readers:
            self.problems += self._host.ended()

    def tally(self) -> None:
        """What the ledgers say."""
        tally(self, self._couples)

    def close(self) -> None:
        """All connections."""
        self._host.close()
        for device in self._devices:
            device.leave()


def silence_s(number: int) -> float:
    """Of the reader with that number: spread evenly, however many there are, and every eighth for long."""
    least, most = SILENT_S
    return GONE_S if number % 8 == 7 else least + (most - least) * (number * GOLDEN % 1)


def stopping_s(readers: int) -> float:
    """Over how much time they stop."""
    return min(STOPPING_WITHIN_S, readers / READERS_PER_S)


class Slow(Scenario):
    """Weighs the hubs while readers have stopped, and asks each how its silence ended."""

    name: ClassVar[str] = "slow"
    summary: ClassVar[str] = "readers stop while events are sent to them: what each costs, and whether others notice"
    keys: ClassVar[tuple[str, ...]] = (
        "stopped_reader_kib",
        "stopped_user_kib",
        "stopped_kernel_kib",
        "closed_s",
        "open_s",
        "ok_before_p99_ms",
        "ok_p99_ms",
        "delivery_before_p99_ms",
        "delivery_p99_ms",
    )
    load: ClassVar[type[Load]] = SlowLoad

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        # The protocol says how long it takes.
        options.seconds = max(options.seconds, 2 * stopping_s(options.stopped) + 2 * CALM_S + GONE_S)
        self._held: list[tuple[float, float]] = []  # KiB in user space and in the kernel, before and after
        self._readings: list[Reading] = []

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """The options of this scenario alone."""
        parser.add_argument("--stopped", type=count, default=200, metavar="N", help="readers that stop (%(default)s)")
        parser.add_argument("--pairs", type=count, default=10, metavar="N", help="that must not notice (%(default)s)")
        parser.add_argument("--rate", type=rate, default=200.0, metavar="R", help="hugs/s of theirs (%(default)s)")

    def title(self) -> str:
        """One line."""
        return f"{self.options.stopped:,} readers stop while {self.options.pairs} pairs go on hugging"

    def people(self) -> int:
        """Two for each reader and each pair."""
        return 2 * int(self.options.stopped + self.options.pairs)

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Readers in turn to each child, pairs behind them."""
        couples = pairs_of_friends(list(people), self.options.stopped + self.options.pairs)
        readers = share_couples(couples[: self.options.stopped], children)
        others = share_couples(couples[self.options.stopped :], children)
        return [[*each, *other] for each, other in zip(readers, others, strict=True)]

    async def conduct(self, conductor: Conductor) -> None:
        """Everything within the measured phase, so that it is in one timeline."""
        await conductor.open()
        await conductor.warm_up()
        running = asyncio.create_task(conductor.run())
        try:
            await conductor.call("feed")
            await asyncio.sleep(CALM_S)
            self._weigh(conductor)
            await conductor.call("stop")
            await asyncio.sleep(CALM_S)
            self._weigh(conductor)
            for readings in await conductor.call("readings"):
                self._readings += msgspec.convert(readings, list[Reading])
            await running
        finally:
            running.cancel()
        await conductor.settle()

    def _weigh(self, conductor: Conductor) -> None:
        hubs = conductor.stack.pids().get("hub", [])
        if hubs:
            port = urlsplit(conductor.stack.url).port or 80
            self._held.append((float(sum(resident_kib(pid)[0] for pid in hubs)), kernel_kib(port)))

    def rows(self, conductor: Conductor) -> list[Row]:
        """Of memory nothing, if the hubs are not known here."""
        found: list[Row] = []
        if len(self._held) == 2:
            before, after = self._held
            user, kernel = ((after[each] - before[each]) / self.options.stopped for each in (0, 1))
            found += [
                bounded("stopped_reader_kib", "memory of a stopped reader", user + kernel, "KiB", STOPPED_READER_KIB),
                Row("stopped_user_kib", "  of the hubs' processes", user, "KiB"),
                Row("stopped_kernel_kib", "  of the kernel, for the hubs' sockets", kernel, "KiB"),
            ]
        closed = [each.silent_s for each in self._readings if each.is_closed]
        still_open = [each.silent_s for each in self._readings if not each.is_closed]
        self._tell(conductor, closed)
        return [
            *found,
            Row("closed_s", "shortest silence that ended in a close", min(closed, default=0.0), "s"),
            Row("open_s", "longest silence that did not", max(still_open, default=0.0), "s"),
            *_p99_rows(conductor, "ok", OK),
            *_p99_rows(conductor, "delivery", DELIVERY),
        ]

    def _tell(self, conductor: Conductor, closed: Sequence[float]) -> None:
        told = sum(each.code > 0 for each in self._readings)
        longest = max((each.filled_s for each in self._readings), default=0.0)
        conductor.notes += [
            f"{len(closed)} of {len(self._readings)} had been closed when they read on, {told} of them found the hub's bye",
            f"{HUGS_TO_FILL} hugs of 4 KB were there for each within {longest:.1f} s of its stopping",
            "memory in the kernel: what sock_diag(7) tells of all sockets on the hubs' port (their side of each connection)",
        ]


def _p99_rows(conductor: Conductor, key: str, name: str) -> list[Row]:
    before, after = conductor.latency(name + READING), conductor.latency(name + STOPPED)
    return [
        Row(f"{key}_before_p99_ms", f"{name} p99 of others{READING}", before.p99, "ms"),
        Row(f"{key}_p99_ms", f"{name} p99 of others{STOPPED}", after.p99, "ms"),
    ]
