"""Everything of pushes in one worker: the providers that are set up, a line to each, and the jobs that decide."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial

from storage.encryption import KeyRing
from storage.notification_centre import count_unread
from storage.own_keys import vapid_keys
from storage.postgres import Database
from storage.push_queue import PushQueue
from storage.reach import Reach
from workers.push.apns import ApnsProvider
from workers.push.asking import Asking
from workers.push.composing import Composer
from workers.push.counts import PushCounts
from workers.push.email import EmailProvider
from workers.push.fcm import FcmProvider
from workers.push.log import LogProvider
from workers.push.looking import Looking
from workers.push.outgoing import Provider
from workers.push.sending import Line
from workers.push.settings import PushSettings
from workers.push.texts import Templates
from workers.push.webhook import WebhookProvider
from workers.push.webpush import WebPushProvider, push_service_of
from workers.retry import Job

SERVERS = {"webpush": push_service_of}  # providers with several servers that fail apart
DEVICELESS = ("log", "webhook")  # the push itself is all that they are given


class Pipeline:
    """`jobs` for the runner of `Queue.PUSH`; `run` the lines beside it."""

    def __init__(
        self,
        settings: PushSettings,
        providers: Sequence[Provider],
        database: Database,
        ring: KeyRing,
        queue: PushQueue,
        reach: Reach,
        counts: PushCounts,
        clock: Callable[[], int],
    ) -> None:
        names = [provider.name for provider in providers]
        asking = Asking(database, reach, names, [name for name in names if name in DEVICELESS], settings.timing)
        self._lines = [
            Line(provider, database, ring, asking, counts, clock, settings.retry_s, SERVERS.get(provider.name))
            for provider in providers
        ]
        composer = Composer(Templates.load(settings.templates))
        self._looking = Looking(database, queue, asking, composer, partial(count_unread, database), self._wake, clock)

    def jobs(self) -> Sequence[Job]:
        """What a runner of `Queue.PUSH` is given."""
        return self._looking.jobs()

    def _wake(self) -> None:
        for line in self._lines:
            line.wake()

    async def run(self) -> None:
        """Send until cancelled; what is under way then is finished first."""
        async with asyncio.TaskGroup() as group:
            for line in self._lines:
                group.create_task(line.run())


async def build_providers(settings: PushSettings, database: Database, ring: KeyRing) -> list[Provider]:
    """Those that *settings* name. Raises: Unavailable."""
    context = _context(settings)
    providers: list[Provider] = [WebPushProvider(settings.webpush, await vapid_keys(database, ring), context)]
    if settings.fcm is not None:
        providers.append(FcmProvider(settings.fcm, context))
    if settings.apns is not None:
        providers.append(ApnsProvider(settings.apns, _context(settings)))  # one of its own: it speaks HTTP/2 only
    if settings.webhook is not None:
        providers.append(WebhookProvider(settings.webhook, context))
    if settings.email is not None:
        providers.append(EmailProvider(settings.email, context))
    if settings.log or (settings.log is None and len(providers) == 1):
        providers.append(LogProvider())
    return providers


def _context(settings: PushSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(settings.ca_file)
    return context
