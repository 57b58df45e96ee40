"""A provider that speaks to the fake of APNs, and pushes for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.support.certificates import Authority, client_context
from tests.support.fake_apns import KEY_ID, TEAM_ID, TOPIC, FakeApns
from workers.push.apns import ApnsProvider, ApnsSettings
from workers.push.outgoing import Answer, Content, Outgoing

DEVICE = "a1" * 32


@asynccontextmanager
async def speaking_to(fake: FakeApns, authority: Authority, **options: Any) -> AsyncIterator[ApnsProvider]:
    """A provider with the fake's key."""
    settings = ApnsSettings.load(fake.pem, KEY_ID, TEAM_ID, TOPIC, fake.url)
    async with ApnsProvider(settings, client_context(authority), **options) as provider:
        yield provider


def outgoing(to: str = DEVICE, ttl_s: int = 3_600, **content: Any) -> Outgoing:
    """A hug, as a push."""
    given = {
        "kind": "hug.received",
        "category": "hugs",
        "title": "HugMood",
        "body": "You got a hug.",
        "collapse_key": "hugs_1",
        "badge": 3,
        "data": {"hug_id": "0190"},
    } | content
    return Outgoing(id=str(uuid4()), user=str(uuid4()), to=to, content=Content(**given), ttl_s=ttl_s)


async def send_all(provider: ApnsProvider, pushes: list[Outgoing]) -> list[Answer]:
    """All at once; the answers in the same order."""
    return await asyncio.gather(*(provider.send(push) for push in pushes))
