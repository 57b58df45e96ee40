"""Reads what `HUGMOOD_*` says into the frozen settings of the processes.

Invariant: all wrong values are reported at once, each with what is allowed, and a report never quotes a secret: neither
passwords in URLs nor keys. This is the only reader of settings; deploy/cli.py hands it the environment.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deploy.children import CannotStart
from deploy.push_settings import NAMES as PUSH_NAMES
from deploy.push_settings import load_push
from deploy.setting_kinds import (
    Environment,
    Setting,
    any_text,
    hug_kind,
    items,
    network,
    on_off,
    origin,
    read_private,
    read_table,
    seconds_up_to,
    url_like,
    whole_number,
)
from domain.push_endpoints import load_hosts
from hub.care import Resource, load_resources
from hub.settings import SECRET_MIN_BYTES, HubSettings
from storage.encryption_keys import FORM, EncryptionKey, load_keys
from storage.partitions import MONTHS_BEHIND
from workers.settings import SERVED, WorkerSettings

PREFIX = "HUGMOOD_"
LOG_LEVELS = ("debug", "info", "warning", "error")

Settings = TypeVar("Settings")


class WrongSettings(CannotStart):
    """One or more settings are wrong: one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def _months(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value.strip()) or 0 < int(value) < MONTHS_BEHIND:
        raise ValueError(f"must be 0 (for ever) or a whole number of months from {MONTHS_BEHIND} to 9999")
    return int(value)


def _care(value: str) -> Sequence[Resource]:
    return load_resources(Path(value))


def _queue(item: str) -> str:
    if item not in list(SERVED):
        raise ValueError(f"must be one or more of {', '.join(SERVED)}, with commas between them")
    return next(queue for queue in SERVED if queue == item)


_PORT = whole_number(1, 65_535)
_REDIS_URL = url_like(("redis", "rediss", "unix"), "redis://:password@host:6379/0")
_CONNECTIONS_MAX = 1_000

SERVERS = (
    Setting(
        "HUGMOOD_DATABASE_URL",
        "database_url",
        url_like(("postgresql", "postgres"), "postgresql://user:password@host:5432/name"),
    ),
    Setting("HUGMOOD_REDIS_URL", "redis_url", _REDIS_URL),
)
_JOBS_REDIS = Setting("HUGMOOD_JOBS_REDIS_URL", "jobs_redis_url", _REDIS_URL)
HUB = (
    *SERVERS,
    _JOBS_REDIS,
    Setting("HUGMOOD_HOST", "host", any_text),
    Setting("HUGMOOD_PORT", "port", _PORT),
    Setting("HUGMOOD_METRICS_HOST", "metrics_host", any_text),
    Setting("HUGMOOD_METRICS_PORT", "metrics_port", _PORT),
    Setting("HUGMOOD_ALLOWED_ORIGINS", "allowed_origins", items(origin)),
    Setting("HUGMOOD_TRUSTED_PROXIES", "trusted_proxies", items(network)),
    Setting("HUGMOOD_LIMITS", "limits_on", on_off),
    Setting("HUGMOOD_HUG_KINDS", "hug_kinds", items(hug_kind)),
    Setting("HUGMOOD_REQUESTS_PER_HOUR", "requests_per_hour", whole_number(1, 1_000_000)),
    Setting("HUGMOOD_COMMUNITY_REQUESTS_OPEN", "community_requests_open", whole_number(1, 50)),
    Setting("HUGMOOD_MOODS_PER_DAY", "moods_per_day", whole_number(0, 1_000_000)),
    Setting("HUGMOOD_HUGS_PER_MINUTE", "hugs_per_minute", whole_number(0, 1_000_000)),
    Setting("HUGMOOD_HUGS_PER_DAY", "hugs_per_day", whole_number(0, 1_000_000)),
    Setting("HUGMOOD_HUGS_UNANSWERED_PER_HOUR", "hugs_unanswered_per_hour", whole_number(0, 1_000_000)),
    Setting("HUGMOOD_CARE_FILE", "care", _care),
    Setting("HUGMOOD_MAX_CONNECTIONS", "max_connections", whole_number(0, 10_000_000)),
    Setting("HUGMOOD_MAX_CONNECTIONS_PER_ADDRESS", "max_connections_per_address", whole_number(1, 10_000_000)),
    Setting("HUGMOOD_MAX_CONNECTIONS_PER_USER", "max_connections_per_user", whole_number(1, 10_000_000)),
    Setting("HUGMOOD_WEBPUSH_HOSTS", "webpush_hosts", load_hosts),
    Setting("HUGMOOD_MAX_FOLLOWS", "max_follows", whole_number(1, 1_000_000)),
    Setting(
        "HUGMOOD_DATABASE_CONNECTIONS", "database_connections", whole_number(2, _CONNECTIONS_MAX)
    ),  # one is kept for commits
    Setting("HUGMOOD_PUSH_UNACKED_S", "push_unacked_s", whole_number(1, 3_600)),
    Setting("HUGMOOD_DRAIN_S", "drain_s", seconds_up_to(600)),
)
WORKER = (
    *SERVERS,
    _JOBS_REDIS,
    Setting("HUGMOOD_METRICS_HOST", "metrics_host", any_text),
    Setting("HUGMOOD_METRICS_PORT", "metrics_port", _PORT),
    Setting("HUGMOOD_QUEUES", "queues", items(_queue)),
    Setting("HUGMOOD_DATABASE_CONNECTIONS", "database_connections", whole_number(1, _CONNECTIONS_MAX)),
    Setting("HUGMOOD_MOOD_RETENTION_MONTHS", "mood_retention_months", _months),
    Setting("HUGMOOD_STOP_WAIT_S", "stop_wait_s", seconds_up_to(600)),
)
SECRET, KEYS = "HUGMOOD_SECRET", "HUGMOOD_ENCRYPTION_KEYS"
OTHER_NAMES = (SECRET, f"{SECRET}_FILE", KEYS, f"{KEYS}_FILE", "HUGMOOD_LOG", "HUGMOOD_DATA", *PUSH_NAMES)


def load_hub_settings(environment: Environment) -> HubSettings:
    """For one hub. Raises: WrongSettings."""
    problems: list[str] = []
    given = read_table(HUB, environment, problems)
    given["secret"] = _secret(environment, problems)
    _require(SERVERS, given, environment, problems)
    if given["secret"] is None:
        problems.append(
            f"{SECRET} or {SECRET}_FILE is missing: at least {SECRET_MIN_BYTES} bytes, the same on every hub"
        )
    given["encryption_keys"] = _required_keys(environment, problems)
    return _build(HubSettings, given, problems)


def load_worker_settings(environment: Environment) -> WorkerSettings:
    """For one worker. Raises: WrongSettings."""
    problems: list[str] = []
    given = read_table(WORKER, environment, problems)
    _require(SERVERS, given, environment, problems)
    given["encryption_keys"] = _required_keys(environment, problems)
    given["push"] = load_push(environment, problems)
    return _build(WorkerSettings, given, problems)


def check_settings(environment: Environment) -> None:
    """Everything but what may be missing, for those who start others. Raises: WrongSettings."""
    problems: list[str] = []
    read_table({setting.name: setting for setting in (*HUB, *WORKER)}.values(), environment, problems)
    _secret(environment, problems)
    _keys(environment, problems)
    load_push(environment, problems)
    load_log_level(environment, problems)
    if problems:
        raise WrongSettings(list(dict.fromkeys(problems)))


def load_secret(environment: Environment) -> bytes | None:
    """What signs access tokens, if the environment says. Raises: WrongSettings."""
    problems: list[str] = []
    secret = _secret(environment, problems)
    if problems:
        raise WrongSettings(problems)
    return secret


def load_encryption_keys(environment: Environment) -> tuple[EncryptionKey, ...] | None:
    """The keys of encrypted fields, if the environment says. Raises: WrongSettings."""
    problems: list[str] = []
    keys = _keys(environment, problems)
    if problems:
        raise WrongSettings(problems)
    return keys


def load_database_url(environment: Environment) -> str | None:
    """The database, if the environment names one. Raises: WrongSettings."""
    return _load(environment, SERVERS[0])


def load_redis_url(environment: Environment) -> str | None:
    """Where Redis is, if the environment says. Raises: WrongSettings."""
    return _load(environment, SERVERS[1])


def load_jobs_redis_url(environment: Environment) -> str | None:
    """Where the job queues are, if the environment says. Raises: WrongSettings."""
    return _load(environment, _JOBS_REDIS) or _load(environment, SERVERS[1])


def _load(environment: Environment, setting: Setting) -> str | None:
    problems: list[str] = []
    given = read_table((setting,), environment, problems)
    if problems:
        raise WrongSettings(problems)
    value: str | None = given.get(setting.field)
    return value


def load_log_level(environment: Environment, problems: list[str] | None = None) -> str:
    """One of `LOG_LEVELS`. Raises: WrongSettings, unless *problems* takes it."""
    level = environment.get("HUGMOOD_LOG", "info").lower()
    if level not in LOG_LEVELS:
        problem = f"HUGMOOD_LOG must be one of {', '.join(LOG_LEVELS)}"
        if problems is None:
            raise WrongSettings([problem])
        problems.append(problem)
    return level


def unknown_names(environment: Environment) -> list[str]:
    """A line of warning for each name that looks like ours and is not."""
    known = {setting.name for setting in (*HUB, *WORKER)} | set(OTHER_NAMES)
    lines = []
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{name} is not a setting{f': did you mean {near[0]}?' if near else ' and has no effect'}")
    return lines


def _require(table: Sequence[Setting], given: dict[str, Any], environment: Environment, problems: list[str]) -> None:
    problems += [f"{setting.name} is missing" for setting in table if not environment.get(setting.name)]
    for setting in table:
        given.setdefault(setting.field, "")


def _secret(environment: Environment, problems: list[str]) -> bytes | None:
    told = read_private(SECRET, environment, problems)
    if told is None:
        return None
    name, secret = told
    if secret is not None and len(secret) < SECRET_MIN_BYTES:
        problems.append(f"{name} must hold at least {SECRET_MIN_BYTES} bytes")
    return secret or b""


def _required_keys(environment: Environment, problems: list[str]) -> tuple[EncryptionKey, ...]:
    keys = _keys(environment, problems)
    if keys is None:
        problems.append(
            f"{KEYS} or {KEYS}_FILE is missing: {FORM} for each key, the newest first, the same on every hub and worker "
            "(`hugmood keys new` makes one)"
        )
    return keys or ()


def _keys(environment: Environment, problems: list[str]) -> tuple[EncryptionKey, ...] | None:
    told = read_private(KEYS, environment, problems)
    if told is None:
        return None
    name, text = told
    try:
        return () if text is None else load_keys(text.decode(errors="replace"))
    except ValueError as error:
        problems += [f"{name} {wrong}" for wrong in error.args]
        return ()


def _build(kind: Callable[..., Settings], given: dict[str, Any], problems: list[str]) -> Settings:
    if problems:
        raise WrongSettings(problems)
    return kind(**given)
