"""Who of the invented people are friends, and the hugs they send each other.

Invariant: people know only those of their own circle, a stretch of consecutive numbers; and what is between two of them
depends on the seed and on the two, so whoever is added changes nothing between others.
"""

from collections.abc import Iterator
from datetime import tzinfo
from random import Random
from zoneinfo import ZoneInfo

from msgspec import Struct

from deploy.demo.entries import DAY_MS, MINUTE_MS
from deploy.demo.people import drawing, person
from domain.ids import uuid7
from domain.times import from_ms

CIRCLE = 24
FRIENDS_SHARE = 0.3  # of the pairs in a circle
AWAKE = range(8, 23)  # hours of the sender's day
TRIES = 20  # until a moment is found at which somebody is awake
HUGS_A_DAY = (0.005, 0.25)  # of one pair: from those who seldom think of each other to those who often do

KINDS = {"warm": 30, "bear": 15, "quick": 15, "side": 8, "comfort": 12, "celebration": 6, "goodnight": 14}
MESSAGES = (
    "thinking of you",
    "you've got this",
    "see you on Saturday?",
    "for your long day",
    "thank you for yesterday!",
    "un abrazo 🤗",
    "schlaf gut",
    "so proud of you",
)


class DemoHug(Struct, frozen=True, gc=False):
    """*sender* and *recipient* by their numbers. *seen_ms*: None if it is not seen yet."""

    id: str
    sender: int
    recipient: int
    kind: str
    message: str | None
    at_ms: int
    delivered_ms: int
    seen_ms: int | None


def friends(seed: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The pairs among those from *first* up to, not including, *last*; the lower number first."""
    for low in range(first, last):
        for high in range(low + 1, min(last, (low // CIRCLE + 1) * CIRCLE)):
            if _drawing(seed, low, high).random() < FRIENDS_SHARE:
                yield low, high


def hugs(seed: int, pair: tuple[int, int], days: int, until_ms: int) -> Iterator[DemoHug]:
    """What two friends sent each other on the last *days* days, of all that has arrived by *until_ms*."""
    draw = _drawing(seed, *pair)
    draw.random()  # the one that made them friends
    rate = draw.uniform(*HUGS_A_DAY) * draw.random()
    zones = {user: ZoneInfo(person(seed, user).zone) for user in pair}
    for day in range(days, 0, -1):
        if draw.random() >= rate:
            continue
        sender, recipient = draw.sample(pair, 2)
        at_ms = _moment(until_ms - day * DAY_MS, zones[sender], draw)
        hug = _hug(sender, recipient, at_ms, draw)
        back = _hug(recipient, sender, hug.delivered_ms + draw.randint(1, 90) * MINUTE_MS, draw)
        is_returned = draw.random() < 0.4
        for one in (hug, back) if is_returned else (hug,):
            if max(one.delivered_ms, one.seen_ms or 0) <= until_ms:
                yield one


def _drawing(seed: int, low: int, high: int) -> Random:
    return drawing(seed, low, f"bond with {high}")


def _moment(start_ms: int, zone: tzinfo, draw: Random) -> int:
    """Within a day from *start_ms*, when somebody over there is awake."""
    for _ in range(TRIES):
        at_ms = start_ms + draw.randrange(DAY_MS)
        if from_ms(at_ms).astimezone(zone).hour in AWAKE:
            break
    return at_ms


def _hug(sender: int, recipient: int, at_ms: int, draw: Random) -> DemoHug:
    delivered_ms = at_ms + (draw.randint(20, 400) if draw.random() < 0.6 else draw.randint(1, 600) * MINUTE_MS)
    return DemoHug(
        id=uuid7(at_ms, draw.getrandbits(80)),
        sender=sender,
        recipient=recipient,
        kind=draw.choices(list(KINDS), list(KINDS.values()))[0],
        message=draw.choice(MESSAGES) if draw.random() < 0.3 else None,
        at_ms=at_ms,
        delivered_ms=delivered_ms,
        seen_ms=delivered_ms + draw.randint(2_000, 120 * MINUTE_MS) if draw.random() < 0.9 else None,
    )
