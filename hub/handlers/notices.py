"""What the server of an app tells its users: each becomes a durable `notification` event.

Invariant: the same idempotency key of the same API key is one notification of a user, whoever sends it how often.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from domain.errors import Conflict, Invalid, NotFound, Refusal, TooLarge
from domain.ids import uuid7
from domain.times import rfc3339
from hub.handlers.ports import Delivery
from protocol import rest_push
from protocol.events import Notification
from protocol.rest_push import Notice
from storage.notices import Added, NewNotice, try_notices
from storage.postgres import Database

ABOUT = "notice"
DATA_MAX_BYTES = 2_048  # a push has 4,096 for everything

_encoder = msgspec.json.Encoder(order="sorted")


class NoticeHandlers:
    """For REST alone. *delivery* rings what is new."""

    def __init__(self, database: Database, delivery: Delivery, clock: Callable[[], int]) -> None:
        self._database = database
        self._delivery = delivery
        self._clock = clock

    async def send(self, key: str, notice: rest_push.NewNotice) -> Notice:
        """Tell one user, in the name of API key *key*. Raises: NotFound, Conflict, Invalid, TooLarge, Unavailable."""
        (outcome,) = await self._store([self._prepare(key, notice)])
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def send_all(self, key: str, notices: Sequence[rest_push.NewNotice]) -> list[Notice | Refusal]:
        """What became of each, in their order; one that is refused stops none of the others. Raises: Unavailable."""
        prepared = [self._try_prepare(key, notice) for notice in notices]
        stored = iter(await self._store([each for each in prepared if isinstance(each, NewNotice)]))
        return [next(stored) if isinstance(each, NewNotice) else each for each in prepared]

    def _try_prepare(self, key: str, notice: rest_push.NewNotice) -> NewNotice | Refusal:
        if notice.idempotency_key is None:
            return Invalid("In a batch each notification has an idempotency_key.")
        try:
            return self._prepare(key, notice)
        except (TooLarge, Invalid) as refusal:
            return refusal

    def _prepare(self, key: str, notice: rest_push.NewNotice) -> NewNotice:
        if sum(len(name.encode()) + len(value.encode()) for name, value in notice.data.items()) > DATA_MAX_BYTES:
            raise TooLarge(f"The data of a notification has at most {DATA_MAX_BYTES} bytes.")
        if notice.category is rest_push.Category.ACCOUNT:
            raise Invalid("The category account is for the security of accounts alone: nobody can switch it off.")
        now_ms, user = self._clock(), notice.user.lower()
        event = Notification(
            at=rfc3339(now_ms),
            about=ABOUT,
            category=notice.category,
            title=notice.title,
            body=notice.body or None,
            data=notice.data,
            collapse_key=notice.collapse_key,
            expires_at=rfc3339(now_ms + notice.ttl_s * 1000),
        )
        cause = f"server:{key}:{notice.idempotency_key or secrets.token_hex(16)}"
        body = _encoder.encode(replace(notice, user=user, idempotency_key=None))
        return NewNotice(user, cause, uuid7(now_ms), event, hashlib.sha256(body).digest())

    async def _store(self, notices: Sequence[NewNotice]) -> list[Notice | Refusal]:
        added, events = await try_notices(self._database, notices)
        self._delivery.ring(events)
        return [_outcome(each) for each in added]


def _outcome(added: Added) -> Notice | Refusal:
    if added.id is None:
        return NotFound("No such user.")
    if added.is_other:
        return Conflict("This idempotency key was used for another notification.")
    return Notice(id=added.id, is_repeated=not added.is_new)
