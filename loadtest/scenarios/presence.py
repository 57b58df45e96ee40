"""People who change their status while all their friends look on.

Friends hear of a change at once, but at most every `CHANGE_GAP_S` about one person: who changes faster is merged, and
only the latest counts. Checked: in the end everybody sees every friend as they are.
"""

import argparse
import asyncio
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from loadtest.arguments import count, rate
from loadtest.clients.abreast import settled
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person
from loadtest.clients.speaker import Speaker
from loadtest.conductor import Conductor
from loadtest.results import Row
from loadtest.rows import cpu_rows, latency_keys, latency_rows
from loadtest.scenario import Load, Orders, Scenario

STATUSES = ("online", "away", "do_not_disturb")  # in turn: two after the same are never the same
CHANGE_GAP_S = 5.0
QUIET_S = 2.0  # without news: everybody has been seen to be there
SETTLE_S = 3 * CHANGE_GAP_S  # without any progress

_PRESENCE = b'{"type":"presence","user":"'
_ID_END = len(_PRESENCE) + 36
_STATUS = b',"status":"'


class _Friend(Struct):
    user: str
    status: str


class _Welcome(Struct):
    friends: list[_Friend] = []


class Watcher(Speaker):
    """Sets its status, and sees that of its friends. *seen*: by user."""

    def __init__(self, load: "PresenceLoad", person: Person) -> None:
        super().__init__()
        self.person = person
        self.status = 0  # of STATUSES
        self.changed = 0.0  # when that was intended to be set; 0: not in this run
        self.seen: dict[str, str] = {}
        self._load = load

    def message(self, payload: bytes, now: float) -> None:
        """`welcome` tells of the friends who are there already."""
        if not self.node:
            for friend in msgspec.json.decode(payload, type=_Welcome).friends:
                self.seen[friend.user] = friend.status
        super().message(payload, now)

    def heard(self, payload: bytes, now: float) -> None:
        """A friend's status."""
        if payload.startswith(_PRESENCE):
            user = payload[len(_PRESENCE) : _ID_END].decode()
            start = _ID_END + 1 + len(_STATUS)
            status = self.seen[user] = payload[start : payload.index(b'"', start)].decode()
            self._load.saw(user, status, now)

    def change(self, intended: float) -> None:
        """The next status."""
        self.status = (self.status + 1) % len(STATUSES)
        self.changed = intended
        self.say(_COMMANDS[self.status], intended)


_COMMANDS = [b'{"type":"presence.set","status":"%b"' % status.encode() for status in STATUSES]


class PresenceLoad(Load):
    """Watchers of each other. `counts`: changes, answered, seen."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(orders)
        self.counts.update(changes=0, answered=0, seen=0)
        self._watchers: dict[str, Watcher] = {}
        self._truth: dict[str, str] = {}

    async def open(self) -> None:
        """Connect everybody, and wait until friends have heard of that. Raises: Lost."""
        watchers = [Watcher(self, person) for person in self.orders.people]
        for watcher in watchers:
            watcher.on_ok = self._answered
            self._watchers[watcher.person.id] = watcher
        await enter_all(self.orders, watchers)
        self.sessions = len(watchers)
        await asyncio.sleep(CHANGE_GAP_S)  # nobody's first change is held back because they have just come
        await settled(lambda: False, lambda: self.counts["seen"], QUIET_S)

    def _answered(self, seconds: float) -> None:
        self.counts["answered"] += 1
        self.record("ok", seconds)

    def saw(self, user: str, status: str, now: float) -> None:
        """Somebody here saw *user*. When that one changed is known only if they are here too."""
        self.counts["seen"] += 1
        friend = self._watchers.get(user)
        if friend is not None and friend.changed and status == STATUSES[friend.status]:
            self.record("presence", now - friend.changed)

    async def drive(self, seconds: float) -> None:
        """One after the other changes their status."""
        watchers = list(self._watchers.values())
        first = self.counts["changes"]
        share = len(watchers) / self.orders.options["users"]

        def send(index: int, intended: float) -> None:
            watchers[(first + index) % len(watchers)].change(intended)
            self.counts["changes"] += 1

        await self.pace(self.orders.options["rate"] * share, seconds, send)

    def statuses(self) -> dict[str, str]:
        """How everybody here is."""
        return {user: STATUSES[watcher.status] for user, watcher in self._watchers.items()}

    def expect(self, truth: dict[str, str]) -> None:
        """How everybody is, here and in the other children."""
        self._truth = truth

    async def settle(self) -> None:
        """Until everybody sees their friends as they are, or nothing comes any more."""
        await settled(
            lambda: not any(map(self._errors, self._watchers.values())),
            lambda: self.counts["seen"] + self.counts["answered"],
            SETTLE_S,
        )
        for watcher in self._watchers.values():
            if wrong := self._errors(watcher):
                self.problems.append(f"a friend is seen {wrong}")
            self.problems += watcher.ended()

    def _errors(self, watcher: Watcher) -> str:
        """One friend who is not seen as they are; empty if there is none."""
        for friend in watcher.person.friends:
            if friend in self._truth and watcher.seen.get(friend) != self._truth[friend]:
                return f"{watcher.seen.get(friend, 'offline')} instead of {self._truth[friend]}"
        return ""

    def close(self) -> None:
        """All connections."""
        for watcher in self._watchers.values():
            watcher.close()


class Presence(Scenario):
    """Everybody's friends look on."""

    name = "presence"
    summary = "people who change their status while their friends look on"
    load = PresenceLoad
    keys = (
        *latency_keys("presence", "ok"),
        "presence_per_s",
        "change_cpu_us",
        "presence_cpu_us",
        "postgres_cpu_us",
        "valkey_cpu_us",
        "load_cpu_us",
    )

    @classmethod
    def add_options(cls, parser: argparse._ArgumentGroup) -> None:
        """How many, with how many friends, and how often."""
        parser.add_argument("--users", type=count, default=2_000, metavar="N", help="connected (%(default)s)")
        parser.add_argument("--friends", type=count, default=20, metavar="N", help="of each, with --up (%(default)s)")
        parser.add_argument("--rate", type=rate, default=200.0, metavar="R", help="changes/s in all (%(default)s)")

    def title(self) -> str:
        """Who changes how often."""
        options = self.options
        return f"{options.users:,} users with {options.friends} friends each, {options.rate:,.0f} changes of status a second"

    def people(self) -> int:
        """Who is connected."""
        options = self.options
        if options.friends >= options.users:
            raise ValueError(f"{options.users} users have at most {options.users - 1} friends")
        return int(options.users)

    def friends(self) -> int:
        """As the options say."""
        return int(self.options.friends)

    def share(self, people: Sequence[Person], children: int) -> list[list[Person]]:
        """Friends stay together where that is possible: those of `hugmood people make` are neighbours in the list."""
        size = -(-len(people) // children)
        return [list(people[first : first + size]) for first in range(0, len(people), size)]

    async def conduct(self, conductor: Conductor) -> None:
        """In the end all children are told how everybody is."""
        options = self.options
        if options.rate * CHANGE_GAP_S > options.users:
            conductor.notes.append(
                f"each user changes more often than every {CHANGE_GAP_S:.0f} s: some changes wait, or are merged"
            )
        await conductor.open()
        await conductor.warm_up()
        await conductor.run()
        truth: dict[str, str] = {}
        for statuses in await conductor.call("statuses"):
            truth.update(statuses)
        await conductor.call("expect", truth)
        await conductor.settle()

    def rows(self, conductor: Conductor) -> list[Row]:
        """What a change costs, and how long it takes until a friend has read it."""
        running = conductor.running
        a_change = running.cpu_us("hub", "changes")
        return [
            *([] if a_change is None else [Row("change_cpu_us", "hub CPU per change", a_change, "µs")]),
            *cpu_rows(conductor, "seen", "friend who sees it", hub_key="presence_cpu_us"),
            *latency_rows("presence", conductor),
            *latency_rows("ok", conductor),
            Row(
                "presence_per_s", "seen by friends", running.count("seen") / running.seconds, "/s", more_is_better=True
            ),
        ]
