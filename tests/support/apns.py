"""A provider that speaks to the fake of APNs, and pushes for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.certificates import Authority, client_context
from tests.support.fake_apns import KEY_ID, TEAM_ID, TOPIC, FakeApns
from tests.support.outgoing import outgoing
from workers.push.apns import ApnsProvider
from workers.push.apns_settings import ApnsSettings
from workers.push.outgoing import Answer, Outgoing, Verdict

DEVICE = "a1" * 32


@asynccontextmanager
async def speaking_to(fake: FakeApns, authority: Authority, **options: Any) -> AsyncIterator[ApnsProvider]:
    """A provider with the fake's key."""
    settings = ApnsSettings.load(fake.pem, KEY_ID, TEAM_ID, TOPIC, fake.url)
    async with ApnsProvider(settings, client_context(authority), **options) as provider:
        yield provider


def push(to: str = DEVICE, **given: Any) -> Outgoing:
    """One try of a new delivery; *given*: what differs from the usual."""
    return outgoing(to, **given)


async def send_all(provider: ApnsProvider, pushes: list[Outgoing]) -> list[Answer]:
    """All at once; the answers in the same order."""
    return await asyncio.gather(*(provider.send(each) for each in pushes))


async def accepted_in_the_end(provider: ApnsProvider, sent: Outgoing) -> list[Answer]:
    """All answers, as the pipeline would collect them: it comes again when it may."""
    answers = [await provider.send(sent)]
    while answers[-1].verdict is Verdict.RETRY:
        await asyncio.sleep(answers[-1].retry_after_s)
        answers.append(await provider.send(sent))
    return answers
