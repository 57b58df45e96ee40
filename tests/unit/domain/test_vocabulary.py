"""The vocabulary is the table of the product, and every point lies in one quadrant."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.vocabulary import VOCABULARY, Quadrant, quadrant

pytestmark = pytest.mark.unit

# Word, valence, arousal, three times a line, from 1 to 9.
TABLE = """
| happy | 8.47 | 6.05 | calm | 6.89 | 1.67 | sad | 2.10 | 3.49 |
| joyful | 8.21 | 5.53 | relaxed | 7.25 | 2.49 | lonely | 2.67 | 4.37 |
| excited | 8.11 | 6.43 | peaceful | 8.00 | 4.38 | hopeless | 2.20 | 4.52 |
| energetic | 7.57 | 6.10 | content | 6.70 | 3.17 | disappointed | 2.65 | 4.47 |
| proud | 7.00 | 5.55 | tranquil | 7.11 | 2.61 | tired | 4.29 | 3.67 |
| hopeful | 7.44 | 4.84 | cozy | 7.28 | 3.56 | bored | 2.95 | 3.65 |
| grateful | 7.50 | 4.29 | safe | 7.70 | 3.14 | numb | 3.79 | 2.50 |
| loved | 7.65 | 5.59 | satisfied | 7.16 | 3.95 | overwhelmed | 2.80 | 4.90 |
| playful | 7.63 | 5.89 | amused | 7.05 | 4.27 | confused | 3.11 | 4.28 |
| curious | 6.58 | 5.74 | surprised | 6.57 | 5.95 | anxious | 3.80 | 6.20 |
| worried | 3.27 | 5.81 | angry | 2.53 | 6.20 | frustrated | 2.55 | 5.40 |
| scared | 2.80 | 6.10 | heartbroken | 1.95 | 6.60 | neutral | 5.00 | 5.00 |
"""


def rated() -> dict[str, tuple[Decimal, Decimal]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLE.strip().splitlines()]
    triples = [line[start : start + 3] for line in cells for start in (0, 3, 6)]
    return {word: (Decimal(valence), Decimal(arousal)) for word, valence, arousal in triples}


def test_it_has_all_36_words_and_no_others() -> None:
    assert len(rated()) == 36
    assert set(VOCABULARY) == set(rated())


@pytest.mark.parametrize("word", rated())
def test_each_word_lies_exactly_where_it_was_rated(word: str) -> None:
    valence, arousal = ((number - 5) / 4 for number in rated()[word])
    assert VOCABULARY[word] == (float(valence), float(arousal))
    assert -1 <= VOCABULARY[word].valence <= 1
    assert -1 <= VOCABULARY[word].arousal <= 1


def test_nobody_can_change_it() -> None:
    with pytest.raises(TypeError):
        VOCABULARY["happy"] = VOCABULARY["sad"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("excited", Quadrant.HIGH_PLEASANT),
        ("angry", Quadrant.HIGH_UNPLEASANT),
        ("calm", Quadrant.LOW_PLEASANT),
        ("lonely", Quadrant.LOW_UNPLEASANT),
        ("neutral", Quadrant.HIGH_PLEASANT),
    ],
)
def test_words_are_in_the_quadrants_one_expects(word: str, expected: Quadrant) -> None:
    assert quadrant(*VOCABULARY[word]) is expected


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_name_says_what_the_point_is(valence: float, arousal: float) -> None:
    energy, pleasure = quadrant(valence, arousal).value.split("_")
    assert energy == ("low" if arousal < 0 else "high")
    assert pleasure == ("unpleasant" if valence < 0 else "pleasant")


def test_the_borders_are_high_and_pleasant() -> None:
    assert quadrant(0.0, 0.0) is quadrant(-0.0, -0.0) is Quadrant.HIGH_PLEASANT
    assert quadrant(0.0, -0.1) is Quadrant.LOW_PLEASANT
    assert quadrant(-0.1, 0.0) is Quadrant.HIGH_UNPLEASANT
