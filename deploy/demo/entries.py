"""What invented people log, in the order in which a server would have received it.

Invariant: each person's entries are made, identified and received in one order; what a device could not send waits
for the network and arrives at once.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from heapq import merge
from math import hypot
from operator import attrgetter
from random import Random

from msgspec import Struct

from deploy.demo.days import HOUR_MS, Day, days_of
from deploy.demo.people import Person, drawing, person
from deploy.demo.phrases import note_for, word_for
from domain.ids import uuid7

FILLED_IN_MOST = 5  # days that somebody makes up for at once
MINUTE_MS = 60_000
DAY_MS = 24 * HOUR_MS


class DemoEntry(Struct, frozen=True, gc=False):
    """One mood as logged. *id* and *felt_at_ms* tell the device's time, *received_at_ms* the server's."""

    id: str
    user: int
    mood: str
    valence: float
    arousal: float
    intensity: float
    note: str | None
    tags: tuple[str, ...]
    factors: dict[str, float]  # yes or no is a bool
    visibility: str
    felt_at_ms: int
    timezone: str
    received_at_ms: int


def entries(seed: int, users: int, days: int, until_ms: int) -> Iterator[DemoEntry]:
    """All that *users* people log on their last *days* dates and that is received by *until_ms*, as it comes in.

    Lazy: of each person no more is held than their present day and a few that they left out.
    """
    everyone = (entries_of(seed, person(seed, user), days, until_ms) for user in range(users))
    return merge(*everyone, key=attrgetter("received_at_ms"))


def entries_of(seed: int, who: Person, days: int, until_ms: int) -> Iterator[DemoEntry]:
    """Those of one person."""
    draw = drawing(seed, who.user, "days")
    network = _Network(who, draw)
    last_ms = 0
    for moment in _moments(who, days_of(who, days, until_ms, draw), draw):
        if moment.made_ms <= last_ms:  # a morning over there that is still the evening before at the place left behind
            continue
        last_ms = moment.made_ms
        received_ms = network.receives(moment.made_ms)
        if received_ms > until_ms:
            return
        yield _entry(who, moment, received_ms, draw)


class _Moment(Struct, frozen=True):
    """Somebody takes the device at hand. *day*: the one that the entry is about."""

    made_ms: int
    felt_ms: int
    zone: str
    day: Day
    tells_factors: bool  # once for each day


def _moments(who: Person, days: Iterator[Day], draw: Random) -> Iterator[_Moment]:
    left_out: deque[Day] = deque(maxlen=FILLED_IN_MOST)
    lapsed = False
    for day in days:
        lapsed = draw.random() >= who.habit.resumes if lapsed else draw.random() < who.habit.lapses
        if lapsed or draw.random() < who.habit.skips:
            left_out.append(day)
            continue
        hours = sorted(hour + draw.uniform(-0.8, 0.8) for hour in who.hours)
        if left_out and draw.random() < who.fills_in:
            yield from _filled_in(who, left_out, day, hours[0], draw)
        left_out.clear()
        for number, hour in enumerate(hours):
            felt_ms = day.midnight_ms + round(hour * HOUR_MS)
            yield _Moment(felt_ms + draw.randint(4_000, 60_000), felt_ms, day.zone, day, tells_factors=number == 0)


def _filled_in(who: Person, left_out: Iterable[Day], today: Day, hour: float, draw: Random) -> Iterator[_Moment]:
    """Entries for the days left out, made just before the first of *today*."""
    made_ms = today.midnight_ms + round(hour * HOUR_MS) - FILLED_IN_MOST * MINUTE_MS
    for day in left_out:
        felt_ms = day.midnight_ms + round(who.hours[-1] * HOUR_MS)
        if felt_ms < made_ms:
            yield _Moment(made_ms, felt_ms, today.zone, day, tells_factors=True)
        made_ms += draw.randint(20_000, 50_000)


class _Network:
    """What lies between a device and the server: mostly a fraction of a second, now and then a day or two."""

    def __init__(self, who: Person, draw: Random) -> None:
        self._draw = draw
        self._offline = who.habit.offline / len(who.hours)  # chance at each entry
        self._back_ms = 0

    def receives(self, made_ms: int) -> int:
        """When the server has what was made then. Nothing overtakes anything."""
        if made_ms > self._back_ms and self._draw.random() < self._offline:
            self._back_ms = made_ms + round(self._draw.uniform(0.5, 2.2) * DAY_MS)
        self._back_ms = max(self._back_ms, made_ms + self._draw.randint(40, 900))
        return self._back_ms


def _entry(who: Person, moment: _Moment, received_ms: int, draw: Random) -> DemoEntry:
    valence = _between(-1, moment.day.valence + draw.gauss(0, 0.1))
    arousal = _between(-1, moment.day.arousal + draw.gauss(0, 0.12))
    has_note = draw.random() < who.notes
    return DemoEntry(
        id=uuid7(moment.made_ms + who.clock_ms, draw.getrandbits(80)),
        user=who.user,
        mood=word_for(valence, arousal, draw),
        valence=valence,
        arousal=arousal,
        intensity=_between(0, 0.3 + 0.6 * hypot(valence, arousal) + draw.gauss(0, 0.1)),
        note=note_for(valence, draw) if has_note else None,
        tags=moment.day.tags,
        factors=moment.day.factors if moment.tells_factors else {},
        visibility=who.visibility if draw.random() < 0.9 else "private",
        felt_at_ms=moment.felt_ms + who.clock_ms,
        timezone=moment.zone,
        received_at_ms=received_ms,
    )


def _between(least: float, value: float) -> float:
    """Never below *least* or above 1, and with the two decimals of a finger on a plane."""
    return round(max(least, min(value, 1)), 2)
