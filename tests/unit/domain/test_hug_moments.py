"""What can happen to a hug once it is sent."""

import pytest

from domain.errors import Conflict, Expired, Invalid
from domain.hug_moments import (
    REACTION_MESSAGE_MAX_GRAPHEMES,
    UNDO_WITHIN_MS,
    check_reaction,
    check_undo,
    pair_off,
)

pytestmark = pytest.mark.unit

AT_MS = 1_780_000_000_000
FAMILY = "👩‍👩‍👧‍👦"  # seven code points, one grapheme
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    "emoji", ["🤗", "❤", "❤️", "🫂", FAMILY, SCOTLAND, "🇩🇪", "👍🏽", "🏃🏽‍♀️", "🏳️‍🌈", "1️⃣", "👩‍❤️‍💋‍👨"]
)
def test_one_emoji_is_a_reaction(emoji: str) -> None:
    check_reaction(emoji, None)


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "1",
        "#",
        "é",
        "ab",
        " ",
        "🤗🤗",
        "🤗!",
        " 🤗",
        "🤗\n",
        "🇩",
        "🇩🇪🇫🇷",
        "\u200d",
        "🤗\u200d",
        "🏽\u0301",
        "🤗\u0301",
    ],
)
def test_anything_else_is_none(text: str) -> None:
    with pytest.raises(Invalid, match="one emoji"):
        check_reaction(text, None)


def test_the_message_of_a_reaction_is_measured_in_graphemes() -> None:
    check_reaction("🤗", FAMILY * REACTION_MESSAGE_MAX_GRAPHEMES)
    check_reaction("🤗", "x" * REACTION_MESSAGE_MAX_GRAPHEMES)
    for letter in ("x", FAMILY):
        with pytest.raises(Invalid, match="140"):
            check_reaction("🤗", letter * (REACTION_MESSAGE_MAX_GRAPHEMES + 1))


def test_a_hug_can_be_taken_back_for_a_while() -> None:
    for late_ms in (-5, 0, UNDO_WITHIN_MS):
        check_undo(at_ms=AT_MS, is_seen=False, is_felt=False, now_ms=AT_MS + late_ms)
    with pytest.raises(Expired, match="10 seconds"):
        check_undo(at_ms=AT_MS, is_seen=False, is_felt=False, now_ms=AT_MS + UNDO_WITHIN_MS + 1)


def test_not_what_was_seen_or_felt() -> None:
    with pytest.raises(Conflict, match="seen"):
        check_undo(at_ms=AT_MS, is_seen=True, is_felt=False, now_ms=AT_MS)
    with pytest.raises(Conflict, match="felt"):
        check_undo(at_ms=AT_MS, is_seen=False, is_felt=True, now_ms=AT_MS)


def test_the_nearest_that_are_free_meet() -> None:
    assert pair_off([(1, "a", "x"), (2, "a", "y")]) == [("a", "x")]
    assert pair_off([(2, "a", "x"), (1, "b", "x"), (3, "a", "y")]) == [("b", "x"), ("a", "y")]
    assert pair_off([(1, "a", "x"), (1, "b", "x")]) == [("a", "x")]
    assert pair_off([(1, "a", "x"), (1, "x", "a")]) == [("a", "x")]
    assert pair_off([]) == []
