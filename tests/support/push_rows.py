"""What the pipeline of pushes leaves in the database, made by hand for tests of what comes after it."""

from datetime import datetime
from typing import Any

from domain.ids import uuid7
from storage.postgres import Database
from tests.support.people import NOW_MS


async def add_device(database: Database, user: str, name: str, provider: str = "fcm") -> str:
    """A registered device; its id."""
    device = uuid7(NOW_MS)
    await database.execute(
        "insert into devices (id, user_id, provider, token, token_hash, name, registered_at, used_at)"
        " values ($1, $2, $3, '', sha256($1::uuid::text::bytea), $4, now(), now())",
        device,
        user,
        provider,
        name,
    )
    return device


async def add_notification(
    database: Database,
    user: str,
    seq: int,
    state: str,
    at: datetime,
    *,
    reason: str | None = None,
    push: str | None = None,
    channel: str = "push",
    kind: str = "hug.received",
) -> None:
    """What was decided about an event."""
    await database.execute(
        "insert into notifications (user_id, seq, channel, kind, at, expires_at, state, reason, push_id, decided_at)"
        " values ($1, $2, $3, $4, $5, $5::timestamptz + interval '1 day', $6, $7, $8, $5)",
        user,
        seq,
        channel,
        kind,
        at,
        state,
        reason,
        push,
    )


async def add_delivery(database: Database, user: str, seq: int, at: datetime, **columns: Any) -> str:
    """One push to one device; its id. *columns*: what differs from a push of this event alone that waits in the queue."""
    row = {
        "id": uuid7(NOW_MS),
        "push_id": uuid7(NOW_MS),
        "user_id": user,
        "provider": "fcm",
        "kind": "hug.received",
        "first_seq": seq,
        "last_seq": seq,
        "content": "{}",
        "state": "queued",
        "expires_at": at,
        "created_at": at,
        **columns,
    }
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await database.execute(f"insert into deliveries ({', '.join(row)}) values ({places})", *row.values())  # noqa: S608
    return str(row["id"])
