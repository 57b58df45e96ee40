"""How one setting is read: the kinds of values there are, and where they may stand.

Invariant: what is wrong is told with what is allowed, never with the value, which may be a secret.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

Parse = Callable[[str], Any]
Environment = Mapping[str, str]


class Setting(Struct, frozen=True):
    """One name in the environment and the field it fills. *parse* raises ValueError with what is allowed, or with
    an argument for each thing that is wrong."""

    name: str
    field: str
    parse: Parse


def any_text(value: str) -> str:
    """Anything but nothing."""
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def whole_number(low: float, high: float) -> Parse:
    """From *low* to *high*."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value.strip()) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def seconds_up_to(high: float) -> Parse:
    """From 0, with up to three decimals."""

    def parse(value: str) -> float:
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value.strip()) or not float(value) <= high:
            raise ValueError(f"must be a number of seconds from 0 to {high:g}")
        return float(value)

    return parse


def on_off(value: str) -> bool:
    """True for on."""
    if value not in {"on", "off"}:
        raise ValueError("must be on or off")
    return value == "on"


def items(parse_item: Callable[[str], str]) -> Parse:
    """Several of what *parse_item* reads, with commas between them."""

    def parse(value: str) -> tuple[str, ...]:
        return tuple(parse_item(item.strip()) for item in value.split(",") if item.strip())

    return parse


def origin(item: str) -> str:
    """A web origin, in lower case."""
    if not re.fullmatch(r"https?://[^/\s,?#@]+", item):
        raise ValueError("must be origins such as https://app.example, with commas between them and without paths")
    return item.lower()


def network(item: str) -> str:
    """An address or a network."""
    try:
        return str(ipaddress.ip_network(item))
    except ValueError:
        raise ValueError("must be addresses or networks such as 10.0.0.0/8, with commas between them") from None


def hug_kind(item: str) -> str:
    """A word that may be the kind of a hug."""
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,31}", item):
        raise ValueError("must be words of lower-case letters, digits, - and _, with commas between them")
    return item


def url_like(schemes: Sequence[str], example: str) -> Parse:
    """A URL with one of *schemes*; *example* shows one."""

    def parse(value: str) -> str:
        try:
            is_good = urlsplit(value).scheme in schemes and urlsplit(value).port != 0
        except ValueError:  # a port that is no number
            is_good = False
        if not is_good:
            raise ValueError(f"must be a URL such as {example}")
        return value

    return parse


def read_table(table: Iterable[Setting], environment: Environment, problems: list[str]) -> dict[str, Any]:
    """The fields that the environment names; an empty value counts as not named."""
    given = {}
    for setting in table:
        if value := environment.get(setting.name):
            try:
                given[setting.field] = setting.parse(value)
            except ValueError as error:
                problems += [f"{setting.name} {wrong}" for wrong in error.args]
    return given


def read_private(name: str, environment: Environment, problems: list[str]) -> tuple[str, bytes | None] | None:
    """What is in *name*, or in the file that *name*_FILE names, with the one that is set; None if neither is.

    Bytes of None: *problems* says why.
    """
    text, file = environment.get(name), environment.get(f"{name}_FILE")
    if text and file:
        problems.append(f"{name} and {name}_FILE are both set: choose one")
        return name, None
    if text:
        return name, text.encode()
    if not file:
        return None
    try:
        return f"{name}_FILE", Path(file).read_bytes().strip()
    except OSError as error:
        problems.append(f"{name}_FILE cannot be read: {error.strerror}")
        return f"{name}_FILE", None
