"""The words that moods are logged with, and where each lies: how pleasant it is, and how much energy it has.

Means of the ratings in Warriner, Kuperman & Brysbaert (2013), Behavior Research Methods 45:1191–1207.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Point(NamedTuple):
    """Both from −1 to 1."""

    valence: float
    arousal: float


class Quadrant(StrEnum):
    """Energy first: `low_pleasant` is calm, `high_unpleasant` is angry."""

    HIGH_PLEASANT = "high_pleasant"
    HIGH_UNPLEASANT = "high_unpleasant"
    LOW_PLEASANT = "low_pleasant"
    LOW_UNPLEASANT = "low_unpleasant"


def quadrant(valence: float, arousal: float) -> Quadrant:
    """Where a point lies. Zero is on the pleasant and on the high side, and so is `neutral`."""
    if arousal >= 0:
        return Quadrant.HIGH_PLEASANT if valence >= 0 else Quadrant.HIGH_UNPLEASANT
    return Quadrant.LOW_PLEASANT if valence >= 0 else Quadrant.LOW_UNPLEASANT


# Valence and arousal as they were rated, from 1 to 9.
_RATED = {
    "happy": (8.47, 6.05),
    "joyful": (8.21, 5.53),
    "excited": (8.11, 6.43),
    "energetic": (7.57, 6.10),
    "proud": (7.00, 5.55),
    "hopeful": (7.44, 4.84),
    "grateful": (7.50, 4.29),
    "loved": (7.65, 5.59),
    "playful": (7.63, 5.89),
    "curious": (6.58, 5.74),
    "worried": (3.27, 5.81),
    "scared": (2.80, 6.10),
    "calm": (6.89, 1.67),
    "relaxed": (7.25, 2.49),
    "peaceful": (8.00, 4.38),
    "content": (6.70, 3.17),
    "tranquil": (7.11, 2.61),
    "cozy": (7.28, 3.56),
    "safe": (7.70, 3.14),
    "satisfied": (7.16, 3.95),
    "amused": (7.05, 4.27),
    "surprised": (6.57, 5.95),
    "angry": (2.53, 6.20),
    "heartbroken": (1.95, 6.60),
    "sad": (2.10, 3.49),
    "lonely": (2.67, 4.37),
    "hopeless": (2.20, 4.52),
    "disappointed": (2.65, 4.47),
    "tired": (4.29, 3.67),
    "bored": (2.95, 3.65),
    "numb": (3.79, 2.50),
    "overwhelmed": (2.80, 4.90),
    "confused": (3.11, 4.28),
    "anxious": (3.80, 6.20),
    "frustrated": (2.55, 5.40),
    "neutral": (5.00, 5.00),
}


def _from_rated(rated: float) -> float:
    """1 to 9 as −1 to 1. Two decimals become four, and no more: 0.8675, not 0.8675000000000002."""
    return round((rated - 5) / 4, 4)


VOCABULARY: Mapping[str, Point] = MappingProxyType(
    {word: Point(_from_rated(valence), _from_rated(arousal)) for word, (valence, arousal) in _RATED.items()}
)
