"""A large room: every member hears merged pulses, however many squeeze.

What is checked all the time: each member gets at most ten pulses a second, and for each member the pulses add up
to what was squeezed.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from loadtest.hugs import Member
from loadtest.pacer import pace
from loadtest.people import Person
from loadtest.processes import Cpu, Processes
from loadtest.wire import Lost, client_frame

JOINING_AT_ONCE = 200
JOIN_WITHIN_S = 60.0
SETTLE_WITHIN_S = 10.0
PULSES_PER_S_MAX = 10
SQUEEZING_SHARE = 0.6  # of the members: at 80 % within a second the room would be complete
STRENGTH = 0.5

_PULSE = b'{"type":"group.pulse"'
_COUNT = b'"count":'
_OK = b'{"type":"ok","ref":1'
_ERROR = b'{"type":"error"'


class RoomRun(Struct, frozen=True):
    """One rate of squeezes. CPU in seconds of all hubs together."""

    rate: float
    squeezes: int
    pulses: int  # that reached members, all together
    pulses_per_s_max: int  # the most that any member got within one second
    hub_cores: float
    cpu_us_per_pulse: float  # of the hubs, for each pulse that reached a member
    cores: Cpu


class RoomFigures(Struct, frozen=True):
    """All rates in one room."""

    members: int
    nodes: int
    joining_s: float
    runs: list[RoomRun]
    problems: list[str]


class RoomMember(Member):
    """Adds up the pulses it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = 0
        self.arrivals: list[float] = []
        self.refused = ""

    def event(self, payload: bytes, now: float) -> None:
        """A pulse, or the answer to `group.join`."""
        if payload.startswith(_PULSE):
            start = payload.index(_COUNT) + len(_COUNT)
            count = int(payload[start : payload.index(b",", start)])
            if count:
                self.heard += count
                self.arrivals.append(now)
        elif payload.startswith(_OK):
            if not self.joined.done():
                self.joined.set_result(None)
        elif payload.startswith(_ERROR):
            self.refused = payload.decode()
            if not self.joined.done():
                self.joined.set_exception(Lost(self.refused))

    async def ask(self, **command: object) -> None:
        """One command with ref 1; returns with its `ok`. Raises: Lost."""
        self.joined = asyncio.get_running_loop().create_future()
        self.write(client_frame(msgspec.json.encode({**command, "ref": 1})))
        try:
            async with asyncio.timeout(JOIN_WITHIN_S):
                await self.joined
        except TimeoutError as error:
            raise Lost(f"no answer to {command['type']} in time") from error

    def busiest_second(self) -> int:
        """The most pulses within any second, by the time of arrival."""
        most = first = 0
        for last, arrived in enumerate(self.arrivals):
            while arrived - self.arrivals[first] >= 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


async def run_room(
    url: str, processes: Processes, people: Sequence[Person], rates: Sequence[float], seconds: float
) -> RoomFigures:
    """Gather *people* in one room and squeeze at each of *rates* for *seconds*. Raises: Lost."""
    room = str(uuid.UUID(int=(time.time_ns() // 10**6) << 80 | 7 << 76 | random.getrandbits(76) & ~(3 << 62) | 2 << 62))
    members = [RoomMember() for _ in people]
    try:
        started = time.perf_counter()
        host = members[0]
        await host.enter(url, people[0])
        capacity = max(2, len(people))
        await host.ask(type="group.create", id=room, name="bench", capacity=capacity)
        await _join_all(url, room, members[1:], people[1:])
        joining_s = time.perf_counter() - started
        await _quiet(members)
        squeeze = client_frame(msgspec.json.encode({"type": "group.squeeze", "id": room, "strength": STRENGTH}))
        problems: list[str] = []
        runs = [await _squeeze(processes, members, squeeze, rate, seconds, problems) for rate in rates]
    finally:
        for member in members:
            member.close()
    return RoomFigures(len(members), len({member.node for member in members}), joining_s, runs, problems)


async def _join_all(url: str, room: str, members: Sequence[RoomMember], people: Sequence[Person]) -> None:
    waiting = list(zip(members, people, strict=True))

    async def work() -> None:
        while waiting:
            member, person = waiting.pop()
            await member.enter(url, person)
            await member.ask(type="group.join", id=room)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(JOINING_AT_ONCE, len(waiting))):
                group.create_task(work())
    except* Lost as errors:
        raise Lost(f"a member could not join: {errors.exceptions[0]}") from None


async def _quiet(members: Sequence[RoomMember]) -> None:
    """Until the news of the joining are over, and nobody gets anything more."""
    await asyncio.sleep(2.0)
    for member in members:
        member.heard = 0
        member.arrivals.clear()


async def _squeeze(
    processes: Processes, members: list[RoomMember], squeeze: bytes, rate: float, seconds: float, problems: list[str]
) -> RoomRun:
    squeezing = members[: max(1, int(len(members) * SQUEEZING_SHARE))]
    for member in members:
        member.heard = 0
        member.arrivals.clear()
    before, started = processes.cpu(), time.perf_counter()
    sent = await pace(rate, seconds, lambda index, _: squeezing[index % len(squeezing)].write(squeeze))
    spent, lasted = processes.cpu().since(before), time.perf_counter() - started
    pulses = sum(len(member.arrivals) for member in members)
    deadline = time.perf_counter() + SETTLE_WITHIN_S
    while any(member.heard < sent for member in members) and time.perf_counter() < deadline:  # noqa: ASYNC110  an event per pulse would be measured too
        await asyncio.sleep(0.05)
    problems += _problems(members, sent, rate)
    return RoomRun(
        rate=rate,
        squeezes=sent,
        pulses=pulses,
        pulses_per_s_max=max(member.busiest_second() for member in members),
        hub_cores=spent.hubs / lasted,
        cpu_us_per_pulse=1e6 * spent.hubs / max(1, pulses),
        cores=spent.scaled(1 / lasted),
    )


def _problems(members: Sequence[RoomMember], sent: int, rate: float) -> list[str]:
    found: list[str] = []
    wrong = [member for member in members if member.heard != sent]
    if wrong:
        found.append(f"at {rate:,.0f}/s {len(wrong)} members heard {wrong[0].heard} squeezes of {sent}")
    hasty = [member for member in members if member.busiest_second() > PULSES_PER_S_MAX]
    if hasty:
        found.append(f"at {rate:,.0f}/s {len(hasty)} members got more than {PULSES_PER_S_MAX} pulses in a second")
    found += [member.refused for member in members if member.refused][:3]
    found += [f"lost: {member.lost.result()}" for member in members if member.lost.done()][:3]
    return found
