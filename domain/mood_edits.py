"""What an edit makes of a mood."""

from collections.abc import Mapping

from domain.errors import NotFound
from domain.moods import place
from domain.vocabulary import Point


def no_such_mood() -> NotFound:
    """For what does not exist, was deleted, or is not for the eyes of the one who asks: always the same."""
    return NotFound("No such mood.")


def place_after(
    word: str,
    before: Point,
    new_word: str,
    valence: float | None,
    arousal: float | None,
    vocabulary: Mapping[str, Point],
) -> Point:
    """Where a mood lies when *new_word*, *valence* and *arousal* are said instead of *word* and *before*.

    A new word without a place takes that of *vocabulary*; the same word stays where it was. Raises: Invalid.
    """
    if new_word.casefold() != word.casefold():
        return place(new_word, valence, arousal, vocabulary)
    return place(
        new_word,
        before.valence if valence is None else valence,
        before.arousal if arousal is None else arousal,
        vocabulary,
    )
