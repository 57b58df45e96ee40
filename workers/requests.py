"""The end of requests for hugs whose time is up: written down, told to their people, rung.

When a request is due stands in PostgreSQL alone, so nothing is lost with Redis. The job may run twice, or in two
workers at once: each request ends in one transaction, and only there.
"""

import logging
from datetime import UTC, datetime

from domain.times import rfc3339, to_ms
from protocol.codec import encode_body
from protocol.events import RequestExpired
from storage.hug_requests import expire_within
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.postgres import Database
from storage.ringing import Ringing
from workers.retry import Job

EXPIRE_EVERY_S = 5
BATCH_MAX = 500

log = logging.getLogger("hugmood.requests")


class RequestCare:
    """What the queue `care` does for requests."""

    def __init__(self, database: Database, ringing: Ringing) -> None:
        self._database = database
        self._ringing = ringing

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.CARE` is given."""
        every = frozenset(range(0, 60, EXPIRE_EVERY_S))
        return [Job("care.expire_requests", self.expire, timeout_s=60, seconds=every)]

    async def expire(self) -> None:
        """End what is due. Raises: Unavailable; what was ended until then stays ended, and was rung."""
        while await self._expire_batch() == BATCH_MAX:
            pass

    async def _expire_batch(self) -> int:
        now = datetime.now(UTC)
        events: list[InboxEvent] = []
        async with self._database.transaction() as connection:
            expired = await expire_within(connection, now, BATCH_MAX)
            if expired:
                told = [
                    NewEvent(user, "request.expired", _body(one.id, now))
                    for one in expired
                    for user in (one.asker, one.recipient)
                    if user is not None
                ]
                events = await append_within(connection, told)
        await self._ringing.ring(events)
        if expired:
            log.info("requests expired", extra={"requests": len(expired)})
        return len(expired)


def _body(request: str, now: datetime) -> bytes:
    return encode_body(RequestExpired(at=rfc3339(to_ms(now)), id=request, state="expired"))
