"""Which pushes somebody gets, worked out slowly from the rules as they are told to people, sharing no code with the server.

One kind of event at a time; at each moment at which something may change, each event is looked at by itself. The real
thing looks a little later than that, so a push comes at `not_before_ms` or soon after.
"""

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000

# What pushes there are: the category, and for how long the event is worth a push.
KINDS: Mapping[str, tuple[str, int]] = {
    "hug.received": ("hugs", 24 * HOUR_MS),
    "hug.felt": ("hugs", 24 * HOUR_MS),
    "request.received": ("requests", 24 * HOUR_MS),
    "request.answered": ("requests", 24 * HOUR_MS),
    "group.invited": ("groups", 24 * HOUR_MS),
    "group.started": ("groups", 10 * MINUTE_MS),
    "group.cancelled": ("groups", 24 * HOUR_MS),
    "friend.requested": ("friends", 24 * HOUR_MS),
    "friend.accepted": ("friends", 24 * HOUR_MS),
    "streak.milestone": ("streaks", 24 * HOUR_MS),
    "account.notice": ("account", 24 * HOUR_MS),
}

OFFLINE, CONNECTED, DO_NOT_DISTURB = "offline", "connected", "do_not_disturb"
SENT = "sent"


class Happened(Struct, frozen=True, kw_only=True):
    """A durable event of one person. All times in Unix ms; *acked_ms* and the like: when that happened, if it ever did.

    *expires_ms*: where it is worth nothing sooner than others of its kind.
    """

    seq: int
    at_ms: int
    kind: str = "hug.received"
    actor: str = "somebody"
    acked_ms: int | None = None
    read_ms: int | None = None
    undone_ms: int | None = None
    expires_ms: int | None = None


class Person(Struct, frozen=True, kw_only=True):
    """*id*: as events name their actors. *devices*: each with the time from which it is registered. *muted*, *blocked*: whom, from when on.

    *off*: categories, or `push` for all. *quiet*: from when to when. *presence*: what it became and when; offline before.
    """

    id: str = "me"
    devices: Mapping[str, int]
    off: frozenset[str] = frozenset()
    quiet: Sequence[tuple[int, int]] = ()
    presence: Sequence[tuple[int, str]] = ()
    muted: Mapping[str, int] = {}
    blocked: Mapping[str, int] = {}


class Push(Struct, frozen=True, kw_only=True):
    """To each of *devices*; *covers*: the seqs of the events it speaks of, in order."""

    kind: str
    covers: Sequence[int]
    not_before_ms: int
    collapse_key: str
    devices: Sequence[str]


class Expected(Struct, frozen=True):
    """*pushes* in the order of time. *fates*: by seq, `sent` or why not; nothing of what is never pushed at all."""

    pushes: list[Push]
    fates: dict[int, str]


def expect(
    person: Person,
    events: Sequence[Happened],
    *,
    merge_ms: int = 5 * MINUTE_MS,
    unacked_ms: int = 10 * SECOND_MS,
) -> Expected:
    """What comes of *events* in the end."""
    by_kind: dict[str, list[Happened]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.seq):
        if event.kind in KINDS:
            by_kind[event.kind].append(event)
    found = Expected([], {})
    for same in by_kind.values():
        _Burst(person, same, merge_ms, unacked_ms, found).run()
    found.pushes.sort(key=lambda push: (push.not_before_ms, push.kind))
    return found


class _Burst:
    """All events of one kind, from the first to when nothing can happen any more."""

    def __init__(
        self, person: Person, events: Sequence[Happened], merge_ms: int, unacked_ms: int, found: Expected
    ) -> None:
        self._person = person
        self._events = events
        self._kind = events[0].kind
        self._category, self._ttl_ms = KINDS[self._kind]
        self._merge_ms = merge_ms
        self._unacked_ms = unacked_ms
        self._sent_ms: int | None = None
        self._found = found

    def run(self) -> None:
        moments = [*self._moments()]
        heapq.heapify(moments)
        while moments:
            now_ms = heapq.heappop(moments)
            if self._look(now_ms):
                heapq.heappush(moments, now_ms + self._merge_ms)

    def _moments(self) -> set[int]:
        """When anything may change but for the end of a merge."""
        found = {moment for times in self._person.quiet for moment in times}
        found |= {since_ms for since_ms, _ in self._person.presence}
        for event in self._events:
            found |= {event.at_ms, event.at_ms + self._unacked_ms, self._ends_ms(event)}
        return found

    def _look(self, now_ms: int) -> bool:
        """Is there a push at this moment?"""
        fates = self._found.fates
        here = [event for event in self._events if event.at_ms <= now_ms]
        going = []
        for event in here:
            if event.seq in fates:
                continue
            reason = self._why_never(event, now_ms)
            if reason is not None:
                fates[event.seq] = reason
            elif self._may_go(event, now_ms):
                going.append(event.seq)
        if not going:
            return False
        # The text replaces the last one on the device, so it speaks of what is still true of that, too.
        before = [
            event.seq for event in here if fates.get(event.seq) == SENT and self._why_never(event, now_ms) is None
        ]
        fates.update(dict.fromkeys(going, SENT))
        self._sent_ms = now_ms
        self._found.pushes.append(
            Push(
                kind=self._kind,
                covers=sorted(before + going),
                not_before_ms=now_ms,
                collapse_key=self._kind.replace(".", "-"),
                devices=self._devices(now_ms),
            )
        )
        return True

    def _why_never(self, event: Happened, now_ms: int) -> str | None:
        person, is_ours = self._person, self._category == "account"
        if _is_past(event.acked_ms, now_ms):
            return "acked"
        if _is_past(event.read_ms, now_ms):
            return "read"
        if _is_past(event.undone_ms, now_ms):
            return "undone"
        if event.actor == person.id:
            return "own_doing"
        if now_ms >= self._ends_ms(event):
            return "expired"
        if not is_ours and _is_past(person.blocked.get(event.actor), now_ms):
            return "blocked"
        if not is_ours and _is_past(person.muted.get(event.actor), now_ms):
            return "muted"
        if not is_ours and person.off & {"push", self._category}:
            return "switched_off"
        return None if self._devices(now_ms) else "no_device"

    def _may_go(self, event: Happened, now_ms: int) -> bool:
        if self._category == "account":
            return True
        if any(start_ms <= now_ms < end_ms for start_ms, end_ms in self._person.quiet):
            return False
        if self._sent_ms is not None and now_ms < self._sent_ms + self._merge_ms:
            return False
        presence = self._presence(now_ms)
        if presence == DO_NOT_DISTURB:
            return False
        return presence == OFFLINE or now_ms >= event.at_ms + self._unacked_ms

    def _presence(self, now_ms: int) -> str:
        past = [(since_ms, presence) for since_ms, presence in self._person.presence if since_ms <= now_ms]
        return max(past)[1] if past else OFFLINE

    def _devices(self, now_ms: int) -> list[str]:
        return sorted(device for device, since_ms in self._person.devices.items() if since_ms <= now_ms)

    def _ends_ms(self, event: Happened) -> int:
        by_kind_ms = event.at_ms + self._ttl_ms
        return by_kind_ms if event.expires_ms is None else min(by_kind_ms, event.expires_ms)


def _is_past(moment_ms: int | None, now_ms: int) -> bool:
    return moment_ms is not None and moment_ms <= now_ms
