"""What a hug may be: its kinds, its message, and the style that only the app understands."""

import math
from typing import Any

import regex

from domain.errors import Invalid, TooLarge

KINDS = frozenset({"quick", "warm", "bear", "side", "comfort", "celebration", "goodnight", "group"})
MESSAGE_MAX_GRAPHEMES = 280
STYLE_MAX_BYTES = 2048
STYLE_MAX_DEPTH = 8

_GRAPHEME = regex.compile(r"\X")


def count_graphemes(text: str) -> int:
    """User-perceived characters (UAX #29)."""
    return sum(1 for _ in _GRAPHEME.finditer(text))


def check_kind(kind: str, kinds: frozenset[str]) -> None:
    """Raises: Invalid, naming what there is."""
    if kind not in kinds:
        raise Invalid(f"There is no hug of that kind. Choose one of: {', '.join(sorted(kinds))}.")


def check_message(message: str) -> None:
    """Raises: Invalid."""
    # No text has more graphemes than code points: the usual message needs no counting.
    if len(message) > MESSAGE_MAX_GRAPHEMES and count_graphemes(message) > MESSAGE_MAX_GRAPHEMES:
        raise Invalid(f"A message has at most {MESSAGE_MAX_GRAPHEMES} characters.")


def check_style(style: dict[str, Any], encoded_bytes: int) -> None:
    """*style* must be plain JSON: what cannot be told in every codec is refused. Raises: Invalid, TooLarge."""
    if encoded_bytes > STYLE_MAX_BYTES:
        raise TooLarge(f"A style has at most {STYLE_MAX_BYTES} bytes as JSON.")
    _check_plain(style, STYLE_MAX_DEPTH)


def _check_plain(value: Any, depth: int) -> None:
    if depth == 0:
        raise Invalid(f"A style is nested at most {STYLE_MAX_DEPTH} deep.")
    if isinstance(value, list):
        for item in value:
            _check_plain(item, depth - 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_plain(item, depth - 1)
            if not isinstance(key, str):
                raise Invalid("The keys of a style are texts.")
            _check_text(key)
    else:
        _check_scalar(value)


def _check_scalar(value: Any) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Invalid("Numbers in a style are finite.")
    elif value is not None and not isinstance(value, (bool, int)):
        raise Invalid("A style holds only what JSON can say.")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise Invalid("A style holds no NUL characters.")
