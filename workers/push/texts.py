"""What a push or a mail says, from templates by topic and language.

Invariant: what people chose themselves (names, an app's own words) stands in Unicode isolates and has no control
characters, so it cannot disturb the text around it, whichever way that is written.
"""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Self

import regex
from babel import Locale
from babel.numbers import format_decimal
from msgspec import Struct

from domain.preferences import Preview
from workers.push.template_files import (
    BODY_MAX_GRAPHEMES,
    DEFAULT_LANGUAGE,
    TITLE_MAX_GRAPHEMES,
    TOPICS,
    Language,
    Part,
    load_languages,
)

NAME_MAX_GRAPHEMES = 64
BYTES_PER_GRAPHEME = 8  # on the average, at most: all that a provider takes is about 4,000
ISOLATE, END = "\u2068", "\u2069"  # FIRST STRONG ISOLATE, POP DIRECTIONAL ISOLATE (UAX #9)

_GRAPHEME = regex.compile(r"\X")
_CONTROLS = regex.compile(r"[\p{Cc}\p{Cs}\u2028\u2029]+")
_DIRECTIONS = regex.compile("[\u202a-\u202e\u2066-\u2069]")  # embeddings, overrides, isolates: theirs may have no end


class Text(Struct, frozen=True):
    """*title*: at most 100 graphemes; *body*: at most 240. *language*: of the text, which may not be the one asked for."""

    title: str
    body: str
    language: str


class Templates:
    """The texts of all languages, read once."""

    def __init__(self, languages: Mapping[str, Language]) -> None:
        self._languages = languages

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Those shipped; *folder* has others in place of some. Raises: WrongTemplates."""
        return cls(load_languages(folder))

    def languages(self) -> Sequence[str]:
        """What there is, in lower case."""
        return sorted(self._languages)

    def render(
        self,
        topic: str,
        language: str,
        preview: Preview,
        count: int,
        actors: Sequence[str] = (),
        people: int = 0,
        values: Mapping[str, str] | None = None,
    ) -> Text:
        """What to say of *count* events by *people* people. *actors*: names of these, distinct, the latest first.

        Names nobody unless *preview* is NAME. *values*: `days` of streak.milestone, `title` and `body` of a notice;
        others mean nothing. Raises: KeyError, no such topic, or a value of it is missing; ValueError, days are no number.
        """
        spec, tag = TOPICS[topic], self._closest(language)
        texts, given = self._languages[tag][topic], values or {}
        numbers = {"count": count, "others": max(people, len(actors), 1) - 1}
        if spec.number not in numbers:
            numbers[spec.number] = int(given[spec.number])
        filling = {name: _written(number, tag) for name, number in numbers.items()}
        filling |= {name: _foreign(given[name], BODY_MAX_GRAPHEMES) for name in spec.values}
        part, number = texts["generic"], numbers[spec.number]
        actor = _foreign(actors[0], NAME_MAX_GRAPHEMES) if actors and preview is Preview.NAME else ""
        if actor and spec.has_actors:
            filling["actor"] = actor
            name, by = ("people", "others") if numbers["others"] else ("one_person", "count")
            part, number = texts[name], numbers[by]
        title = _pick(texts["title"], numbers[spec.number], tag).format_map(filling)
        body = _pick(part, number, tag).format_map(filling)
        return Text(_cut(title, TITLE_MAX_GRAPHEMES), _cut(body, BODY_MAX_GRAPHEMES), tag)

    def _closest(self, language: str) -> str:
        tag = language.lower()
        while tag and tag not in self._languages:
            tag = tag.rpartition("-")[0]
        return tag or DEFAULT_LANGUAGE


@cache
def _locale(tag: str) -> Locale:
    return Locale.parse(tag, sep="-")


@lru_cache(maxsize=4_096)
def _written(number: int, tag: str) -> str:
    return format_decimal(number, locale=_locale(tag))


@lru_cache(maxsize=4_096)
def _form(number: int, tag: str) -> str:
    return _locale(tag).plural_form(number)


def _pick(part: Part, number: int, tag: str) -> str:
    if isinstance(part, str):
        return part
    return part.get(f"={number}") or part[_form(number, tag)]


def _foreign(text: str, limit: int) -> str:
    plain = _CONTROLS.sub(" ", _DIRECTIONS.sub("", text)).strip()
    return f"{ISOLATE}{_cut(plain, limit)}{END}" if plain else ""


def _cut(text: str, limit: int) -> str:
    """At most *limit* graphemes, and 8 times as many bytes: a grapheme alone has no limit. Its isolate is closed."""
    is_small = len(text.encode()) <= limit * BYTES_PER_GRAPHEME
    if is_small and len(text) <= limit:
        return text
    graphemes = _GRAPHEME.findall(text)
    if is_small and len(graphemes) <= limit:
        return text
    sizes = accumulate(len(grapheme.encode()) for grapheme in graphemes)
    fitting = sum(1 for size in sizes if size <= (limit - 1) * BYTES_PER_GRAPHEME)  # the end takes 6 bytes
    kept = "".join(graphemes[: min(fitting, limit - 2)]).rstrip()
    return f"{kept}…{END if kept.count(ISOLATE) > kept.count(END) else ''}"
