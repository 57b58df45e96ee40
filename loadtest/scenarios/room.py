"""Rooms with the same members: every squeeze of one is told to all of them.

The hub merges the squeezes of a room into at most one pulse a member and 120 ms. Many messages to many people are
therefore made with several rooms: squeezed one after the other each member gets them one by one (`spaced`), squeezed
eight at once it gets these in one tick (`burst`; several such groups of rooms, or the hub would sleep most of the time).
`merge` is for one room that most of its members squeeze.
Checked for each member and room: the pulses add up to what was squeezed, and are at most ten a second.
"""

import argparse
import asyncio
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial

from loadtest.arguments import count, rate
from loadtest.clients.abreast import abreast, settled
from loadtest.clients.entering import enter_all
from loadtest.clients.roommates import PULSES_PER_S_MAX, Crowd, RoomMember
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import cpu_rows, latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario
from loadtest.targets import ROOM_BURST_CPU_US, ROOM_SPACED_CPU_US, Target

PATTERNS: dict[str, Target | None] = {"spaced": ROOM_SPACED_CPU_US, "burst": ROOM_BURST_CPU_US, "merge": None}
MEMBERS_MIN, MEMBERS_MAX = 2, 10_000
SQUEEZES_PER_S = 7  # of one room; beyond `TOLD_PER_S` several become one pulse
TOLD_PER_S = 1 / 0.12
BURST_ROOMS = 8  # squeezed at once
SQUEEZERS = 8
SQUEEZING_SHARE = 0.6  # of the members at most: with 80 % within a second the room would be complete
JOINING_AT_ONCE = 200
LASTS = timedelta(hours=23)
SETTLE_S = 5.0  # without any progress, after which what is missing counts as lost
QUIET_S = 2.0  # without a pulse: the news of who has joined are over
STRENGTH = 0.5
SPACED_TOGETHER_MAX = 1.05  # pulses in one read


def room_ids(first: str, count: int) -> list[str]:
    """*count* ids, *first* being a UUIDv7."""
    return [str(uuid.UUID(int=uuid.UUID(first).int + number)) for number in range(count)]


def new_room_id() -> str:
    """A UUIDv7 with room behind it for some more."""
    noise = random.getrandbits(62) & ~0xFFFF
    return str(uuid.UUID(int=(time.time_ns() // 10**6) << 80 | 7 << 76 | 2 << 62 | noise))


class RoomLoad(Load):
    """Members of all rooms; those of the first child squeeze. `counts`: squeezes, answered, pulses, reads."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.counts.update(squeezes=0, answered=0, pulses=0, reads=0)
        options = orders.options
        self._rooms = room_ids(str(options["first_room"]), int(options["rooms"]))
        self._crowd = Crowd(self._rooms, self.counts, partial(self.record, "pulse"))
        self._members: list[RoomMember] = []
        self._expected: list[int] = []
        self._squeezes = [
            b'{"type":"group.squeeze","id":"%b","strength":%.1f' % (room.encode(), STRENGTH) for room in self._rooms
        ]

    async def open(self) -> None:
        """Connect everybody; the first child also opens the rooms. Raises: Lost."""
        self._members = [RoomMember(self._crowd) for _ in self.orders.people]
        for member in self._members:
            member.on_ok = self._answered
        await enter_all(self.orders, self._members)
        self.sessions = len(self._members)
        if self.orders.index == 0:
            capacity, ends = int(self.orders.options["members"]), datetime.now(UTC) + LASTS
            for room in self._rooms:
                await self._members[0].ask(
                    type="group.create", id=room, name="load", capacity=capacity, expires_at=ends
                )

    async def join(self) -> None:
        """Everybody into one room after the other: each tells those in it of everybody who comes. Raises: Lost."""
        for room in self._rooms:
            await abreast(self._members, partial(RoomMember.ask, type="group.join", id=room), JOINING_AT_ONCE)

    async def begin(self) -> None:
        """All are in: wait until the news of that are over, and count from now on."""
        await settled(lambda: False, lambda: self.counts["pulses"], QUIET_S)
        self._crowd.hasty = 0
        for member in self._members:
            member.forget()

    def _answered(self, seconds: float) -> None:
        self.counts["answered"] += 1
        self.record("ok", seconds)

    async def drive(self, seconds: float) -> None:
        """The first child squeezes, the others only hear."""
        if self.orders.index:
            await asyncio.sleep(seconds)
            return
        options = self.orders.options
        at_once = BURST_ROOMS if options["pattern"] == "burst" else 1
        most = max(1, int(int(options["members"]) * SQUEEZING_SHARE))
        squeezing = self._members[: most if options["pattern"] == "merge" else min(most, SQUEEZERS)]

        def send(index: int, intended: float) -> None:
            member = squeezing[index % len(squeezing)]
            for number in range(index * at_once, (index + 1) * at_once):
                room = number % len(self._rooms)
                self._crowd.squeezed[room].append(intended)
                member.say(self._squeezes[room], intended)
            self.counts["squeezes"] += at_once

        await self.pace(float(options["rate"]) / at_once, seconds, send)

    def squeezed(self) -> list[int]:
        """How often this child has squeezed each room."""
        return [len(times) for times in self._crowd.squeezed]

    def expect(self, sums: list[int]) -> None:
        """How often all children have squeezed each room."""
        self._expected = sums

    async def settle(self) -> None:
        """Until everybody has heard everything, or nothing comes any more."""
        members, expected = self._members, self._expected
        await settled(
            lambda: all(member.heard_sums == expected and not member.outstanding() for member in members),
            lambda: self.counts["pulses"] + self.counts["answered"],
            SETTLE_S,
        )
        wrong = [member.heard_sums for member in members if member.heard_sums != expected]
        if wrong:
            self.problems.append(f"{len(wrong)} members did not hear {expected} squeezes, but for example {wrong[0]}")
        if self._crowd.hasty:
            self.problems.append(f"{self._crowd.hasty} pulses came although there were {PULSES_PER_S_MAX} in a second")
        for member in members:
            self.problems += member.ended()

    def close(self) -> None:
        """All connections."""
        for member in self._members:
            member.close()


class Room(Scenario):
    """Fan-out."""

    name = "room"
    summary = "squeezes that are told to all members of large rooms, spaced, in bursts, or merged"
    load = RoomLoad
    keys = (
        *(f"room_{pattern}_cpu_us" for pattern in PATTERNS),
        *latency_keys("pulse", "ok"),
        "pulses_per_s",
        "pulses_per_read",
        "postgres_cpu_us",
        "valkey_cpu_us",
        "load_cpu_us",
    )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        is_merging = options.pattern == "merge"
        if options.rooms is None:
            options.rooms = {"spaced": 8, "burst": 4 * BURST_ROOMS, "merge": 1}[options.pattern]
        if options.rate is None:
            options.rate = 1_000.0 if is_merging else float(SQUEEZES_PER_S * options.rooms)
        options.first_room = new_room_id()

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many, and how."""
        parser.add_argument("--members", type=count, default=1_000, metavar="N", help="of all rooms (%(default)s)")
        parser.add_argument("--rooms", type=count, metavar="N", help="with the same members (8; burst: 32; merge: 1)")
        parser.add_argument(
            "--pattern",
            choices=PATTERNS,
            default="spaced",
            help="spaced: one room after the other; burst: eight rooms at once; merge: by most members, more often than "
            "they can be told (%(default)s)",
        )
        parser.add_argument(
            "--rate",
            type=rate,
            metavar="R",
            help=f"squeezes/s in all ({SQUEEZES_PER_S} for each room; with merge 1000)",
        )

    def title(self) -> str:
        """The rooms, and who squeezes how."""
        options = self.options
        rooms = "One room" if options.rooms == 1 else f"{options.rooms} rooms with the same"
        how = {"spaced": "one after the other", "burst": f"{BURST_ROOMS} at once", "merge": "merged"}[options.pattern]
        return f"{rooms} {options.members:,} members, {options.rate:,.0f} squeezes a second, {how}"

    def people(self) -> int:
        """The members."""
        options = self.options
        if not MEMBERS_MIN <= options.members <= MEMBERS_MAX:
            raise ValueError(f"a room has {MEMBERS_MIN} to {MEMBERS_MAX:,} members")
        if options.pattern == "burst" and options.rooms % BURST_ROOMS:
            raise ValueError(f"in bursts {BURST_ROOMS} rooms are squeezed at once: --rooms is a multiple of it")
        if options.pattern != "merge" and options.rate > TOLD_PER_S * options.rooms:
            raise ValueError(
                f"{options.rooms} rooms can be told at most {TOLD_PER_S * options.rooms:.0f} times a second"
            )
        return int(options.members)

    async def conduct(self, conductor: Conductor) -> None:
        """Everybody is in all rooms before anybody squeezes; what was squeezed is told to all children."""
        await conductor.open()
        async with conductor.phase("join"):
            await conductor.call("join")
            await conductor.call("begin")
        await conductor.warm_up()
        await conductor.run()
        self._look_at_reads(conductor)
        by_child: list[list[int]] = await conductor.call("squeezed")
        await conductor.call("expect", [sum(counts) for counts in zip(*by_child, strict=True)])
        await conductor.settle()

    def _look_at_reads(self, conductor: Conductor) -> None:
        """Pulses of several rooms that come together are cheaper, and not what `spaced` is to measure."""
        together = _pulses_per_read(conductor)
        if self.options.pattern == "spaced" and together > SPACED_TOGETHER_MAX:
            conductor.notes.append(
                f"WARNING: {together:.2f} pulses came in one read: the hub, or this client, was late, and what is "
                f"measured is not quite that of spaced pulses"
            )

    def rows(self, conductor: Conductor) -> list[Row]:
        """What it costs to tell one squeeze, or what was merged of them, to one member."""
        running, pattern = conductor.running, self.options.pattern
        pulses = running.count("pulses")
        return [
            *cpu_rows(conductor, "pulses", "pulse and member", PATTERNS[pattern], f"room_{pattern}_cpu_us"),
            *latency_rows("pulse", conductor),
            *latency_rows("ok", conductor),
            Row("pulses_per_s", "pulses read by members", pulses / running.seconds, "/s", more_is_better=True),
            Row("pulses_per_read", "pulses in one read", _pulses_per_read(conductor), "", more_is_better=True),
        ]


def _pulses_per_read(conductor: Conductor) -> float:
    return conductor.running.count("pulses") / max(1, conductor.running.count("reads"))
