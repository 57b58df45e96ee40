"""What pushes are made of, put straight into the database, and a clock that tests set."""

import hashlib
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.ids import uuid7
from domain.preferences import Channel, Preferences
from domain.times import from_ms, rfc3339
from protocol.codec import encode_body
from protocol.events import HugReceived, Message
from protocol.parts import UserRef
from storage.encryption import KeyRing
from storage.inbox import NewEvent, append_within
from storage.notifications import NewNotification, save_arrived
from storage.postgres import Database
from storage.push_preferences import change_preferences
from tests.support.keys import KEY

RING = KeyRing([KEY])
HUG = "hug.received"


class Clock:
    """Unix ms. It stands still until a test moves it; it begins now, because the inbox has no room for other times."""

    def __init__(self) -> None:
        self.ms = int(time.time() * 1000)

    def __call__(self) -> int:
        return self.ms

    @property
    def now(self) -> datetime:
        return from_ms(self.ms)

    def forward(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


async def bring(database: Database, user: str, event: Message, at: datetime) -> int:
    """A durable *event* in the inbox of *user*, stored *at*; its `seq`."""
    kind = str(event.__struct_config__.tag)
    async with database.transaction() as connection:
        [stored] = await append_within(connection, [NewEvent(user, kind, encode_body(event))])
        await connection.execute("update inbox set at = $3 where user_id = $1 and seq = $2", user, stored.seq, at)
    return stored.seq


async def bring_hug(
    database: Database, sender: str, recipient: str, at: datetime, name: str = "Ana", request: str | None = None
) -> int:
    """A hug with a message that nobody may see on a locked screen; its `seq`."""
    hug = uuid7(int(at.timestamp() * 1000))
    event = HugReceived(
        at=rfc3339(int(at.timestamp() * 1000)),
        id=hug,
        from_=UserRef(sender, name),
        kind="bear",
        message="a secret",
        request=request,
    )
    seq = await bring(database, recipient, event, at)
    await database.execute(
        "insert into hugs (id, sender_id, recipient_id, seq, kind, at) values ($1, $2, $3, $4, 'bear', $5)",
        hug,
        sender,
        recipient,
        seq,
        at,
    )
    return seq


async def ack(database: Database, user: str, seq: int) -> None:
    await database.execute("update inbox_heads set acked_seq = greatest(acked_seq, $2) where user_id = $1", user, seq)


async def add_device(
    database: Database, user: str, at: datetime, provider: str = "fcm", token: str | None = None, language: str = "en"
) -> str:
    """A device of *user*, registered *at*; its id."""
    device = uuid7(int(at.timestamp() * 1000))
    token = token or device
    await database.execute(
        "insert into devices (id, user_id, provider, token, token_hash, name, language, registered_at, used_at)"
        " values ($1, $2, $3, $4, $5, 'Phone', $6, $7, $7)",
        device,
        user,
        provider,
        RING.seal(token, "devices", "token", device),
        hash_of(token),
        language,
        at,
    )
    return device


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def add_address(database: Database, user: str, email: str, at: datetime) -> None:
    await database.execute("insert into credentials values ($1, $2, 'none', $3)", user, email, at)


async def prefer(database: Database, user: str, preferences: Preferences, at: datetime) -> None:
    await change_preferences(database, user, lambda _: preferences, at)


def notification(
    user: str, seq: int, at: datetime, kind: str = HUG, channel: Channel = Channel.PUSH, actor: str | None = None
) -> NewNotification:
    return NewNotification(user, seq, channel, kind, actor, at, at + timedelta(hours=24))


async def notify(database: Database, notifications: Sequence[NewNotification], at: datetime) -> None:
    """Store them as the intake does; inboxes count as read up to the last of them."""
    through: dict[str, int] = {}
    for each in notifications:
        through[each.user] = max(each.seq, through.get(each.user, 0))
    await save_arrived(database, notifications, through, at)
