"""Group hugs as one of their people sees them.

Invariant: a view names nobody who is blocked with the one who asks and, in a room, nobody who wants to be
seen nowhere; while nobody can tell who that is, it names only the one who asks. `count` counts all.
"""

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from functools import partial

from domain.errors import Unavailable
from domain.groups import Group, Member, seniority
from domain.times import rfc3339
from protocol import parts
from protocol.parts import UserRef
from storage.blocks import load_blocked_with
from storage.groups import GroupLine
from storage.hugs import SOMEONE
from storage.names import load_names
from storage.postgres import Database
from storage.presence import Presence

NAMED_MAX = 200
NAMES_MAX_BYTES = 40 * 1024  # of the 64 KiB of a server message; the texts of the group need room too
REF_BYTES = 64  # of one member, beside the name
REMEMBERED_MAX = 500  # rooms
REMEMBER_MS = 1_000  # how long it is remembered who is invisible, and names: many who join at once ask the same


class _Asked:
    """Something about the people of a room, asked about once by all who look in the same moment."""

    def __init__(self, ask: Callable[[Sequence[str]], Awaitable[dict[str, str]]]) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._asked: set[str] = set()
        self._known: dict[str, str] = {}
        self._until_ms = 0

    async def about(self, users: Sequence[str], now_ms: int) -> Mapping[str, str]:
        """What there is about *users*, and perhaps about others. Raises: Unavailable."""
        async with self._asking:
            if not now_ms < self._until_ms <= now_ms + REMEMBER_MS:
                self._asked, self._known, self._until_ms = set(), {}, now_ms + REMEMBER_MS
            fresh = [user for user in users if user not in self._asked]
            if fresh:
                self._known |= await self._ask(fresh)
                self._asked.update(fresh)
            return self._known


class _Remembered:
    """What all who look at a room at one version of it have in common."""

    __slots__ = ("earliest", "hidden", "names", "version")

    def __init__(self, group: Group, hidden: _Asked, names: _Asked) -> None:
        self.version = group.version  # not the group itself, which may be large
        self.earliest = heapq.nsmallest(NAMED_MAX, (m for m in group.members.values() if m.is_joined), key=seniority)
        self.hidden = hidden
        self.names = names


class GroupViews:
    """The views of one node."""

    def __init__(self, database: Database, presence: Presence, clock: Callable[[], int]) -> None:
        self._database = database
        self._presence = presence
        self._clock = clock
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def room_of(self, group: Group, asker: str, blocked: Set[str] | None = None) -> parts.Group:
        """*group* with those in the room. *blocked*: `load_blocked_with(asker)`, if at hand. Raises: Unavailable."""
        if blocked is None:
            blocked = await load_blocked_with(self._database, asker)
        room = self._remember(group)
        seen = await self._seen(room, asker)
        names = await room.names.about([group.host, *(member.user for member in room.earliest)], self._clock())
        member = group.members.get(asker)
        return view_of(
            group,
            host_name=names.get(group.host) if group.host not in blocked else None,
            membership=member.state if member is not None else None,
            members=_refs((one for one in seen if one.user not in blocked), names),
        )

    async def names_of(self, members: Sequence[Member]) -> dict[str, str]:
        """What they are called now. Raises: Unavailable."""
        return await load_names(self._database, [member.user for member in members])

    async def visible(self, members: Sequence[Member], asker: str) -> list[Member]:
        """Those of *members* who may be seen to be in a room now."""
        try:
            hidden = await self._presence.invisible([member.user for member in members])
        except Unavailable:
            return [member for member in members if member.user == asker]
        return [member for member in members if member.user == asker or member.user not in hidden]

    def _remember(self, group: Group) -> _Remembered:
        old = self._remembered.get(group.id)
        if old is not None and old.version == group.version:
            return old
        hidden = old.hidden if old is not None else _Asked(self._hidden)
        names = old.names if old is not None else _Asked(partial(load_names, self._database))
        new = self._remembered[group.id] = _Remembered(group, hidden, names)
        self._remembered.move_to_end(group.id)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return new

    async def _hidden(self, users: Sequence[str]) -> dict[str, str]:
        return dict.fromkeys(await self._presence.invisible(users), "")

    async def _seen(self, room: _Remembered, asker: str) -> list[Member]:
        """The earliest members who may be seen to be here."""
        try:
            hidden = await room.hidden.about([member.user for member in room.earliest], self._clock())
        except Unavailable:
            return [member for member in room.earliest if member.user == asker]
        return [member for member in room.earliest if member.user == asker or member.user not in hidden]


def _refs(members: Iterable[Member], names: Mapping[str, str]) -> list[UserRef]:
    """*members* as others see them, as many as fit into a message."""
    refs: list[UserRef] = []
    left = NAMES_MAX_BYTES
    for member in members:
        name = names.get(member.user, SOMEONE)
        left -= len(name.encode()) + REF_BYTES
        if left < 0:
            break
        refs.append(UserRef(member.user, name))
    return refs


def view_of(
    group: Group, *, host_name: str | None, membership: str | None, members: Sequence[UserRef] = ()
) -> parts.Group:
    """*group* on the wire."""
    return parts.Group(
        id=group.id,
        name=group.name,
        state=group.state,
        version=group.version,
        host=UserRef(group.host, host_name or SOMEONE),
        count=group.joined,
        capacity=group.capacity,
        created_at=rfc3339(group.created_ms),
        expires_at=rfc3339(group.expires_ms),
        description=group.description,
        message=group.message,
        starts_at=_time(group.starts_ms),
        began_at=_time(group.began_ms),
        ended_at=_time(group.ended_ms),
        membership=membership,
        members=list(members),
    )


def line_of(line: GroupLine) -> parts.Group:
    """*line* on the wire: nobody is named but the host."""
    return view_of(line.group, host_name=line.host_name, membership=line.membership)


def _time(ms: int | None) -> str | None:
    return rfc3339(ms) if ms is not None else None
