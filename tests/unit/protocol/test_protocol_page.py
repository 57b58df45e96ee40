"""PROTOCOL.md names exactly what the structs and enums have: no code, command or event more, none less."""

import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

import protocol.codes
from protocol.codes import CloseCode, ErrorCode, Reconnect, reconnects
from protocol.commands import AnyCommand, Command
from protocol.events import Bye, CaughtUp, Error, Ok, Welcome
from protocol.messages import DurableEvent, EphemeralEvent, ServerMessage

pytestmark = pytest.mark.unit

PAGE = Path(protocol.codes.__file__).with_name("PROTOCOL.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header line begins so."""
    lines = PAGE.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith(f"| {header} |"))
    table = []
    for line in lines[start + 2 :]:
        if not line.strip().startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return table


def word(cell: str) -> str:
    """The first thing in backticks."""
    found = re.match(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


def words(cell: str) -> set[str]:
    """Everything in backticks that can be a field's name, without the values behind "=" and in parentheses."""
    bare = re.sub(r"\([^)]*\)|= `[^`]*`( or `[^`]*`)*|: .*$", "", cell)
    return {name.rstrip("?") for name in re.findall(r"`([a-z_]+\??)`", bare)}


def fields(kind: Any) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)} - {"ref"}


def test_error_codes() -> None:
    assert [word(row[0]) for row in rows("code | meaning")] == list(ErrorCode)


def test_close_codes_and_what_the_client_does() -> None:
    table = {int(row[0]): row[2] for row in rows("code | name")}
    assert list(table) == list(CloseCode)
    says = {
        Reconnect.STOP: "stops",
        Reconnect.BACKOFF: "comes back after a backoff",
        Reconnect.RESUME: "comes back",
        Reconnect.NEW_TOKEN: "gets a new token first",
    }
    for code, text in table.items():
        assert text.startswith(says[reconnects(code)]), code
        assert ("and resumes" in text) == (reconnects(code) is Reconnect.RESUME), code


def test_commands_with_their_fields() -> None:
    table = {word(row[0]): words(row[1]) for row in rows("command | fields")}
    assert table == {str(kind.__struct_config__.tag): fields(kind) for kind in get_args(AnyCommand)}
    assert all(issubclass(kind, Command) for kind in get_args(AnyCommand))


def test_required_fields_of_commands_are_not_marked_optional() -> None:
    table = {word(row[0]): set(re.findall(r"`([a-z_]+)\?`", row[1])) for row in rows("command | fields")}
    for kind in get_args(AnyCommand):
        optional = {field.encode_name for field in msgspec.structs.fields(kind) if not field.required} - {"ref"}
        assert table[str(kind.__struct_config__.tag)] == optional, kind


def test_replies_carry_only_fields_of_ok() -> None:
    for row in rows("command | fields"):
        carried = words(row[2].replace("`welcome`", ""))
        assert carried <= fields(Ok), row


@pytest.mark.parametrize(
    ("header", "union"), [("durable | fields", DurableEvent), ("ephemeral | fields", EphemeralEvent)]
)
def test_events_with_their_fields(header: str, union: Any) -> None:
    table = {word(row[0]): {name for name in words(row[1]) if name != "null"} for row in rows(header)}
    assert table == {str(kind.__struct_config__.tag): fields(kind) for kind in get_args(union)}


def test_no_server_message_is_missing() -> None:
    rest = set(get_args(ServerMessage)) - set(get_args(DurableEvent)) - set(get_args(EphemeralEvent))
    assert rest == {Ok, Error, Welcome, CaughtUp}
    assert Bye in get_args(EphemeralEvent)
    for kind in rest:
        assert f"`{kind.__struct_config__.tag}`" in PAGE


def test_welcome_with_its_fields() -> None:
    assert {word(row[0]) for row in rows("field | meaning")} == fields(Welcome)


def test_every_message_named_on_the_page_exists() -> None:
    known = {str(kind.__struct_config__.tag) for kind in (*get_args(AnyCommand), *get_args(ServerMessage))}
    named = set(re.findall(r"`((?:hug|friend|user|presence|auth|session)\.[a-z]+)", PAGE))
    assert named <= known
