"""People who log moods: hubs queue them, a worker stores them and says so.

At full speed the worker is what is measured: it is held (SIGSTOP) until all moods are queued, and timed from when it may
go on until the last `mood.saved` is read. Checked, always: every mood is queued and told as saved, none is rejected,
moods that are logged once more change nothing, and, where the database is known, each is one row and every streak is
that of the rows.
"""

import argparse
import asyncio
import signal
import time
from collections.abc import Sequence

from loadtest.arguments import AS_IT_GOES, count, rate_or_max
from loadtest.clients.abreast import settled
from loadtest.clients.couples import share_of
from loadtest.clients.entering import enter_all
from loadtest.clients.moods import AGAIN_AFTER_S, Diarist, make_patterns
from loadtest.conductor import Conductor, Span
from loadtest.results import Row
from loadtest.rows import KIND_NAMES, bounded, latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario
from loadtest.server.holding import held, send_signal
from loadtest.server.meter import KINDS
from loadtest.server.stored_moods import judge_kept, load_kept
from loadtest.targets import MOODS_PER_S

USERS, USERS_AT_MAX = 1_000, 8_000
IN_FLIGHT, IN_FLIGHT_EACH = 256, 12  # while queueing at full speed: in all, and of one person
WARM_UP_SHARE = 0.05  # of the moods at full speed
TRIES = 3  # without any progress, after which what is missing counts as lost
SAMPLE = 200  # people of each process who log their last mood once more
LOOK_EVERY_S = 0.5  # for moods that wait for so long that they are sent again
CALM_S = 1.0  # a drain waits for more moods, 0.2 s: none is to be under way when the worker is held
LEAD_S = 0.2  # into the measured phase, before the worker goes on


class MoodsLoad(Load):
    """Some of the people. `counts`: logged, queued, saved, sent again, told again, streaks."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.counts.update({"logged": 0, "queued": 0, "saved": 0, "sent again": 0})
        self._last_saved = 0.0
        self._to_queue = 0
        patterns = make_patterns(time.time_ns() // 1_000_000)
        self._diarists = [
            Diarist(orders.index + number * orders.children, patterns, self._saved)
            for number in range(len(orders.people))
        ]

    async def open(self) -> None:
        """Connect everybody. Raises: Lost."""
        for diarist in self._diarists:
            diarist.on_ok = self._queued
            diarist.on_answers = self._top_up
        await enter_all(self.orders, self._diarists)
        self.sessions = len(self._diarists)

    def _queued(self, seconds: float) -> None:
        self.counts["queued"] += 1
        self.record("ok", seconds)

    def _saved(self, seconds: float) -> None:
        self.counts["saved"] += 1
        self._last_saved = time.perf_counter()
        self.record("saved", seconds)

    def _log(self, intended: float) -> None:
        """The next one in turn logs a mood."""
        diarist = self._diarists[self.counts["logged"] % len(self._diarists)]
        self.counts["logged"] += 1
        diarist.log(intended)

    async def drive(self, seconds: float) -> None:
        """At this child's part of the rate, one after the other; at full speed, until all that is queued is saved."""
        rate = self.orders.options["rate"]
        if rate == AS_IT_GOES:
            await self.until_saved()
            return
        again = asyncio.create_task(self._send_again())
        try:
            share = len(self._diarists) / self.orders.options["users"]
            await self.pace(rate * share, seconds, lambda _index, intended: self._log(intended))
        finally:
            again.cancel()

    async def _send_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.perf_counter()
            for diarist in self._diarists:
                self._again(diarist, diarist.late(now))

    def _again(self, diarist: Diarist, numbers: Sequence[int]) -> None:
        for number in numbers:
            diarist.log_again(number)
        self.counts["sent again"] += len(numbers)

    async def queue(self, total: int) -> None:
        """Log this child's part of *total* moods, some at a time; returns when all are answered, or nothing is any more."""
        self._to_queue = share_of(total, self.orders)
        self._top_up()
        await settled(lambda: not self._to_queue + self._unanswered(), lambda: self.counts["queued"], AGAIN_AFTER_S)
        self._to_queue = 0

    def _unanswered(self) -> int:
        return self.counts["logged"] + self.counts["sent again"] - self.counts["queued"]

    def _top_up(self) -> None:
        """Keep so many on the way as there should be."""
        if self._to_queue:
            free = min(IN_FLIGHT, IN_FLIGHT_EACH * len(self._diarists)) - self._unanswered()
            now = time.perf_counter()
            for _ in range(min(free, self._to_queue)):
                self._to_queue -= 1
                self._log(now)

    async def until_saved(self) -> None:
        """Until no mood waits. When nothing has come for a while, all that wait are sent again, and that a few times."""
        for tries_left in reversed(range(TRIES)):
            told = await settled(self._is_quiet, lambda: self.counts["queued"] + self.counts["saved"], AGAIN_AFTER_S)
            if told or not tries_left:
                return
            for diarist in self._diarists:
                self._again(diarist, list(diarist.waiting))

    def _is_quiet(self) -> bool:
        is_all_told = self.counts["saved"] == self.counts["logged"] and not self._unanswered()
        return is_all_told and not any(diarist.waiting for diarist in self._diarists)

    async def settle(self) -> None:
        """Until all are saved; then some log their last mood once more, which has to be told as saved like the first time."""
        await self.until_saved()
        for diarist in self._diarists[:SAMPLE]:
            if diarist.logged:
                self._again(diarist, [diarist.logged - 1])
        await self.until_saved()
        for diarist in self._diarists:
            self.problems += diarist.ended()

    def logged(self) -> dict[str, int]:
        """How many moods everybody here has logged, by user."""
        return {person.id: diarist.logged for person, diarist in zip(self.orders.people, self._diarists, strict=True)}

    def last_saved(self) -> float:
        """When the last `mood.saved` was read (perf_counter); 0: never."""
        return self._last_saved

    def tally(self) -> None:
        """What was told besides."""
        self.counts["told again"] = sum(diarist.told_again for diarist in self._diarists)
        self.counts["streaks"] = sum(diarist.streaks for diarist in self._diarists)

    def close(self) -> None:
        """All connections."""
        for diarist in self._diarists:
            diarist.close()


class Moods(Scenario):
    """Latency at a steady rate, or how many one worker can store."""

    name = "moods"
    summary = "people who log moods, through the queue and a worker into the database"
    load = MoodsLoad
    keys = (
        "moods_per_s",
        "queued_per_s",
        "streak_share",
        *latency_keys("ok", "saved"),
        *(f"{kind}_cpu_us" for kind in KINDS),
    )

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self._is_full = options.rate == AS_IT_GOES
        self._went_on = self._last_saved = 0.0
        if not options.users:
            options.users = USERS_AT_MAX if self._is_full else USERS

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many, and by how many."""
        parser.add_argument(
            "--rate",
            type=rate_or_max,
            default=500.0,
            metavar="R",
            help="moods/s in all (500), or max: as fast as the worker goes",
        )
        parser.add_argument(
            "--users", type=count, metavar="N", help=f"who log them in turn ({USERS:,}; {USERS_AT_MAX:,} at max)"
        )
        parser.add_argument(
            "--moods", type=count, default=100_000, metavar="N", help="that are queued first, at max (%(default)s)"
        )

    def title(self) -> str:
        """How many moods, and of whom."""
        options = self.options
        if self._is_full:
            return f"{options.moods:,} queued moods of {options.users:,} people, as fast as they are saved"
        return f"{options.rate:,.0f} moods a second, of {options.users:,} people"

    def people(self) -> int:
        """Everybody has one session."""
        return int(self.options.users)

    async def conduct(self, conductor: Conductor) -> None:
        """At full speed the worker is held until all moods are queued. In the end the database is asked."""
        url = conductor.stack.database_url
        if self._is_full and not conductor.stack.pids()["worker"]:
            raise ValueError(
                "--rate max holds the worker while moods are queued: --up starts one, or --ready-file tells"
            )
        await conductor.open()
        users = list(await self._logged(conductor))
        before = await load_kept(url, users) if url else {}
        if self._is_full:
            await self._conduct_full(conductor)
        else:
            await conductor.warm_up()
            await conductor.run()
        await conductor.settle()
        if url:
            conductor.problems += judge_kept(await self._logged(conductor), before, await load_kept(url, users))
        else:
            conductor.notes.append("rows and streaks were not counted: the database is not known here")

    async def _logged(self, conductor: Conductor) -> dict[str, int]:
        return {user: number for each in await conductor.call("logged") for user, number in each.items()}

    async def _conduct_full(self, conductor: Conductor) -> None:
        async with conductor.phase("warm up"):
            await conductor.call("queue", max(1, int(WARM_UP_SHARE * self.options.moods)))
            await conductor.call("until_saved")
        await asyncio.sleep(CALM_S)
        workers = conductor.stack.pids()["worker"]
        with held(workers):
            async with conductor.phase("queue"):
                await conductor.call("queue", self.options.moods)
            going_on = asyncio.create_task(self._let_go(workers))
            try:
                await conductor.run()
            finally:
                going_on.cancel()
        self._last_saved = max(await conductor.call("last_saved"))

    async def _let_go(self, workers: Sequence[int]) -> None:
        await asyncio.sleep(LEAD_S)
        self._went_on = time.perf_counter()
        send_signal(workers, signal.SIGCONT)

    def rows(self, conductor: Conductor) -> list[Row]:
        """At full speed the rate has a target, and latencies would be those of our queue; what hubs did for it is counted in."""
        running = conductor.running
        if not self._is_full:
            rate = running.count("saved") / running.seconds
            return [
                Row("moods_per_s", "saved", rate, "/s", more_is_better=True),
                *latency_rows("ok", conductor),
                *latency_rows("saved", conductor),
                _streak_share(running),
                *_cpu_rows([running]),
            ]
        queueing = conductor.spans["queue"]
        lasted = max(self._last_saved - self._went_on, 0.0) or running.seconds
        through = (
            "moods through one worker" if len(conductor.stack.pids()["worker"]) == 1 else "moods through all workers"
        )
        return [
            bounded("moods_per_s", through, running.count("saved") / lasted, "/s", MOODS_PER_S),
            Row(
                "queued_per_s", "queued before", queueing.count("queued") / queueing.seconds, "/s", more_is_better=True
            ),
            _streak_share(running),
            *_cpu_rows([queueing, running]),
        ]


def _streak_share(span: Span) -> Row:
    return Row(
        "streak_share", "moods that moved a streak", 100 * span.count("streaks") / max(1, span.count("saved")), "%"
    )


def _cpu_rows(spans: Sequence[Span]) -> list[Row]:
    """CPU for each mood that was saved, by kind of process, over all of *spans*."""
    saved = sum(span.count("saved") for span in spans)
    return [
        Row(f"{kind}_cpu_us", f"{KIND_NAMES[kind]} CPU per mood", 1e6 * sum(s.cpu_s[kind] for s in spans) / saved, "µs")
        for kind in KINDS
        if saved and all(kind in span.cpu_s for span in spans)
    ]
