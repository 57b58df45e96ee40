"""Patterns in words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pattern_words import sentence, signed
from domain.patterns import Contrast, Pattern, Strength

pytestmark = pytest.mark.property

DIFFERENCES = st.floats(-2, 2).filter(lambda difference: abs(difference) > 1e-9)


@st.composite
def patterns(draw: st.DrawFn, name: str = "walk") -> Pattern:
    """Anything that could be told."""
    n = draw(st.integers(21, 400))
    with_ = draw(st.integers(8, n - 8))
    difference = draw(st.none() | DIFFERENCES)
    rho = draw(st.floats(0.3, 1)) * (draw(st.sampled_from((-1, 1))) if difference is None else 1)
    if difference is not None and difference < 0:
        rho = -rho
    strength = Strength.PATTERN if n >= 60 else Strength.EARLY_HINT
    contrast = Contrast(difference, with_, n - with_) if difference is not None else None
    return Pattern(name, contrast is not None, strength, rho, 0.001, 0.01, n, float(n), contrast)


def of(rho: float, n: int, contrast: Contrast | None = None) -> Pattern:
    strength = Strength.PATTERN if n >= 60 else Strength.EARLY_HINT
    return Pattern("walk", False, strength, rho, 0.001, 0.01, n, 40.0, contrast)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            of(0.5, 44, Contrast(0.41, 14, 30)),
            "Early hint: “walk” goes with brighter moods: +0.4 on 14 days with, 30 days without.",
        ),
        (
            of(-0.5, 61, Contrast(-0.04, 30, 31)),
            "Pattern: “walk” goes with lower moods: −0.04 on 30 days with, 31 days without.",
        ),
        (of(0.5, 44), "Early hint: more “walk” goes with brighter moods, over 44 days."),
        (of(-0.5, 60), "Pattern: more “walk” goes with lower moods, over 60 days."),
    ],
)
def test_it_is_said_in_plain_words(one: Pattern, words: str) -> None:
    assert sentence(one) == words


@given(patterns())
def test_nothing_is_called_a_cause_and_nobody_is_told_what_to_do(one: Pattern) -> None:
    said = sentence(one).lower()
    assert "goes with" in said
    wrong = r"\b(caus\w*|because|mak(e|es|ing)|due|lead\w*|improv\w*|should|must|try|better|worse|bad|fail\w*|depress\w*|avoid)\b"
    assert not re.search(wrong, said)


@given(patterns())
def test_it_says_how_sure_which_way_and_on_how_many_days(one: Pattern) -> None:
    said = sentence(one)
    assert said.startswith("Pattern: " if one.n >= 60 else "Early hint: ")
    assert re.search(rf"goes with {'lower' if one.rho < 0 else 'brighter'} moods[:,]", said)
    numbers = [int(number) for number in re.findall(r"(?<![.\d])\d+(?= days)", said)]
    contrast = one.contrast
    assert numbers == ([contrast.days_with, contrast.days_without] if contrast else [one.n])


@given(st.text(min_size=1, max_size=32).flatmap(patterns))
def test_names_stand_as_they_were_typed(one: Pattern) -> None:
    assert f"“{one.name}” goes with" in sentence(one)


@given(DIFFERENCES)
def test_a_difference_has_its_sign_and_never_reads_as_none(difference: float) -> None:
    said = signed(difference)
    assert said[0] == ("+" if difference > 0 else "−")
    told = float(said.replace("−", "-"))
    assert told != 0
    assert abs(told - difference) <= 0.05 + 1e-9
    assert len(said) == 4 or abs(difference) <= 0.05, "one digit is enough where it says something"
