"""What people write: a word of the vocabulary that fits, and now and then a note."""

from functools import cache
from random import Random

from domain.vocabulary import VOCABULARY

CHOICE = 4  # words that come into question for a point

GOOD_DAY = (
    "Walked home through the park.",
    "Long call with an old friend.",
    "The soup turned out well.",
    "Finished the book at last!",
    "Café con amigos ☕",
    "Sonne auf dem Balkon.",
    "Un dimanche sans réveil.",
    "Found the song I had been humming.",
    "今日はいい天気。",
    "Bread from the new bakery 🥖",
)
ANY_DAY = (
    "An ordinary day.",
    "Laundry, groceries, the usual.",
    "The tram was late again.",
    "Rain since the morning.",
    "Tried a different way to work.",
    "Watered the plants.",
    "Ein Tag wie viele.",
    "Early night.",
)
BAD_DAY = (
    "Too many things at once.",
    "Tea and a blanket.",
    "Glad that this day is over.",
    "Missed the train, then missed the next.",
    "A lot of noise outside.",
    "Tomorrow is another day.",
    "Día largo.",
    "Quiet evening, needed it.",
)


def word_for(valence: float, arousal: float, draw: Random) -> str:
    """One of the words that lie near a point, most often the nearest."""
    return _near(round(valence * 10), round(arousal * 10))[int(CHOICE * draw.random() ** 2)]


@cache
def _near(valence_tenths: int, arousal_tenths: int) -> list[str]:
    valence, arousal = valence_tenths / 10, arousal_tenths / 10

    def distance(word: str) -> float:
        return (VOCABULARY[word].valence - valence) ** 2 + (VOCABULARY[word].arousal - arousal) ** 2

    return sorted(VOCABULARY, key=distance)[:CHOICE]


def note_for(valence: float, draw: Random) -> str:
    """A few harmless words about a day like that."""
    fitting = GOOD_DAY if valence > 0.3 else BAD_DAY if valence < -0.2 else ANY_DAY
    return draw.choice(fitting if draw.random() < 0.7 else ANY_DAY)
