"""What people keep an eye on beside their mood: measures, and occasions that a day has or has not."""

from random import Random

from msgspec import Struct
from msgspec.structs import replace

LINGERS = 0.4  # of how far a measure was off yesterday


class Measure(Struct, frozen=True):
    """A factor that is a number, at *step*s from nought to *most*. *effect*: on the day's valence, for each 1 more."""

    name: str
    mean: float
    spread: float
    step: float
    most: float
    effect: float

    def for_one(self, draw: Random, *, is_related: bool) -> "Measure":
        """As it is with one person, in whose mood it has a part or none."""
        mean = self.mean * draw.uniform(0.85, 1.15)
        return replace(self, mean=mean, effect=self.effect * draw.uniform(0.8, 1.2) if is_related else 0.0)

    def value(self, off: float) -> float:
        """What is written down on a day that is *off* standard deviations from the usual."""
        steps = round((self.mean + off * self.spread) / self.step)
        return round(max(0.0, min(steps * self.step, self.most)), 1)


class Occasion(Struct, frozen=True):
    """A tag, or a factor that is yes or no, on a *share* of the days. *effect*: on the valence of a day that has it."""

    name: str
    share: float
    effect: float
    is_tag: bool = True

    def for_one(self, draw: Random, *, is_related: bool) -> "Occasion":
        """As it is with one person, in whose mood it has a part or none."""
        share = self.share * draw.uniform(0.8, 1.2)
        return replace(self, share=share, effect=self.effect * draw.uniform(0.8, 1.2) if is_related else 0.0)


MEASURES = (
    Measure("sleep_hours", mean=7.2, spread=1.0, step=0.5, most=12, effect=0.15),
    Measure("screen_hours", mean=4.0, spread=1.5, step=0.5, most=16, effect=-0.1),
    Measure("coffee", mean=2.0, spread=1.1, step=1, most=8, effect=-0.13),
    Measure("water_glasses", mean=6.0, spread=1.8, step=1, most=16, effect=0.08),
    Measure("thousand_steps", mean=7.0, spread=2.5, step=0.1, most=40, effect=0.06),
)

OCCASIONS = (
    Occasion("exercise", 0.4, 0.32, is_tag=False),
    Occasion("meditation", 0.35, 0.3, is_tag=False),
    Occasion("home_cooked", 0.5, 0.28, is_tag=False),
    Occasion("family", 0.4, 0.28),
    Occasion("friends", 0.3, 0.35),
    Occasion("music", 0.4, 0.28),
    Occasion("outdoors", 0.4, 0.32),
    Occasion("reading", 0.4, 0.28),
    Occasion("food", 0.35, 0.28),
    Occasion("pets", 0.5, 0.28),
)

WORK = "work"  # a tag of working days
TRAVEL = "travel"  # a tag of days on a trip
