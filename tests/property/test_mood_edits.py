"""Where an edited mood lies, and which dates are asked for."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.mood_edits import place_after
from domain.mood_spans import USUAL_DAYS, span_of
from domain.vocabulary import VOCABULARY, Point

pytestmark = pytest.mark.property

WORDS = st.sampled_from([*VOCABULARY, "zen", "Zen", "Happy"])
PARTS = st.floats(-1, 1)
SAID = st.none() | PARTS


@given(WORDS, PARTS, PARTS, WORDS, SAID, SAID)
def test_what_is_said_counts_then_the_new_word_then_what_was(
    word: str, before_valence: float, before_arousal: float, new_word: str, valence: float | None, arousal: float | None
) -> None:
    before = Point(before_valence, before_arousal)
    is_new = word.lower() != new_word.lower()
    known = VOCABULARY.get(new_word.lower()) if is_new else before
    if known is None and (valence is None or arousal is None):
        with pytest.raises(Invalid, match="vocabulary"):
            place_after(word, before, new_word, valence, arousal, VOCABULARY)
        return
    found = place_after(word, before, new_word, valence, arousal, VOCABULARY)
    known = known or Point(9, 9)
    assert found.valence == (known.valence if valence is None else valence)
    assert found.arousal == (known.arousal if arousal is None else arousal)


@given(WORDS, st.floats().filter(lambda value: not -1 <= value <= 1))
def test_no_place_is_outside_the_plane(word: str, outside: float) -> None:
    for place in ((outside, 0.0), (0.0, outside)):
        with pytest.raises(Invalid):
            place_after("calm", Point(0, 0), word, *place, VOCABULARY)


@given(st.none() | st.dates(), st.none() | st.dates(), st.dates(min_value=date(1970, 1, 1)))
def test_a_span_ends_today_and_is_of_the_usual_length_unless_said_otherwise(
    first: date | None, last: date | None, today: date
) -> None:
    if first is not None and first > (last or today):
        with pytest.raises(Invalid, match="after"):
            span_of(first, last, today)
        return
    span = span_of(first, last, today)
    assert span.last == (last or today)
    if first is not None:
        assert span.first == first
    elif span.first > date.min:
        assert span.days == USUAL_DAYS
    assert span.days == (span.last - span.first) / timedelta(days=1) + 1
