"""Pushes for tests of providers."""

from typing import Any

from domain.ids import uuid7
from tests.support.people import NOW_MS
from workers.push.outgoing import Content, Outgoing


def outgoing(to: str, body: str = "Ana hugged you", *, id: str = "", ttl_s: int = 60, **content: Any) -> Outgoing:  # noqa: A002
    """One try of a new delivery to *to*; *content*: what differs from the usual."""
    usual: dict[str, Any] = {
        "kind": "hug.received",
        "category": "hugs",
        "title": "A hug",
        "body": body,
        "collapse_key": "hugs-Ana_1",
        "badge": 3,
        "data": {"hug": "h1"},
    }
    return Outgoing(id=id or uuid7(NOW_MS), user="ana", to=to, content=Content(**usual | content), ttl_s=ttl_s)
