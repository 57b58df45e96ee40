"""What one user is to another, remembered for a moment, because a hug asks for it every time.

Invariant: what is remembered is at most `REMEMBER_S` old, is forgotten on this node as soon as the
doorbell tells of a change, and is not used at all while this node cannot hear the doorbell.
"""

import asyncio
from collections.abc import Callable

from domain.errors import Refusal
from domain.privacy import Relation
from hub.sweep import Sweep
from storage.postgres import Database
from storage.relations import load_relations

REMEMBER_S = 30
REMEMBERED_MAX = 50_000
BATCH_MAX = 500

Pair = tuple[str, str]


class Relations:
    """The relation cache of one node; loads are batched like commits."""

    def __init__(self, database: Database, sweep: Sweep, is_hearing: Callable[[], bool]) -> None:
        self._database = database
        self._sweep = sweep
        self._is_hearing = is_hearing
        self._remembered: dict[Pair, tuple[int, Relation]] = {}
        self._changes = 0  # relations forgotten so far: a load that began before the last one is not remembered
        self._waiting: dict[Pair, asyncio.Future[Relation]] = {}
        self._loader: asyncio.Task[None] | None = None

    def recall(self, asker: str, other: str) -> Relation | None:
        """What *other* is to *asker*, if that is known without asking the database."""
        entry = self._remembered.get((asker, other))
        if entry is None or entry[0] < self._sweep.now or not self._is_hearing():
            return None
        return entry[1]

    async def load(self, asker: str, other: str) -> Relation:
        """What *other* is to *asker*, from the database. Raises: Unavailable."""
        pair = (asker, other)
        future = self._waiting.get(pair)
        if future is None:
            future = self._waiting[pair] = asyncio.get_running_loop().create_future()
            if self._loader is None or self._loader.done():
                self._loader = asyncio.create_task(self._load_waiting(), name="relations")
        return await asyncio.shield(future)  # several commands may wait for one load

    def forget(self, one: str, other: str) -> None:
        """The relation of these two has changed, in one direction or both."""
        self._changes += 1
        self._remembered.pop((one, other), None)
        self._remembered.pop((other, one), None)

    def forget_user(self, user: str) -> None:
        """The privacy of *user* has changed: it matters to everybody who asks about them."""
        self._changes += 1
        for pair in [pair for pair in self._remembered if pair[1] == user]:
            del self._remembered[pair]

    def forget_all(self) -> None:
        """Changes may have been missed."""
        self._changes += 1
        self._remembered.clear()

    async def _load_waiting(self) -> None:
        while self._waiting:
            pairs = list(self._waiting)[:BATCH_MAX]
            futures = [self._waiting.pop(pair) for pair in pairs]
            changes = self._changes
            try:
                relations = await load_relations(self._database, pairs)
            except Refusal as error:
                for future in futures:
                    if not future.done():
                        future.set_exception(error)
                        future.exception()  # whoever waited may be gone
                continue
            if changes == self._changes and self._is_hearing():
                self._remember(pairs, relations)
            for future, relation in zip(futures, relations, strict=True):
                if not future.done():
                    future.set_result(relation)

    def _remember(self, pairs: list[Pair], relations: list[Relation]) -> None:
        if len(self._remembered) + len(pairs) > REMEMBERED_MAX:
            self._remembered.clear()
        until = self._sweep.now + REMEMBER_S
        for pair, relation in zip(pairs, relations, strict=True):
            self._remembered[pair] = (until, relation)
