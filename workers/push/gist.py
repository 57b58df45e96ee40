"""What of a durable event matters for pushes: who, what topic, until when, and what an app finds it by."""

import logging
from datetime import UTC, datetime

import msgspec
from msgspec import Struct, field

from domain.notifications import KINDS
from domain.preferences import Category
from protocol.parts import UserRef
from workers.push.template_files import TOPICS

NOTIFICATION = "notification"
NEW = "new"
COLLAPSE_MAX = 32


class _Event(Struct, frozen=True):
    """The fields of all kinds of events that are looked at; the others are passed over."""

    id: str | None = None
    from_: UserRef | None = field(default=None, name="from")
    user: UserRef | None = None
    hug: str | None = None
    request: str | None = None
    days: int | None = None
    community: bool = False
    change: str = NEW
    about: str | None = None
    category: str | None = None
    title: str | None = None
    body: str | None = None
    data: dict[str, str] = {}
    collapse_key: str | None = None
    expires_at: datetime | None = None


class Gist(Struct, frozen=True, kw_only=True):
    """*burst*: what it is merged with. *topic*: of the text. *ids*: for the app. *values*: for the text."""

    topic: str
    burst: str
    category: Category
    collapse_key: str
    actor: UserRef | None
    expires_at: datetime
    is_of_request: bool
    is_community: bool
    ids: dict[str, str]
    values: dict[str, str]


_CATEGORIES = frozenset(Category)
log = logging.getLogger("hugmood.push")

_decoder = msgspec.json.Decoder(_Event)


def gist_of(kind: str, at: datetime, body: bytes) -> Gist | None:
    """Of an event of the inbox; None if nobody is to be told of it outside of the app."""
    rule = KINDS.get(kind)
    if rule is None or not rule.is_pushed:
        return None
    try:
        event = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.error("an event cannot be read", extra={"kind": kind, "reason": type(error).__name__})  # noqa: TRY400
        return None
    expires_at = at + rule.ttl
    ends_at = event.expires_at.astimezone(UTC) if event.expires_at is not None else expires_at
    if kind != NOTIFICATION:
        expires_at = min(expires_at, ends_at)  # a request that nobody can answer any more wakes nobody
        return _gist(kind, kind, rule.category or Category.INSIGHTS, kind, event, expires_at)
    if event.change != NEW or event.about is None or event.about not in TOPICS or event.category not in _CATEGORIES:
        return None
    # Each says something of its own: only what its sender wants replaced is merged.
    own = event.collapse_key or (event.id or "").replace("-", "")
    return _gist(event.about, f"{event.about}:{own}", Category(event.category), own, event, ends_at)


def _gist(topic: str, burst: str, category: Category, collapse: str, event: _Event, expires_at: datetime) -> Gist:
    ids = {name: value for name, value in (("id", event.id), ("hug", event.hug), ("request", event.request)) if value}
    values = {**event.data, "title": event.title or "", "body": event.body or ""}
    if event.days is not None:
        values["days"] = str(event.days)
    return Gist(
        topic=topic,
        burst=burst,
        category=category,
        collapse_key=collapse.replace(".", "-")[:COLLAPSE_MAX],
        actor=event.from_ or event.user,
        expires_at=expires_at,
        is_of_request=event.request is not None,
        is_community=event.community,
        ids=event.data | ids,
        values=values,
    )
