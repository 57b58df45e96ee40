"""To which nodes a hub has rung which events, for `hugmood trace`: one row per hub and second.

Invariant: this never slows down what it writes about. Noting is a list's `append`; packing gives way to others; while
PostgreSQL is away, no more than `KEPT_SECONDS` of it wait, and the oldest is lost first.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct, field

from domain.errors import Unavailable
from domain.times import from_ms, to_ms
from storage.postgres import Database

CUT_EVERY_S = 1.0
RETRY_S = 1.0
KEPT_SECONDS = 60
PACKED_AT_ONCE = 2_000
LOOKED_FOR = timedelta(seconds=30)  # after an event was accepted; longer than that nobody waits for a commit
_A_ROW_AT_MOST = timedelta(seconds=5)
_TAIL = (
    -12
)  # hexadecimal digits at the end of a user's id are random: with the seq they are theirs alone for these seconds

log = logging.getLogger("hugmood.routes")

_SAVE = "insert into routes (node, since, until, rung) values ($1, $2, $3, $4)"
_FIND = "select node, since, rung from routes where until between $1 and $2 and since <= $3 order by since, node"


class _Rung(Struct, array_like=True):
    """A row: one entry in each list but *nodes* for each event. *tails*: of the users' ids, one after another.

    *after_ms*: since the row begins. *where*: an index into *nodes*.
    """

    nodes: list[Sequence[str]] = field(default_factory=list)
    where: list[int] = field(default_factory=list)
    tails: bytearray = field(default_factory=bytearray)
    seqs: list[int] = field(default_factory=list)
    after_ms: list[int] = field(default_factory=list)


class Route(Struct, frozen=True):
    """Hub *by* has rung an event to *nodes*, itself perhaps among them; to none, if nobody was connected."""

    by: str
    at_ms: int
    nodes: Sequence[str]


class _Second(Struct, frozen=True):
    since_ms: int
    until_ms: int
    rung: bytes


class Routes:
    """What one hub has rung. *lost*: seconds of it that could not be written."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        # Side by side, not in tuples: the collector would look at each of those.
        self._users: list[str] = []
        self._seqs: list[int] = []
        self._nodes: list[Sequence[str]] = []
        self._times_ms: list[int] = []
        self._packed: deque[_Second] = deque()
        self._wake = asyncio.Event()
        self.lost = 0

    def note(self, user: str, seq: int, nodes: Sequence[str], at_ms: int) -> None:
        """Event *seq* of *user* is being rung to *nodes*, which nobody changes any more."""
        self._users.append(user)
        self._seqs.append(seq)
        self._nodes.append(nodes)
        self._times_ms.append(at_ms)

    async def run(self) -> None:
        """Write what is noted, once a second, for ever. What the last second brought is lost with the process."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._write_for_ever(), name="routes, writing")
            while True:
                await asyncio.sleep(CUT_EVERY_S)
                await self._cut()

    async def _cut(self) -> None:
        users, seqs, nodes, times_ms = self._users, self._seqs, self._nodes, self._times_ms
        self._users, self._seqs, self._nodes, self._times_ms = [], [], [], []
        if users:
            since_ms = times_ms[0]
            rung = _Rung(seqs=seqs, after_ms=[at_ms - since_ms for at_ms in times_ms])
            await _pack(rung, users, nodes)
            self._keep(_Second(since_ms, times_ms[-1], msgspec.msgpack.encode(rung)))
            self._wake.set()

    def _keep(self, second: _Second, *, is_oldest: bool = False) -> None:
        if is_oldest:
            self._packed.appendleft(second)
        else:
            self._packed.append(second)
        if len(self._packed) > KEPT_SECONDS:
            self._packed.popleft()
            self.lost += 1

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._packed:
                second = self._packed.popleft()
                try:
                    await self._save(second)
                except Unavailable:
                    self._keep(second, is_oldest=True)
                    await asyncio.sleep(RETRY_S)
                except Exception:
                    self.lost += 1
                    log.exception("routes could not be written")

    async def _save(self, second: _Second) -> None:
        await self._database.execute(_SAVE, self._node, from_ms(second.since_ms), from_ms(second.until_ms), second.rung)


async def load_routes(database: Database, user: str, seq: int, at: datetime) -> list[Route]:
    """Where event *seq* of *user*, accepted *at*, was rung within `LOOKED_FOR`, in the order of time. Raises: Unavailable."""
    rows = await database.fetch(_FIND, at, at + LOOKED_FOR + _A_ROW_AT_MOST, at + LOOKED_FOR)
    tail = bytes.fromhex(user[_TAIL:])
    routes = [
        Route(row["node"], to_ms(row["since"]) + rung.after_ms[n], rung.nodes[rung.where[n]])
        for row in rows
        for rung in [msgspec.msgpack.decode(row["rung"], type=_Rung)]
        for n, each in enumerate(rung.seqs)
        if each == seq and rung.tails[n * len(tail) : (n + 1) * len(tail)] == tail
    ]
    return sorted(routes, key=lambda route: route.at_ms)


async def _pack(rung: _Rung, users: Sequence[str], nodes: Sequence[Sequence[str]]) -> None:
    """Fill *rung* in, and let others have their turn in between."""
    known: dict[tuple[str, ...], int] = {}
    for start in range(0, len(users), PACKED_AT_ONCE):
        part = slice(start, start + PACKED_AT_ONCE)
        rung.tails += bytes.fromhex("".join([user[_TAIL:] for user in users[part]]))
        rung.where += [known.setdefault(tuple(some), len(known)) for some in nodes[part]]
        await asyncio.sleep(0)
    rung.nodes = list(known)
