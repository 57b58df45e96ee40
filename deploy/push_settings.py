"""Reads which providers a worker pushes with. A provider is used when its settings are there, all of them.

Invariant: what is wrong with a credential is told in the words of its provider's module, which never quotes it.
"""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from deploy.setting_kinds import (
    Environment,
    Setting,
    any_text,
    on_off,
    read_private,
    read_table,
    seconds_up_to,
    whole_number,
)
from workers.push.fcm import FcmSettings
from workers.push.settings import PushSettings
from workers.push.texts import Templates
from workers.push.webpush import WebPushSettings

Provider = TypeVar("Provider")


def _authority(value: str) -> Path:
    path = Path(value)
    try:
        ssl.create_default_context().load_verify_locations(path)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(
            f"must be a file with certificates as PEM: {error.strerror or 'there is none in it'}"
        ) from None
    return path


def _templates(value: str) -> Path:
    path = Path(value)
    Templates.load(path)
    return path


UNACKED = Setting("HUGMOOD_PUSH_UNACKED_S", "unacked_s", whole_number(1, 3_600))
PUSH = (
    UNACKED,
    Setting("HUGMOOD_PUSH_MERGE_S", "merge_s", whole_number(1, 86_400)),
    Setting("HUGMOOD_PUSH_RETRY_S", "retry_s", seconds_up_to(600)),
    Setting("HUGMOOD_PUSH_LOG", "log", on_off),
    Setting("HUGMOOD_PUSH_CA_FILE", "ca_file", _authority),
    Setting("HUGMOOD_TEMPLATES", "templates", _templates),
)
_PARTS = (
    Setting("HUGMOOD_FCM_URL", "fcm_url", any_text),
    Setting("HUGMOOD_WEBPUSH_SUBJECT", "webpush_subject", any_text),
    Setting("HUGMOOD_WEBPUSH_HOSTS", "webpush_hosts", any_text),
)
_PRIVATE = ("HUGMOOD_FCM_CREDENTIALS",)
NAMES = (
    *(setting.name for setting in (*PUSH, *_PARTS)),
    *(name for private in _PRIVATE for name in (private, f"{private}_FILE")),
)


def load_push(environment: Environment, problems: list[str]) -> PushSettings:
    """Everything but what may be missing; *problems* takes what is wrong."""
    given = read_table(PUSH, environment, problems)
    parts = read_table(_PARTS, environment, problems)
    fcm = _secret("HUGMOOD_FCM_CREDENTIALS", environment, problems)
    if fcm is not None:
        given["fcm"] = _load(
            "HUGMOOD_FCM_CREDENTIALS", lambda: FcmSettings.load(fcm, *_url(parts, "fcm_url")), problems
        )
    subject, hosts = parts.get("webpush_subject"), parts.get("webpush_hosts")
    if subject or hosts:
        given["webpush"] = _load(
            "HUGMOOD_WEBPUSH_SUBJECT or _HOSTS",
            lambda: WebPushSettings.load(subject or PushSettings().webpush.subject, hosts or ""),
            problems,
        )
    return PushSettings(**given) if not problems else PushSettings()


def _secret(name: str, environment: Environment, problems: list[str]) -> str | None:
    told = read_private(name, environment, problems)
    if told is None or told[1] is None:
        return None
    return told[1].decode(errors="replace")


def _url(parts: dict[str, Any], name: str) -> list[str]:
    return [parts[name]] if name in parts else []


def _load(name: str, load: Callable[[], Provider], problems: list[str]) -> Provider | None:
    try:
        return load()
    except ValueError as error:
        problems += [f"{name}: {wrong}" for wrong in error.args]
        return None
