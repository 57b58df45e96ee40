"""Inboxes as the rest of the system fills them, for tests of the notification centre."""

from collections.abc import Sequence
from typing import Any

from domain.ids import uuid7
from domain.times import from_ms, rfc3339
from protocol.codec import encode_body
from protocol.events import (
    AccountNotice,
    FriendRequested,
    HugReceived,
    Message,
    Notification,
    RequestExpired,
    StreakMilestone,
)
from protocol.parts import UserRef
from storage.hug_commits import NewHug, commit_within
from storage.inbox import NewEvent, append_within
from storage.postgres import Database
from tests.support.people import NOW_MS

AT = rfc3339(NOW_MS)
ANA = UserRef("01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11", "Ana")

FRIEND = FriendRequested(at=AT, from_=ANA)
MILESTONE = StreakMilestone(at=AT, days=7)
SECURITY = AccountNotice(at=AT, about="password_changed")
NO_LINE = RequestExpired(at=AT, id=ANA.id, state="expired")


def notice(category: str = "insights", **data: str) -> Notification:
    return Notification(at=AT, id=uuid7(NOW_MS), about="notice", category=category, title="News", data=data)


async def add(database: Database, user: str, *events: Message) -> list[int]:
    """Events in the inbox of *user*; their seqs."""
    new = [NewEvent(user, str(event.__struct_config__.tag), encode_body(event)) for event in events]
    async with database.transaction() as connection:
        return [event.seq for event in await append_within(connection, new)]


async def add_hugs(database: Database, sender: str, user: str, count: int = 1) -> list[tuple[str, int]]:
    """Hugs to *user*: (id, seq)."""
    ids = [uuid7(NOW_MS) for _ in range(count)]
    hugs = [
        NewHug(
            hug,
            sender,
            user,
            "warm",
            None,
            None,
            encode_body(HugReceived(at=AT, id=hug, from_=UserRef(sender, "Ana"), kind="warm")),
            NOW_MS,
        )
        for hug in ids
    ]
    async with database.transaction() as connection:
        return [(hug, event.seq) for hug, event in zip(ids, await commit_within(connection, hugs), strict=True)]


async def mark_hugs(database: Database, column: str, hugs: Sequence[str]) -> None:
    """As seen (`seen_at`) or taken back (`undone_at`)."""
    await database.execute(f"update hugs set {column} = $2 where id = any($1::uuid[])", hugs, from_ms(NOW_MS))  # noqa: S608


async def add_delivery(database: Database, user: str, kind: str, first: int, last: int, **columns: Any) -> str:
    """A push that has gone out; its id."""
    delivery, now = uuid7(NOW_MS), from_ms(NOW_MS)
    await database.execute(
        "insert into deliveries (id, push_id, user_id, provider, kind, first_seq, last_seq, content, state, expires_at,"
        " created_at, due_at) values ($1, $1, $2, 'log', $3, $4, $5, '{}', $6, $7, $7, $8)",
        delivery,
        user,
        kind,
        first,
        last,
        columns.get("state", "accepted"),
        now,
        columns.get("due_at"),
    )
    return delivery
