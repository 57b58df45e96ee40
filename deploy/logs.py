"""Logs of hubs and workers: one JSON object a line on standard error, for machines to read.

Invariant: no token, password or message of a person is ever written. Modules log ids and counts; should one pass
something private by name all the same, it is left out here.
"""

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

TAIL_BYTES = 16 * 1024

# Attributes every record has; whatever else is on one was handed over as `extra`.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PRIVATE = frozenset({"token", "access_token", "refresh_token", "password", "secret", "text", "body", "email", "note"})


class _Entry(msgspec.Struct):
    message: str
    error: str = ""


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, then the extra fields, and `error` with the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD | _PRIVATE}
        line.update(extra)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=repr).decode()


def configure_logs(level: str) -> None:
    """Everything of *level* (as in `HUGMOOD_LOG`) and above goes to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for noisy in ("uvicorn.error", "asyncio"):  # they tell starts and stops, and slow callbacks in debug mode
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))


def last_words(log: Path) -> str:
    """What a process wrote last into *log*, on one line; why it ended, as a rule."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    if not lines:
        return "it said nothing"
    try:
        entry = msgspec.json.decode(lines[-1], type=_Entry)
    except msgspec.DecodeError:
        return lines[-1]
    return ": ".join([entry.message, *entry.error.splitlines()[-1:]])
