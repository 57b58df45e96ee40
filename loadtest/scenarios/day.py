"""A mix like a real evening: many idle, some hugging, some together in rooms, some coming and going.

Everything is followed at once: hugs once and in order, also to those who are away just then, squeezes by all who are in
the room, and nobody is cut off who did not mean to go.
"""

import argparse
import asyncio
import random
from collections.abc import Sequence
from typing import ClassVar

from loadtest.arguments import count, rate
from loadtest.clients.abreast import abreast, settled
from loadtest.clients.couples import DELIVERY, OK, Couple, beside, settle, share_couples, tally
from loadtest.clients.entering import enter_all
from loadtest.clients.gatherings import Gathering
from loadtest.clients.people import Person, pairs_of_friends
from loadtest.clients.returning import CUT_OFF, Attendance, Returning, ReturningIdle, ReturningRecipient
from loadtest.clients.wire import client_frame
from loadtest.conductor import Conductor
from loadtest.pacer import pace
from loadtest.results import Row
from loadtest.rows import latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario

SECONDS = 60.0  # of the measured phase: pings come after 25 s of silence
SHARES = {"hugging": 0.21, "acks late": 0.03, "coming and going": 0.06, "in rooms": 0.16, "changing status": 0.06}
HUGS_PER_S = 0.02  # of each session, all together
LATE_S = 8.0
HERE_S, AWAY_S = (5.0, 30.0), (2.0, 15.0)  # of those who come and go
ROOM_OF = 8  # at least, where there are as many: few would soon have squeezed all within a second, which completes it
SQUEEZE_EVERY_S = 4.0  # of each in a room
STATUS_EVERY_S = 20.0
STATUSES = ("away", "online")
GATHERING_AT_ONCE = 20
QUIET_S = 2.0  # without a pulse: the news of who has joined are over
SETTLE_S = 5.0  # without a pulse, after which what is missing counts as lost
COMING = ", coming and going"  # of histograms


class LateRecipient(ReturningRecipient):
    """Acknowledges everything, but late."""

    def batch_done(self, now: float) -> None:
        """What has come by then goes into one ack."""
        if self._seq > self._acked and self._ack_later is None:
            self._ack_later = asyncio.get_running_loop().call_later(LATE_S, self._ack)


class ComingCouple(Couple):
    """Two of whom either may be away: their latencies are of another kind."""

    def suffix(self) -> str:
        """What is added to the names of its histograms."""
        return COMING


def parts(pairs: int) -> dict[str, int]:
    """How many of so many pairs do what; of everything at least one where there are enough. The others are idle."""
    found: dict[str, int] = {}
    for what, share in SHARES.items():
        found[what] = min(max(1, round(pairs * share)), pairs - sum(found.values()))
    return found


class DayLoad(Load):
    """This child's share of everybody."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.counts.update(left=0, squeezes=0, **{"changes of status": 0})
        self._attendance = Attendance(self)
        pairs = beside(orders.people)
        numbers = parts(len(pairs))
        hugging, late, coming, in_rooms, changing, idle = _cut(pairs, list(numbers.values()))
        self._coming = [ComingCouple(self, each) for each in coming]
        self._couples = [
            *(Couple(self, each) for each in hugging),
            *(Couple(self, each, recipient=LateRecipient) for each in late),
            *self._coming,
        ]
        self._changing = [ReturningIdle() for _ in _flat(changing)]
        idle_ones = [ReturningIdle() for _ in _flat(idle)]
        self._devices: list[Returning] = [each for pair in self._couples for each in (pair.sender, pair.recipient)]
        self._devices += [*self._changing, *idle_ones]
        self._people = [*_flat([*hugging, *late, *coming]), *_flat(changing), *_flat(idle)]
        for device in self._devices:
            device.attendance = self._attendance
        members = _flat(in_rooms)
        rooms = max(1, len(members) // ROOM_OF)
        self._rooms = [Gathering(self, members[number::rooms]) for number in range(rooms)]
        self._ending = asyncio.Event()
        self._going: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect everybody, and gather those who have a room. Raises: Lost."""
        await enter_all(self.orders, self._devices, self._people)
        for room in self._rooms:
            await enter_all(self.orders, room.members, room.people)
            self.sessions += len(room.members)
        await abreast(self._rooms, Gathering.gather, GATHERING_AT_ONCE)
        await settled(lambda: False, lambda: self.counts["pulses"], QUIET_S)
        for room in self._rooms:
            room.begin()
        devices = [each for pair in self._coming for each in (pair.sender, pair.recipient)]
        self._going = [asyncio.create_task(self._come_and_go(device)) for device in devices]

    async def _come_and_go(self, device: Returning) -> None:
        """Until the load settles; then stay. Raises: Lost."""
        while not await self._ends_within(random.uniform(*HERE_S)):
            device.leave()
            self.counts["left"] += 1
            await self._ends_within(random.uniform(*AWAY_S))
            await device.come_again()

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            return False
        return True

    async def drive(self, seconds: float) -> None:
        """Hugs, squeezes and statuses, each at its own even rate. Raises: Lost if somebody could not come again."""
        share = len(self.orders.people) / int(self.orders.options["sessions"])
        members = sum(len(room.members) for room in self._rooms)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.pace(float(self.orders.options["rate"]) * share, seconds, self._hug))
            group.create_task(self.pace(members / SQUEEZE_EVERY_S, seconds, self._squeeze))
            group.create_task(pace(len(self._changing) / STATUS_EVERY_S, seconds, self._change))
        for task in self._going:
            if task.done():
                task.result()

    def _hug(self, index: int, intended: float) -> None:
        self._couples[index % len(self._couples)].sender.send(intended)

    def _squeeze(self, index: int, intended: float) -> None:
        turn, room = divmod(index, len(self._rooms))
        self._rooms[room].squeeze(turn, intended)

    def _change(self, index: int, _intended: float) -> None:
        turn, number = divmod(index, len(self._changing))
        status = STATUSES[turn % len(STATUSES)]
        self._changing[number].write(client_frame(b'{"type":"presence.set","status":"%b"}' % status.encode()))
        self.counts["changes of status"] += 1

    async def settle(self) -> None:
        """Until everybody is here, every hug has arrived, and every squeeze was heard. Raises: Lost."""
        self._ending.set()
        await asyncio.gather(*self._going)
        await settle(self._couples, self._attendance)
        await settled(lambda: all(room.is_settled() for room in self._rooms), lambda: self.counts["pulses"], SETTLE_S)
        for room in self._rooms:
            self.problems += room.ended()
        if gone := sum(not device.is_in() for device in self._devices):
            self.problems.append(f"{gone} sessions were not open in the end")
        self.problems += [f"a session was cut off: {absence.reason}" for absence in self._attendance.absences]

    def tally(self) -> None:
        """What the ledgers say."""
        tally(self, self._couples)

    def close(self) -> None:
        """All connections."""
        for task in self._going:
            task.cancel()
        for device in self._devices:
            device.leave()
        for room in self._rooms:
            room.close()


def _flat(pairs: Sequence[tuple[Person, Person]]) -> list[Person]:
    return [person for pair in pairs for person in pair]


def _cut(pairs: Sequence[tuple[Person, Person]], numbers: Sequence[int]) -> list[list[tuple[Person, Person]]]:
    """So many of *pairs* each, and the rest."""
    starts = [sum(numbers[:position]) for position in range(len(numbers) + 1)]
    return [list(pairs[start:end]) for start, end in zip(starts, [*starts[1:], len(pairs)], strict=True)]


class Day(Scenario):
    """What so many people cost who do what people do."""

    name: ClassVar[str] = "day"
    summary: ClassVar[str] = "a mix like a real evening: many idle, some hugging, some in rooms, some coming and going"
    keys: ClassVar[tuple[str, ...]] = (
        "hub_cores",
        "hub_cores_per_1000",
        "hub_mib",
        "session_kib",
        *latency_keys("ok", "delivery", "pulse"),
    )
    load: ClassVar[type[Load]] = DayLoad

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        options.rate = options.rate or HUGS_PER_S * options.sessions

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """The options of this scenario alone."""
        parser.add_argument("--sessions", type=count, default=2_000, metavar="N", help="in all (%(default)s)")
        parser.add_argument("--rate", type=rate, metavar="R", help=f"hugs/s in all ({HUGS_PER_S} for each session)")
        parser.set_defaults(seconds=SECONDS)

    def title(self) -> str:
        """One line."""
        return f"An evening of {self.options.sessions:,} people"

    def people(self) -> int:
        """Friends in pairs; in each process at least one pair of everything. Raises: ValueError."""
        least = 2 * (len(SHARES) + 1) * self.options.processes
        if self.options.sessions % 2 or self.options.sessions < least:
            raise ValueError(f"an evening takes an even number of --sessions, and at least {least} here")
        return int(self.options.sessions)

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Friends beside each other."""
        return share_couples(pairs_of_friends(list(people), len(people) // 2), children)

    def rows(self, conductor: Conductor) -> list[Row]:
        """Of the server, nothing if it is not known here."""
        running, sessions = conductor.running, self.options.sessions
        hubs = [process for process in conductor.processes() if process.kind == "hub"]
        found: list[Row] = []
        if hubs:
            cores = running.cpu_s["hub"] / running.seconds
            grown = sum(each.rss_kib - each.rss_kib_before for each in hubs)
            found = [
                Row("hub_cores", "hub CPU", cores, "cores"),
                Row("hub_cores_per_1000", "hub CPU per 1,000 sessions", 1000 * cores / sessions, "cores"),
                Row("hub_mib", "memory of the hubs", sum(each.rss_kib for each in hubs) / 1024, "MiB"),
                Row("session_kib", "its growth per session", grown / sessions, "KiB"),
            ]
        conductor.notes += [
            f"of {sessions:,}: " + ", ".join(f"{2 * number:,} {what}" for what, number in parts(sessions // 2).items()),
            f"left and came again {conductor.counts['left']:,} times; {conductor.counts[CUT_OFF]:,} were cut off",
        ]
        return [
            *found,
            *latency_rows(OK, conductor),
            *latency_rows(DELIVERY, conductor),
            *latency_rows("pulse", conductor),
        ]
