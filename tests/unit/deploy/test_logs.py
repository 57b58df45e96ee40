"""Logs: one JSON object a line, without anything private."""

import json
import logging
from pathlib import Path

import pytest

from deploy.logs import JsonFormatter, last_words

pytestmark = pytest.mark.unit


def record(message: str, *arguments: object, error: BaseException | None = None, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("hugmood.hub", logging.WARNING, __file__, 1, message, arguments, None)
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    vars(made).update(extra)
    return made


def test_a_line_has_the_message_and_the_extra_fields() -> None:
    line = json.loads(JsonFormatter().format(record("redis is %s", "away", connection="c1", users=3)))
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "hugmood.hub",
        "message": "redis is away",
        "connection": "c1",
        "users": 3,
    }


def test_private_fields_are_left_out() -> None:
    line = JsonFormatter().format(record("x", token="hidden", password="hidden", access_token="hidden", user="u"))
    assert "hidden" not in line
    assert json.loads(line)["user"] == "u"


def test_a_traceback_stays_on_the_line() -> None:
    line = JsonFormatter().format(record("failed", error=ValueError("the reason")))
    assert "\n" not in line
    assert json.loads(line)["error"].endswith("ValueError: the reason")


def test_what_json_cannot_say_is_described() -> None:
    assert json.loads(JsonFormatter().format(record("x", what=object)))["what"] == "<class 'object'>"


def test_last_words(tmp_path: Path) -> None:
    log = tmp_path / "hub.log"
    assert last_words(log) == "it said nothing"
    formatter = JsonFormatter()
    log.write_text(
        f"{formatter.format(record('started'))}\n{formatter.format(record('failed', error=OSError('full')))}\n"
    )
    assert last_words(log) == "failed: OSError: full"
    with log.open("a") as file:
        file.write("x" * 100_000 + "\nplain words\n\n")
    assert last_words(log) == "plain words"
