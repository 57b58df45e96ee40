"""The days of one person: where they spend them, what happens, and how they feel because of it or without a reason.

The course of the mood is an AR(1) about the person's usual, so that good days and bad ones come in stretches.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from random import Random
from zoneinfo import ZoneInfo

from msgspec import Struct

from deploy.demo.factors import LINGERS, TRAVEL, WORK, Measure, Occasion
from deploy.demo.people import WEEK, ZONES, Person
from domain.times import from_ms, to_ms

HOUR_MS = 3_600_000
NEXT_NOON_MS = 36 * HOUR_MS  # after a midnight: the date over there is the next one for whoever has flown in between
DAY = timedelta(days=1)


class Day(Struct, frozen=True):
    """One day. *valence* and *arousal* may be beyond −1..1 here: what is logged may not."""

    midnight_ms: int  # when it begins over there
    zone: str
    valence: float
    arousal: float
    tags: tuple[str, ...]
    factors: dict[str, float]


def days_of(who: Person, days: int, until_ms: int, draw: Random) -> Iterator[Day]:
    """The last *days* dates at home up to that of *until_ms*; a flight over the date line adds one or leaves one out."""
    drift = draw.gauss(0, who.spread)
    fresh = who.spread * (1 - who.phi**2) ** 0.5  # keeps the spread what it is
    lingering = [draw.gauss(0, 1) for _ in who.measures]
    for day, midnight_ms, zone in _calendar(who, days, until_ms, draw):
        drift = who.phi * drift + draw.gauss(0, fresh)
        lingering = [LINGERS * off + draw.gauss(0, (1 - LINGERS**2) ** 0.5) for off in lingering]
        measured = [measure.value(off) for measure, off in zip(who.measures, lingering, strict=True)]
        had = [draw.random() < occasion.share for occasion in who.occasions]
        because = _because(who, measured, had)
        yield Day(
            midnight_ms,
            zone,
            valence=who.valence + drift + who.week * WEEK[day.weekday()] + because,
            arousal=who.arousal + 0.3 * (drift + because) + draw.gauss(0, 0.15),
            tags=_tags(who, had, day, is_away=zone != who.zone, draw=draw),
            factors=_factors(who.measures, measured, who.occasions, had),
        )


def _because(who: Person, measured: list[float], had: list[bool]) -> float:
    """What the true effects make of a day, against one on which nothing is unusual."""
    measures = sum(
        measure.effect * (value - measure.mean) for measure, value in zip(who.measures, measured, strict=True)
    )
    occasions = sum(occasion.effect * (has - occasion.share) for occasion, has in zip(who.occasions, had, strict=True))
    return measures + occasions


def _tags(who: Person, had: list[bool], day: date, *, is_away: bool, draw: Random) -> tuple[str, ...]:
    tags = [occasion.name for occasion, has in zip(who.occasions, had, strict=True) if has and occasion.is_tag]
    works = draw.random() < (0.8 if day.weekday() < 5 else 0.1)
    if is_away:
        tags.append(TRAVEL)
    elif works:
        tags.append(WORK)
    return tuple(tags)


def _factors(
    measures: tuple[Measure, ...], measured: list[float], occasions: tuple[Occasion, ...], had: list[bool]
) -> dict[str, float]:
    factors = {measure.name: value for measure, value in zip(measures, measured, strict=True)}
    factors |= {occasion.name: has for occasion, has in zip(occasions, had, strict=True) if not occasion.is_tag}
    return factors


def _calendar(who: Person, days: int, until_ms: int, draw: Random) -> Iterator[tuple[date, int, str]]:
    """The dates somebody lives, when each begins where they are, and the zone there.

    Whoever flies to where the clock is far behind lives a date twice; to where it is far ahead, they leave one out.
    """
    zone, away = who.zone, 0
    day = _date_at(until_ms, zone) - (days - 1) * DAY
    while (midnight_ms := _midnight_ms(day, zone)) < until_ms:
        yield day, midnight_ms, zone
        before = zone
        if away:
            away -= 1
            zone = zone if away else who.zone
        elif draw.random() < who.travels:
            zone, away = draw.choice(list(ZONES)), draw.randint(3, 14)
        day = day + DAY if zone == before else _date_at(midnight_ms + NEXT_NOON_MS, zone)


def _date_at(now_ms: int, zone: str) -> date:
    return from_ms(now_ms).astimezone(_load_zone(zone)).date()


def _midnight_ms(day: date, zone: str) -> int:
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=_load_zone(zone)))


_load_zone = cache(ZoneInfo)  # whose own cache holds eight
