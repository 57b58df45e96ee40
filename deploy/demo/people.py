"""Who the invented people are, and the truth about them that nobody can read off their entries.

Invariant: somebody depends on the seed and on their own number only, so whoever is added changes no one.
"""

from random import Random

from msgspec import Struct

from deploy.demo.factors import MEASURES, OCCASIONS, Measure, Occasion

NAMES = (
    *("Aiko", "Amara", "Anders", "Beatriz", "Callum", "Chloé", "Daniel", "Elif", "Esther", "Farid", "Giulia", "Hugo"),
    *("Inés", "Jonas", "Kavya", "Lucía", "Malik", "Nadia", "Oskar", "Priya", "Rosa", "Samuel", "Tomás", "Wei", "Zofia"),
)

# Where people live, and how many of them in proportion.
ZONES = {
    "Europe/Berlin": 10,
    "Europe/London": 9,
    "Europe/Madrid": 6,
    "Europe/Paris": 6,
    "Europe/Warsaw": 4,
    "Europe/Istanbul": 3,
    "Africa/Lagos": 4,
    "Africa/Nairobi": 3,
    "Africa/Cairo": 3,
    "America/New_York": 10,
    "America/Chicago": 6,
    "America/Los_Angeles": 8,
    "America/Mexico_City": 4,
    "America/Sao_Paulo": 6,
    "America/St_Johns": 1,
    "Asia/Kolkata": 9,
    "Asia/Kathmandu": 1,
    "Asia/Jakarta": 4,
    "Asia/Manila": 4,
    "Asia/Tokyo": 5,
    "Australia/Adelaide": 2,
    "Australia/Sydney": 3,
    "Pacific/Auckland": 2,
    "Pacific/Apia": 1,
    "Pacific/Honolulu": 1,
}

# From Monday to Sunday, in parts of what the week does to somebody; together nought.
WEEK = (-1.0, -0.5, -0.3, -0.1, 0.5, 1.0, 0.4)


class Habit(Struct, frozen=True):
    """How somebody logs. All but *times* are chances on a day.

    *lapses*: of stopping for a while; *resumes*: of ending that; *skips*: of leaving out one day; *offline*: of losing
    the network for a day or two, after which everything is sent at once. *times*: least and most entries a day.
    """

    name: str
    lapses: float
    resumes: float
    skips: float
    offline: float
    times: tuple[int, int]


DAILY = Habit("daily", lapses=0.004, resumes=0.5, skips=0.03, offline=0.003, times=(1, 1))
LAPSING = Habit("lapsing", lapses=0.06, resumes=0.12, skips=0.1, offline=0.01, times=(1, 1))
OFTEN = Habit("often", lapses=0.008, resumes=0.4, skips=0.04, offline=0.005, times=(2, 4))
OFFLINE = Habit("offline", lapses=0.02, resumes=0.3, skips=0.06, offline=0.25, times=(1, 2))
HABITS = {DAILY: 35, LAPSING: 30, OFTEN: 20, OFFLINE: 15}


class Person(Struct, frozen=True):
    """One of them.

    Somebody's days move about *valence* and *arousal*: from one day to the next *phi* of the distance is left, and in
    the long run the standard deviation is *spread*. *week* is added at its full on a Saturday, and taken on a Monday.
    """

    user: int
    name: str
    zone: str  # of their home
    valence: float
    arousal: float
    phi: float
    spread: float
    week: float
    measures: tuple[Measure, ...]
    occasions: tuple[Occasion, ...]
    habit: Habit
    hours: tuple[float, ...]  # of the day, at which they usually log
    fills_in: float  # chance that days left out are logged later
    notes: float  # share of entries with one
    visibility: str
    travels: float  # chance that a day is the first of a trip
    clock_ms: int  # how far the device's clock is ahead

    @property
    def keeps(self) -> list[Measure | Occasion]:
        """Everything that this person keeps an eye on."""
        return [*self.measures, *self.occasions]

    @property
    def effects(self) -> dict[str, float]:
        """What really goes with this person's mood: valence of the day for each unit more, or for having it at all."""
        return {kept.name: kept.effect for kept in self.keeps if kept.effect}

    @property
    def unrelated(self) -> set[str]:
        """Factors and tags that have nothing to do with it. Neither here nor there: `work`, which goes by the week."""
        return {kept.name for kept in self.keeps if not kept.effect}


def person(seed: int, user: int) -> Person:
    """The one with the number *user*, from 0."""
    draw = drawing(seed, user, "traits")
    habit = draw.choices(list(HABITS), list(HABITS.values()))[0]
    measures, occasions = _keeps(draw)
    return Person(
        user=user,
        name=f"{draw.choice(NAMES)} {user}",
        zone=draw.choices(list(ZONES), list(ZONES.values()))[0],
        valence=_within(-0.25, draw.gauss(0.2, 0.18), 0.5),
        arousal=_within(-0.5, draw.gauss(-0.1, 0.18), 0.3),
        phi=_within(0.45, draw.gauss(0.6, 0.06), 0.75),
        spread=draw.uniform(0.14, 0.24),
        week=draw.uniform(0, 0.12),
        measures=measures,
        occasions=occasions,
        habit=habit,
        hours=_hours(habit, draw),
        fills_in=draw.choice((0, 0, 0.1, 0.4)),
        notes=draw.choice((0, 0.05, 0.2, 0.5)),
        visibility=draw.choices(("private", "friends", "public"), (6, 3, 1))[0],
        travels=draw.choice((0, 0, 0, 1 / 150, 1 / 50)),
        clock_ms=_clock_ms(draw),
    )


def drawing(seed: int, user: int, what: str) -> Random:
    """A source of chance for one purpose of one person."""
    return Random(f"{seed} {user} {what}")  # noqa: S311  to be the same again, not to be secret


def _keeps(draw: Random) -> tuple[tuple[Measure, ...], tuple[Occasion, ...]]:
    """What somebody keeps an eye on: one to three of it go with their mood, at least three do not."""
    measures = draw.sample(MEASURES, draw.randint(2, 4))
    occasions = draw.sample(OCCASIONS, draw.randint(4, 7))
    names = [measure.name for measure in measures] + [occasion.name for occasion in occasions]
    related = draw.sample(names, draw.randint(1, 3))
    return (
        tuple(measure.for_one(draw, is_related=measure.name in related) for measure in measures),
        tuple(occasion.for_one(draw, is_related=occasion.name in related) for occasion in occasions),
    )


def _hours(habit: Habit, draw: Random) -> tuple[float, ...]:
    times = draw.randint(*habit.times)
    if times == 1:
        return (_within(7, draw.gauss(20, 2.5), 22.5),)
    apart = 14 / times
    return tuple(8 + apart * (number + draw.uniform(0.2, 0.8)) for number in range(times))


def _clock_ms(draw: Random) -> int:
    """Nearly all clocks are right to within seconds; those of a few are minutes off."""
    if draw.random() < 0.03:
        return draw.randint(-240_000, 240_000)
    return round(_within(-30_000, draw.gauss(0, 2_000), 30_000))


def _within(least: float, value: float, most: float) -> float:
    return max(least, min(value, most))
