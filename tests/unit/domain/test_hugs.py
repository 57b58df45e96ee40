"""What a hug may be."""

from typing import Any

import msgspec
import pytest

from domain.errors import Invalid, TooLarge
from domain.hugs import (
    KINDS,
    MESSAGE_MAX_GRAPHEMES,
    STYLE_MAX_BYTES,
    STYLE_MAX_DEPTH,
    check_kind,
    check_message,
    check_style,
    count_graphemes,
)

pytestmark = pytest.mark.unit

FAMILY = "👩‍👩‍👧‍👦"  # seven code points, one grapheme


def style_of_depth(depth: int) -> dict[str, Any]:
    style: dict[str, Any] = {}
    for _ in range(depth - 1):
        style = {"a": style}
    return style


def test_graphemes_are_what_people_count() -> None:
    assert count_graphemes(FAMILY) == 1
    assert count_graphemes("e\u0301") == 1
    assert count_graphemes("hug") == 3


def test_a_message_is_measured_in_graphemes() -> None:
    check_message(FAMILY * MESSAGE_MAX_GRAPHEMES)
    check_message("x" * MESSAGE_MAX_GRAPHEMES)
    with pytest.raises(Invalid, match="280"):
        check_message("x" * (MESSAGE_MAX_GRAPHEMES + 1))
    with pytest.raises(Invalid):
        check_message(FAMILY * (MESSAGE_MAX_GRAPHEMES + 1))


def test_an_unknown_kind_is_told_what_there_is() -> None:
    check_kind("bear", KINDS)
    check_kind("sloth", KINDS | {"sloth"})
    with pytest.raises(Invalid, match="bear"):
        check_kind("sloth", KINDS)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "text", [1, "a", None], {"a": [{"b": 1}]}])
def test_plain_json_is_style(value: Any) -> None:
    style = {"value": value}
    check_style(style, len(msgspec.json.encode(style)))


@pytest.mark.parametrize(
    "style",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": b"bytes"},
        {1: "a"},
        {"a": "NUL \x00"},
        {"NUL \x00": 1},
        {"a": msgspec.msgpack.Ext(1, b"x")},
    ],
)
def test_what_json_cannot_say_is_no_style(style: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        check_style(style, 10)


def test_style_is_bounded_in_depth_and_size() -> None:
    check_style(style_of_depth(STYLE_MAX_DEPTH), STYLE_MAX_BYTES)
    with pytest.raises(Invalid, match="deep"):
        check_style(style_of_depth(STYLE_MAX_DEPTH + 1), 100)
    with pytest.raises(TooLarge):
        check_style({}, STYLE_MAX_BYTES + 1)
