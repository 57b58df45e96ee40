"""The notification centre against a dict, in any order of what happens to it; and two devices that hear of it all.

One device knows at once what there is, the other catches up now and then. What either makes of the events in the inbox
alone, and of the hugs it knows to be seen, is what the centre shows.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from domain.notifications import KINDS
from domain.preferences import Category, Preferences
from domain.times import from_ms
from protocol.events import HugUndone, Message
from storage.inbox import InboxEvent, load_after
from storage.locked_centre import LockedCentre, locked_centre
from storage.notification_centre import count_unread, load_lines
from storage.postgres import Database
from storage.push_preferences import change_preferences
from tests.support.centre import (
    ANA,
    AT,
    FRIEND,
    MILESTONE,
    NO_LINE,
    SECURITY,
    add,
    add_delivery,
    add_hugs,
    mark_hugs,
    notice,
)
from tests.support.people import NOW_MS, make_users

pytestmark = [pytest.mark.contract, pytest.mark.timeout(300)]

NOW = from_ms(NOW_MS)
EVENTS: Sequence[Message] = (FRIEND, MILESTONE, NO_LINE, SECURITY, notice("hugs"), notice("streaks", change="read"))
SWITCHED = [Category.HUGS, Category.FRIENDS, Category.STREAKS]

which = st.integers(0, 9)  # of the latest
steps = st.lists(
    st.one_of(
        st.tuples(st.just("hugs"), st.integers(1, 3)),
        st.tuples(st.just("event"), st.integers(0, len(EVENTS) - 1)),
        st.tuples(st.just("seen"), which),
        st.tuples(st.just("undo"), which),
        st.tuples(st.just("read"), st.lists(which, min_size=1, max_size=4)),
        st.tuples(st.just("read_all"), st.none()),
        st.tuples(st.just("delete"), which),
        st.tuples(st.just("open"), st.tuples(st.sampled_from(["hug.received", "notification"]), which, which)),
        st.tuples(st.just("switch"), st.sampled_from(SWITCHED)),
        st.tuples(st.just("catch_up"), st.none()),
    ),
    max_size=25,
)


class Line(Struct):
    """What is known of one."""

    kind: str
    category: str
    hug: str | None
    is_read: bool = False


class Device:
    """What an app makes of the events in the inbox."""

    def __init__(self) -> None:
        self.seq = 0
        self.lines: dict[int, Line] = {}
        self.badge: int | None = None  # as it was told last

    def hear(self, event: InboxEvent) -> None:
        assert event.seq == self.seq + 1
        self.seq = event.seq
        body = msgspec.json.decode(event.body)
        if body["type"] == "hug.undone":
            self.lines = {seq: line for seq, line in self.lines.items() if line.hug != body["id"]}
        elif body["type"] == "notification" and "change" in body:
            self._change(body)
        elif (about := KINDS.get(body["type"])) is not None:
            category = about.category or body["category"]
            hug = body["id"] if body["type"] == "hug.received" else None
            self.lines[event.seq] = Line(body["type"], category, hug)

    def _change(self, body: dict[str, Any]) -> None:
        self.badge = body["unread"]
        for seq in [seq for seq in self.lines if seq in body.get("ids", ()) or seq <= body.get("through", 0)]:
            if body["change"] == "deleted":
                del self.lines[seq]
            else:
                self.lines[seq].is_read = True

    def seen(self, hug: str) -> None:
        for line in self.lines.values():
            line.is_read |= line.hug == hug


class World:
    """A centre in PostgreSQL, the dict that says what is in it, and two devices."""

    def __init__(self, database: Database, user: str, friend: str) -> None:
        self._database = database
        self._user = user
        self._friend = friend
        self._model: dict[int, Line] = {}
        self._hidden: set[str] = set()
        self._seen: list[str] = []
        self._near, self._far = Device(), Device()

    def shown(self, lines: dict[int, Line]) -> dict[int, bool]:
        """Which lines there are, newest first, and whether they are read."""
        return {
            seq: lines[seq].is_read for seq in sorted(lines, reverse=True) if lines[seq].category not in self._hidden
        }

    def latest(self, number: int, kind: str | None = None) -> int:
        """The seq of one of the latest lines; 0: there are not so many."""
        seqs = [seq for seq in sorted(self._model, reverse=True) if kind in (None, self._model[seq].kind)]
        return seqs[number] if number < len(seqs) else 0

    async def hugs(self, count: int) -> None:
        for hug, seq in await add_hugs(self._database, self._friend, self._user, count):
            self._model[seq] = Line("hug.received", "hugs", hug)

    async def event(self, number: int) -> None:
        event = EVENTS[number]
        (seq,) = await add(self._database, self._user, event)
        kind = str(event.__struct_config__.tag)
        if kind in KINDS:
            self._model[seq] = Line(kind, KINDS[kind].category or getattr(event, "category"), None)  # noqa: B009

    async def seen(self, number: int) -> None:
        line = self._model.get(self.latest(number, "hug.received"))
        if line is not None and line.hug is not None:
            await mark_hugs(self._database, "seen_at", [line.hug])
            self._seen.append(line.hug)
            line.is_read = True

    async def undo(self, number: int) -> None:
        seq = self.latest(number, "hug.received")
        line = self._model.get(seq)
        if line is not None and line.hug is not None and line.hug not in self._seen:
            await mark_hugs(self._database, "undone_at", [line.hug])
            await add(self._database, self._user, HugUndone(at=AT, id=line.hug, from_=ANA))
            del self._model[seq]

    async def read(self, numbers: list[int]) -> None:
        await self._read([self.latest(number) for number in numbers])

    async def _read(self, seqs: list[int], opened: str | None = None) -> None:
        unread = [seq for seq, is_read in self.shown(self._model).items() if seq in seqs and not is_read]
        for seq in unread:
            self._model[seq].is_read = True
        async with locked_centre(self._database, self._user, NOW) as centre:
            if opened is not None:
                assert await centre.open(opened)
            else:
                await centre.read(seqs)
        self._check_told(centre, {"change": "read", "ids": sorted(unread)} if unread else None)

    async def read_all(self, _: None) -> None:
        is_any = not all(self.shown(self._model).values())
        through = await self._head()
        async with locked_centre(self._database, self._user, NOW) as centre:
            await centre.read_all()
        for line in self._model.values():
            line.is_read |= is_any
        self._check_told(centre, {"change": "read", "through": through} if is_any else None)

    async def delete(self, number: int) -> None:
        seq = self.latest(number)
        async with locked_centre(self._database, self._user, NOW) as centre:
            await centre.delete(seq)
        is_there = seq in self.shown(self._model)
        if is_there:
            del self._model[seq]
        self._check_told(centre, {"change": "deleted", "ids": [seq]} if is_there else None)

    async def open(self, push: tuple[str, int, int]) -> None:
        kind, *ends = push
        first, last = sorted(self.latest(end) for end in ends)
        delivery = await add_delivery(self._database, self._user, kind, first, last)
        of_it = [seq for seq, line in self._model.items() if first <= seq <= last and line.kind == kind]
        await self._read(of_it, delivery)

    async def switch(self, category: Category) -> None:
        self._hidden ^= {category}
        chosen = Preferences(switches={f"{hidden}.in_app": False for hidden in self._hidden})
        await change_preferences(self._database, self._user, lambda _: chosen, NOW)

    async def catch_up(self, _: None) -> None:
        await self._bring(self._far)
        assert self._far.badge == self._near.badge
        assert self._far.lines == self._near.lines

    def _check_told(self, centre: LockedCentre, expected: dict[str, Any] | None) -> None:
        told = [msgspec.json.decode(event.body) for event in centre.events]
        if expected is None:
            assert told == []
        else:
            unread = list(self.shown(self._model).values()).count(False)
            assert told == [{"type": "notification", "at": AT, "unread": unread, **expected}]

    async def _bring(self, device: Device) -> None:
        for event in await load_after(self._database, [(self._user, device.seq)], 1_000):
            device.hear(event)
        for hug in self._seen:
            device.seen(hug)

    async def _head(self) -> int:
        head: int = await self._database.fetchval("select seq from inbox_heads where user_id = $1", self._user)
        return head

    async def check(self) -> None:
        expected = self.shown(self._model)
        lines = await load_lines(self._database, self._user, None, 1_000, only_unread=False)
        assert {line.seq: line.read_ms is not None for line in lines} == expected
        assert [line.seq for line in lines] == list(expected)
        unread = [seq for seq, is_read in expected.items() if not is_read]
        found = await load_lines(self._database, self._user, None, 1_000, only_unread=True)
        assert [line.seq for line in found] == unread
        assert await count_unread(self._database, [self._friend, self._user]) == {
            self._friend: (0, False),
            self._user: (len(unread), False),
        }
        await self._bring(self._near)
        assert self.shown(self._near.lines) == expected


@given(steps)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_the_centre_is_what_the_events_say(database_url: str, taken: list[tuple[str, Any]]) -> None:
    async def play() -> None:
        async with Database(database_url) as database:
            world = World(database, *(await make_users(database, 2)))
            for name, argument in taken:
                await getattr(world, name)(argument)
                await world.check()
            await world.catch_up(None)

    asyncio.run(play())
