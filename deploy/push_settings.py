"""Reads which providers a worker pushes with. A provider is used when its settings are there, all of them.

Invariant: what is wrong with a credential is told in the words of its provider's module, which never quotes it.
"""

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from deploy.setting_kinds import (
    Environment,
    Setting,
    on_off,
    read_private,
    read_table,
    seconds_up_to,
    whole_number,
)
from workers.push.apns_settings import ApnsSettings
from workers.push.email_settings import EmailSettings
from workers.push.fcm_settings import FcmSettings
from workers.push.settings import PushSettings
from workers.push.webhook_settings import WebhookSettings
from workers.push.webpush_settings import WebPushSettings


def _authority(value: str) -> Path:
    path = Path(value)
    try:
        ssl.create_default_context().load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"must be a file with certificates as PEM: {error.strerror or 'there is none in it'}"
        ) from None
    return path


def _folder(value: str) -> Path:
    if not Path(value).is_dir():
        raise ValueError("must be a folder")
    return Path(value)


UNACKED = Setting("HUGMOOD_PUSH_UNACKED_S", "unacked_s", whole_number(1, 3_600))
PUSH = (
    UNACKED,
    Setting("HUGMOOD_PUSH_MERGE_S", "merge_s", whole_number(1, 86_400)),
    Setting("HUGMOOD_PUSH_RETRY_S", "retry_s", seconds_up_to(600)),
    Setting("HUGMOOD_PUSH_LOG", "log", on_off),
    Setting("HUGMOOD_PUSH_CA_FILE", "ca_file", _authority),
    Setting("HUGMOOD_TEMPLATES", "templates", _folder),  # what is in it, the worker checks at its start
)


class _Part(Struct, frozen=True):
    """One argument of a provider's settings. *is_private*: it may stand in the file that its name with _FILE names."""

    name: str
    argument: str
    is_needed: bool = True
    is_private: bool = False


class _Group(Struct, frozen=True):
    """What is set together for one provider. *load* raises ValueError with an argument for each thing that is wrong."""

    field: str
    load: Callable[..., Any]
    parts: Sequence[_Part]


GROUPS = (
    _Group(
        "fcm",
        FcmSettings.load,
        (
            _Part("HUGMOOD_FCM_CREDENTIALS", "credentials_text", is_private=True),
            _Part("HUGMOOD_FCM_URL", "url", is_needed=False),
        ),
    ),
    _Group(
        "apns",
        ApnsSettings.load,
        (
            _Part("HUGMOOD_APNS_KEY", "key", is_private=True),
            _Part("HUGMOOD_APNS_KEY_ID", "key_id"),
            _Part("HUGMOOD_APNS_TEAM_ID", "team_id"),
            _Part("HUGMOOD_APNS_TOPIC", "topic"),
            _Part("HUGMOOD_APNS_URL", "url", is_needed=False),
        ),
    ),
    _Group(
        "webpush",
        WebPushSettings.load,
        (
            _Part("HUGMOOD_WEBPUSH_SUBJECT", "subject", is_needed=False),
            _Part("HUGMOOD_WEBPUSH_HOSTS", "hosts", is_needed=False),
        ),
    ),
    _Group(
        "webhook",
        WebhookSettings.load,
        (
            _Part("HUGMOOD_WEBHOOK_URL", "url", is_private=True),
            _Part("HUGMOOD_WEBHOOK_SECRET", "secrets", is_private=True),
            _Part("HUGMOOD_WEBHOOK_NETWORKS", "networks", is_needed=False),
        ),
    ),
    _Group(
        "email",
        EmailSettings.load,
        (_Part("HUGMOOD_SMTP_URL", "url", is_private=True), _Part("HUGMOOD_MAIL_FROM", "sender")),
    ),
)
_PARTS = tuple(part for group in GROUPS for part in group.parts)
NAMES = (
    *(setting.name for setting in PUSH),
    *(part.name for part in _PARTS),
    *(f"{part.name}_FILE" for part in _PARTS if part.is_private),
)


def load_push(environment: Environment, problems: list[str]) -> PushSettings:
    """Which providers are set up; *problems* takes what is wrong with any."""
    wrong: list[str] = []
    given = read_table(PUSH, environment, wrong)
    for group in GROUPS:
        settings = _load(group, environment, wrong)
        if settings is not None:
            given[group.field] = settings
    problems += wrong
    return PushSettings() if wrong else PushSettings(**given)


def _load(group: _Group, environment: Environment, problems: list[str]) -> object | None:
    """None if nothing of it is set, or something is wrong."""
    told = {part: _read(part, environment, problems) for part in group.parts}
    given = {part.argument: text for part, text in told.items() if text is not None}
    if not given:
        return None
    missing = [part.name for part, text in told.items() if text is None and part.is_needed]
    if missing:
        others = ", ".join(part.name for part, text in told.items() if text is not None)
        problems += [f"{name} is missing: {others} is nothing without it" for name in missing]
        return None
    try:
        settings: object = group.load(**given)
    except ValueError as error:
        names = ", ".join(part.name for part in group.parts)
        problems += [f"{names}: {wrong}" for wrong in error.args]
        return None
    return settings


def _read(part: _Part, environment: Environment, problems: list[str]) -> str | None:
    if not part.is_private:
        return environment.get(part.name) or None
    told = read_private(part.name, environment, problems)
    return told[1].decode(errors="replace") if told is not None and told[1] is not None else None
