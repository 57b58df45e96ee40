"""What a mood may be: a word, a place on the plane of valence and arousal, and what somebody wants to remember with it."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from domain.errors import Invalid
from domain.hugs import count_graphemes
from domain.times import from_ms
from domain.vocabulary import Point

NOTE_MAX_GRAPHEMES = 2_000
TAGS_MAX = 10
FACTORS_MAX = 20
LABEL_MAX_GRAPHEMES = 32  # of a tag, or the name of a factor
FACTOR_MAX = 1_000_000.0  # either way from zero
BACKDATED_MAX = timedelta(days=30)
AHEAD_MAX = timedelta(minutes=5)  # clocks differ

Factors = Mapping[str, float | bool]


def place(mood: str, valence: float | None, arousal: float | None, vocabulary: Mapping[str, Point]) -> Point:
    """Where a mood lies: what was said, and what *vocabulary* says for the rest. Raises: Invalid."""
    known = vocabulary.get(mood.casefold())
    if known is None and (valence is None or arousal is None):
        raise Invalid("This mood is not in the vocabulary: give it a valence and an arousal.")
    usual_valence, usual_arousal = known or Point(0.0, 0.0)
    return Point(
        _within(usual_valence if valence is None else valence, -1.0, "Valence"),
        _within(usual_arousal if arousal is None else arousal, -1.0, "Arousal"),
    )


def check_intensity(intensity: float) -> None:
    """Raises: Invalid."""
    _within(intensity, 0.0, "Intensity")


def _within(value: float, lowest: float, name: str) -> float:
    if not lowest <= value <= 1.0:  # not a number is within nothing
        raise Invalid(f"{name} goes from {lowest:g} to 1.")
    return float(value)


def check_note(note: str) -> None:
    """Raises: Invalid."""
    if len(note) > NOTE_MAX_GRAPHEMES and count_graphemes(note) > NOTE_MAX_GRAPHEMES:
        raise Invalid(f"A note has at most {NOTE_MAX_GRAPHEMES:,} characters.")


def clean_tags(tags: Sequence[str]) -> list[str]:
    """The tags without white space around them and without repetition, in their order. Raises: Invalid."""
    labels = list(dict.fromkeys(_label(tag, "tag") for tag in tags))
    if len(labels) > TAGS_MAX:
        raise Invalid(f"A mood has at most {TAGS_MAX} tags.")
    return labels


def clean_factors(factors: Factors) -> dict[str, float | bool]:
    """Numbers and yes-or-no by name. Raises: Invalid."""
    if len(factors) > FACTORS_MAX:
        raise Invalid(f"A mood has at most {FACTORS_MAX} factors.")
    cleaned: dict[str, float | bool] = {}
    for name, value in factors.items():
        label = _label(name, "factor")
        if label in cleaned:
            raise Invalid(f"The factor {label} is there twice.")
        if not isinstance(value, bool) and not (math.isfinite(value) and abs(value) <= FACTOR_MAX):
            raise Invalid(f"A factor is a number within {FACTOR_MAX:,.0f} either way, or true or false.")
        cleaned[label] = value if isinstance(value, bool) else float(value)
    return cleaned


def _label(text: str, what: str) -> str:
    label = text.strip()
    if not label or (len(label) > LABEL_MAX_GRAPHEMES and count_graphemes(label) > LABEL_MAX_GRAPHEMES):
        raise Invalid(f"The name of a {what} has 1 to {LABEL_MAX_GRAPHEMES} characters.")
    return label


def check_felt_at(felt_ms: int, now_ms: int) -> None:
    """Raises: Invalid for what lies too far back, or ahead."""
    ago = timedelta(milliseconds=now_ms - felt_ms)
    if ago > BACKDATED_MAX:
        raise Invalid(f"A mood is told within {BACKDATED_MAX.days} days.")
    if -ago > AHEAD_MAX:
        raise Invalid("This mood lies in the future. Check the clock of the device.")


def local_date(felt_ms: int, timezone: str) -> date:
    """The date on the calendar of *timezone* at that moment. Raises: Invalid."""
    return from_ms(felt_ms).astimezone(zone(timezone)).date()


def zone(timezone: str) -> ZoneInfo:
    """The IANA time zone of that name, for example Europe/Berlin. Raises: Invalid."""
    if timezone not in _zone_names():
        raise Invalid("There is no such time zone. Give its IANA name, such as Europe/Berlin.")
    return ZoneInfo(timezone)


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(
        available_timezones() - {"Factory", "localtime", "posixrules"}
    )  # those mean this machine, or nothing
