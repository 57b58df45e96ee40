"""Where to find help, by country: the file that operators edit, read once at the start.

Invariant: what is loaded has been checked as a whole; every wrong thing in a file is told at once. At least one
resource serves everywhere, so nobody who looks for help gets an empty list.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from domain.care import VERIFIED_FOR_DAYS, is_stale
from protocol.rest_moods import CareResource

SHIPPED = Path(__file__).parent / "care.toml"
TEXT_MAX = 160

_COUNTRY = re.compile(r"[A-Z]{2}")
_NOT_COUNTRIES = {"UK": "GB", "EL": "GR"}  # often written, but ISO 3166-1 says otherwise
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_PHONE = re.compile(r"\+?[0-9][0-9 ()*#-]{0,30}")
_WAYS = ("phone", "text", "url")

Check = Callable[[Any], str | None]  # what is allowed, if the value is not


class Resource(Struct, frozen=True):
    """Somebody to talk to in *countries* (ISO 3166-1 alpha-2); in none: everywhere."""

    countries: tuple[str, ...]
    last_verified: date
    told: CareResource


def load_resources(path: Path) -> Sequence[Resource]:
    """The resources of a file, in its order. Raises: ValueError with every problem as an argument."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, no TOML
        raise ValueError(f"is not TOML: {error}") from error
    entries, others = document.pop("resources", None), sorted(document)
    problems = [f"says {name}, which means nothing here" for name in others]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(*problems, "must have its resources under [[resources]]")
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name")
        label = f"resource {number} ({name})" if isinstance(name, str) and name else f"resource {number}"
        problems += [f"{label}: {problem}" for problem in _problems(entry)]
    if all(entry.get("countries") for entry in entries):
        problems.append("must have at least one resource without countries, which serves everywhere")
    if problems:
        raise ValueError(*problems)
    return tuple(_resource(entry) for entry in entries)


@cache
def load_shipped() -> Sequence[Resource]:
    """Those that come with HugMood."""
    return load_resources(SHIPPED)


def serving(resources: Sequence[Resource], country: str | None) -> list[CareResource]:
    """Those of *country* first, then those that serve everywhere."""
    own = [each.told for each in resources if country is not None and country in each.countries]
    return own + [each.told for each in resources if not each.countries]


def stale_names(resources: Sequence[Resource], today: date) -> list[str]:
    """Those that nobody has verified for `VERIFIED_FOR_DAYS`, each with its countries and the date."""
    return [
        f"{each.told.name} ({', '.join(each.countries) or 'everywhere'}, {each.last_verified})"
        for each in resources
        if is_stale(each.last_verified, today)
    ]


def stale_warning(resources: Sequence[Resource], today: date) -> str | None:
    """One line for `/readyz`, or None."""
    count = len(stale_names(resources, today))
    if not count:
        return None
    return f"care: {count} of {len(resources)} support resources were last verified over {VERIFIED_FOR_DAYS} days ago"


def _resource(entry: Mapping[str, Any]) -> Resource:
    told = {name: value for name, value in entry.items() if name not in {"countries", "last_verified"}}
    verified = entry["last_verified"]
    return Resource(
        tuple(entry.get("countries", ())), verified, CareResource(last_verified=verified.isoformat(), **told)
    )


def _problems(entry: Mapping[str, Any]) -> list[str]:
    problems = [f"{name} means nothing here" for name in entry if name not in _CHECKS]
    problems += [f"{name} is missing" for name in ("name", "last_verified") if name not in entry]
    if not any(name in entry for name in _WAYS):
        problems.append(f"needs one of {', '.join(_WAYS)}")
    for name, check in _CHECKS.items():
        if name in entry and (allowed := check(entry[name])) is not None:
            problems.append(f"{name} must be {allowed}")
    return problems


def _text(value: Any) -> str | None:
    if isinstance(value, str) and value.strip() == value and 0 < len(value) <= TEXT_MAX and value.isprintable():
        return None
    return f"a line of 1 to {TEXT_MAX} characters"


def _phone(value: Any) -> str | None:
    is_good = isinstance(value, str) and _PHONE.fullmatch(value)
    return None if is_good else 'a number as it is dialled, in quotes, such as "116 123"'


def _url(value: Any) -> str | None:
    try:
        is_good = isinstance(value, str) and value.isprintable() and " " not in value and urlsplit(value).hostname
    except ValueError:  # half an address in brackets
        is_good = False
    return None if is_good and value.startswith("https://") else "an address such as https://findahelpline.com"


def _countries(value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return 'a list of countries such as ["GB", "IE"]; leave it out for what serves everywhere'
    for item in value:
        if isinstance(item, str) and item in _NOT_COUNTRIES:
            return f"a list of ISO 3166-1 codes: {_NOT_COUNTRIES[item]}, not {item}"
        if not isinstance(item, str) or not _COUNTRY.fullmatch(item):
            return "a list of ISO 3166-1 codes of two capital letters"
    return "without repetition" if len(set(value)) < len(value) else None


def _languages(value: Any) -> str | None:
    is_good = isinstance(value, list) and all(isinstance(item, str) and _LANGUAGE.fullmatch(item) for item in value)
    return None if is_good else 'a list of BCP 47 codes such as ["en", "pt-BR"]'


def _verified(value: Any) -> str | None:
    if not isinstance(value, date) or isinstance(value, datetime):
        return "a date without quotes, such as 2026-11-21"
    tomorrow = date.today() + timedelta(days=1)  # noqa: DTZ011  where it was written it may be tomorrow already
    return "a date that has come" if value > tomorrow else None


_CHECKS: Mapping[str, Check] = {
    "name": _text,
    "countries": _countries,
    "phone": _phone,
    "text": _text,
    "url": _url,
    "hours": _text,
    "languages": _languages,
    "last_verified": _verified,
}
