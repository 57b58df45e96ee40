"""The texts of pushes as files, one per language: read once at the start, and checked as a whole.

Invariant: what is loaded has every topic, and every form that numbers of its language take (CLDR).
"""

import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from msgspec import Struct

from domain.hugs import count_graphemes

SHIPPED = Path(__file__).parents[1] / "templates"
TITLE_MAX_GRAPHEMES = 100
BODY_MAX_GRAPHEMES = 240
DEFAULT_LANGUAGE = "en"

_ISOLATES = re.compile("[\u2066-\u2069]")
_EXACT = re.compile(r"=(0|[1-9][0-9]{0,5})")
_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


class WrongTemplates(ValueError):  # noqa: N818  reads as what it is
    """Files of texts are wrong: an argument for each thing that is."""


class Topic(Struct, frozen=True):
    """What a push may be about. *number*: what picks the form of `title` and `generic`. *values*: what its text may
    speak of besides. *has_actors*: it is the doing of people, who are named to those that want it."""

    has_actors: bool = True
    number: str = "count"
    values: tuple[str, ...] = ()

    def placeholders(self) -> Mapping[str, tuple[str, ...]]:
        """By part, all that it has to have; what each may say."""
        generic = (self.number, *self.values)
        parts = {"title": generic, "generic": generic}
        if self.has_actors:
            parts |= {"one_person": ("actor", "count"), "people": ("actor", "count", "others")}
        return parts


_NOBODYS = Topic(has_actors=False)
TOPICS: Mapping[str, Topic] = {
    "hug.received": Topic(),
    "hug.felt": Topic(),
    "hug.mutual": Topic(),
    "request.received": Topic(),
    "request.answered": Topic(),
    "request.expiring": _NOBODYS,
    "group.invited": Topic(),
    "group.starting": _NOBODYS,
    "group.started": _NOBODYS,
    "group.cancelled": _NOBODYS,
    "friend.requested": Topic(),
    "friend.accepted": Topic(),
    "streak.milestone": Topic(has_actors=False, number="days"),
    "streak.at_risk": _NOBODYS,
    "notice": Topic(has_actors=False, values=("title", "body")),
    "account.notice": _NOBODYS,
}

Part = str | Mapping[str, str]  # one text, or one per plural category; `=1`: for that number alone
Language = Mapping[str, Mapping[str, Part]]  # by topic


def load_languages(folder: Path | None) -> Mapping[str, Language]:
    """By BCP 47 tag in lower case: those shipped, with the topics that *folder* has in place of theirs.

    `pt-BR.toml` may leave to `pt.toml` what is the same. Raises: WrongTemplates.
    """
    problems: list[str] = []
    found = dict(_read(SHIPPED, problems))
    if folder is not None:
        for tag, topics in _read(folder, problems):
            found[tag] = {**found.get(tag, {}), **topics}
    languages: dict[str, Language] = {}
    for tag in sorted(found, key=len):
        languages[tag] = {**languages.get(tag.rpartition("-")[0], {}), **found[tag]}
        problems += (f"{tag}.toml: {problem}" for problem in _problems(tag, languages[tag]))
    if problems:
        raise WrongTemplates(*problems)
    return languages


def plural_categories(tag: str) -> frozenset[str]:
    """Those of the language. Raises: ValueError, UnknownLocaleError."""
    return Locale.parse(tag, sep="-").plural_form.tags | {"other"}


def _read(folder: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError as error:
        problems.append(f"{folder} cannot be read: {error.strerror}")
        return
    for path in paths:
        try:
            yield path.stem.lower(), tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            problems.append(f"{path.name} cannot be read: {error.strerror}")
        except ValueError as error:  # no UTF-8, no TOML
            problems.append(f"{path.name} is not TOML: {error}")


def _problems(tag: str, language: Mapping[str, Any]) -> Iterator[str]:
    try:
        categories = plural_categories(tag) if _TAG.fullmatch(tag) else None
    except (ValueError, UnknownLocaleError):
        categories = None
    if categories is None:
        yield "is not named after a language that is known, such as en.toml or pt-BR.toml"
        return
    yield from (f"{topic} is no topic; there are {', '.join(TOPICS)}" for topic in language if topic not in TOPICS)
    for name, topic in TOPICS.items():
        texts = language.get(name)
        if not isinstance(texts, dict):
            yield f"{name} is missing" if texts is None else f"{name} must be a table"
            continue
        for problem in _topic_problems(topic, texts, categories):
            yield f"{name}: {problem}"


def _topic_problems(topic: Topic, texts: Mapping[str, Any], categories: frozenset[str]) -> Iterator[str]:
    parts = topic.placeholders()
    yield from (f"{part} means nothing here; there are {', '.join(parts)}" for part in texts if part not in parts)
    for part, placeholders in parts.items():
        if part not in texts:
            yield f"{part} is missing"
            continue
        limit = TITLE_MAX_GRAPHEMES if part == "title" else BODY_MAX_GRAPHEMES
        forms = texts[part] if isinstance(texts[part], dict) else dict.fromkeys(categories, texts[part])
        missing = sorted(categories - forms.keys())
        if missing:
            yield f"{part} has no form for {', '.join(missing)}"
        yield from _unique(
            f"{part} {problem}" for form, text in forms.items() for problem in _form_problems(form, text, categories)
        )
        yield from _unique(
            f"{part} {problem}" for text in forms.values() for problem in _text_problems(text, placeholders, limit)
        )


def _form_problems(form: str, text: object, categories: frozenset[str]) -> Iterator[str]:
    if form not in categories and not _EXACT.fullmatch(form):
        yield f"has a form {form}; this language has {', '.join(sorted(categories))}, and =1 for a single number"
    if not isinstance(text, str):
        yield "must be a text, or a table of texts"


def _text_problems(text: object, placeholders: Iterable[str], limit: int) -> Iterator[str]:
    if not isinstance(text, str):
        return
    if not text.strip():
        yield "is empty"
    if count_graphemes(text) > limit:
        yield f"has more than {limit} characters"
    if _ISOLATES.search(text):
        yield "has isolates (U+2066 to U+2069): they are put around names by themselves"
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        yield "has control characters or line breaks"
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        yield "has a brace without its other; a brace itself is written twice"
        return
    for _, name, spec, conversion in fields:
        if name is not None and (name not in placeholders or spec or conversion):
            yield f"says {{{name}}}, and can say only {', '.join(f'{{{each}}}' for each in placeholders)}"


def _unique(problems: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(problems)
