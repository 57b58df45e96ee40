"""Somebody who logs moods, and checks that each is queued, told as saved, and never rejected.

As clients do, a mood is sent again, with its id, until `mood.saved` comes; that may come more than once. What an id
says: its last six digits are the mood's number, those before are this person's, so that nobody keeps a table of ids.
"""

import random
import time
from array import array
from collections.abc import Callable
from datetime import timedelta

import msgspec

from domain.times import rfc3339
from domain.vocabulary import VOCABULARY
from loadtest.clients.speaker import Speaker
from loadtest.clients.wire import client_frame

AGAIN_AFTER_S = 5.0
FELT_WITHIN = timedelta(days=3, hours=12)  # most count for a streak: entries are taken for today and two dates before
PATTERNS = 1_024  # different entries; each person begins with another one
TIMEZONES = ("UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Tokyo", "Australia/Sydney")
NOTE = "A walk by the river before work, then a long talk with my sister. It helped."

_SAVED = b'{"type":"mood.saved","id":"'
_REJECTED = b'{"type":"mood.rejected"'
_DELETED = b'{"type":"mood.deleted"'
_STREAK = b'{"type":"streak.updated"'
_DURABLE = b'{"seq":'
_MILESTONE = b'"type":"streak.milestone"'


class _Rejected(msgspec.Struct):
    code: str
    message: str


class _Milestone(msgspec.Struct):
    seq: int
    days: int


def make_patterns(now_ms: int, count: int = PATTERNS) -> list[bytes]:
    """What is in an entry besides its id and timezone, as JSON in the middle of an object: felt in the last days."""
    words, within_ms = list(VOCABULARY), int(FELT_WITHIN / timedelta(milliseconds=1))
    return [
        msgspec.json.encode(
            {
                "mood": random.choice(words),
                "felt_at": rfc3339(now_ms - random.randrange(within_ms)),
                "intensity": round(random.random(), 2),
                "note": NOTE,
                "tags": ["home", "morning"],
                "factors": {"sleep_hours": round(random.uniform(4, 9), 1), "exercise": True, "coffee": 2},
            }
        )[1:-1]
        for _ in range(count)
    ]


class Diarist(Speaker):
    """*number*: of this person among all, below 2²⁴. *on_saved* is told the seconds from the intended time to the first `mood.saved`."""

    def __init__(self, number: int, patterns: list[bytes], on_saved: Callable[[float], None]) -> None:
        super().__init__()
        self.waiting: dict[int, float] = {}  # moods that are not told as saved, and when each was sent the last time
        self.told_again = 0
        self.streaks = 0  # times that one was told
        self.milestones: list[int] = []
        self._patterns = patterns
        self._first = random.randrange(len(patterns))
        self._zone = TIMEZONES[number % len(TIMEZONES)].encode()
        self._own = b"-7%03x-8%03x-%06x" % (random.getrandbits(12), random.getrandbits(12), number)
        self._made_ms = array("Q")
        self._logged_at = array("d")
        self._is_saved = bytearray()
        self._on_saved = on_saved

    @property
    def logged(self) -> int:
        """How many moods, each counted once."""
        return len(self._made_ms)

    def log(self, intended: float) -> None:
        """One more mood."""
        number = len(self._made_ms)
        self._made_ms.append(time.time_ns() // 1_000_000)
        self._logged_at.append(intended)
        self._is_saved.append(False)
        self._send(number, intended)

    def log_again(self, number: int) -> None:
        """The same once more, with its id."""
        self._send(number, time.perf_counter())

    def late(self, now: float) -> list[int]:
        """Those that wait for so long that they are to be sent again."""
        return [number for number, sent in self.waiting.items() if now - sent > AGAIN_AFTER_S]

    def id_of(self, number: int) -> bytes:
        """Of the mood *number*: a UUIDv7."""
        made_ms = self._made_ms[number]
        return b"%08x-%04x%b%06x" % (made_ms >> 16, made_ms & 0xFFFF, self._own, number)

    def _send(self, number: int, intended: float) -> None:
        self.waiting[number] = time.perf_counter()
        pattern = self._patterns[(self._first + number) % len(self._patterns)]
        self.say(
            b'{"type":"mood.log","id":"%b","timezone":"%b",%b' % (self.id_of(number), self._zone, pattern), intended
        )

    def heard(self, payload: bytes, now: float) -> None:
        """What becomes of moods and streaks; presence is let go."""
        if payload.startswith(_SAVED):
            self._saved(payload[len(_SAVED) : len(_SAVED) + 36], now)
        elif payload.startswith(_STREAK):
            self.streaks += 1
        elif payload.startswith(_DURABLE):
            self._durable(payload)
        elif payload.startswith(_REJECTED):
            rejected = msgspec.json.decode(payload, type=_Rejected)
            self._problem(f"a mood was rejected: {rejected.code}: {rejected.message}")
        elif payload.startswith(_DELETED):
            self._problem("a mood was told as deleted")

    def _saved(self, mood_id: bytes, now: float) -> None:
        number = int(mood_id[30:], 16)
        if number >= self.logged or mood_id != self.id_of(number):
            self._problem("a mood was told as saved that was never logged here")
            return
        self.waiting.pop(number, None)
        if self._is_saved[number]:
            self.told_again += 1
        else:
            self._is_saved[number] = True
            self._on_saved(now - self._logged_at[number])

    def _durable(self, payload: bytes) -> None:
        """Milestones, once each."""
        if _MILESTONE in payload:
            event = msgspec.json.decode(payload, type=_Milestone)
            if event.days in self.milestones:
                self._problem(f"the milestone of {event.days} days was told twice")
            self.milestones.append(event.days)
        seq = int(payload[len(_DURABLE) : payload.index(b",")])
        self.write(client_frame(b'{"type":"ack","seq":%d}' % seq))

    def ended(self) -> list[str]:
        """What was not as it should be, now that the run is over."""
        found = super().ended()
        if self.waiting:
            found.append(f"{len(self.waiting)} moods of one person were never told as saved")
        return found
