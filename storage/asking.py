"""Making requests for hugs, under the lock of whoever asks; what becomes of them is storage/hug_requests.py.

Invariant: two requests of one asker never interleave, so their limits cannot be passed and the same id is one request.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.errors import Conflict
from domain.hug_requests import DIRECT_MS, HOUR_MS, Asked
from domain.privacy import Relation, no_such_user
from domain.times import from_ms, to_ms
from storage.community import choose_receivers_within
from storage.inbox import InboxEvent, NewEvent, append_within
from storage.pairs import locked_pair
from storage.postgres import Database

# Weaker than `for update`: rows that refer to a user may be inserted meanwhile.
_LOCK = "select id from users where id = $1 and deleted_at is null for no key update"
_NAME = "select display_name from profiles where user_id = $1"

# Nothing older than a day can be open.
_ASKED = """
select count(*) filter (where created_at > $2) as within_hour,
       min(created_at) filter (where created_at > $2) as first_within_hour,
       count(*) filter (where is_open) as open, min(expires_at) filter (where is_open) as first_expires,
       count(*) filter (where is_open and recipient_id is null) as community_open,
       min(expires_at) filter (where is_open and recipient_id is null) as first_community_expires
from (
    select created_at, expires_at, recipient_id, state in ('open', 'declined') and expires_at > $3 as is_open
    from hug_requests where asker_id = $1 and created_at > $4
) r
"""

_INSERT = """
insert into hug_requests (id, asker_id, recipient_id, message, state, created_at, expires_at)
values ($1, $2, $3, $4, 'open', $5, $6) on conflict (id) do nothing returning id
"""
_INSERT_RECEIVERS = "insert into hug_request_receivers (request_id, user_id) select $1, unnest($2::uuid[])"


class NewRequest(Struct, frozen=True, kw_only=True):
    """A request that is about to be made; *recipient* None: of the community. Times in Unix ms."""

    id: str
    asker: str
    recipient: str | None
    message: str | None
    created_ms: int
    expires_ms: int


class Asking:
    """*asker* under lock. Lives as long as its transaction."""

    def __init__(self, connection: PoolConnectionProxy, asker: str, name: str) -> None:
        self._connection = connection
        self.asker = asker
        self.name = name

    async def find_repeated(self, new: NewRequest) -> NewRequest | None:
        """*new* as it was made before, if it was. Raises: Conflict if its id is another request's."""
        row = await self._connection.fetchrow("select * from hug_requests where id = $1", new.id)
        if row is None:
            return None
        recipient = str(row["recipient_id"]) if row["recipient_id"] else None
        if (str(row["asker_id"]), recipient) != (self.asker, new.recipient):
            raise _taken()
        return NewRequest(
            id=new.id,
            asker=self.asker,
            recipient=recipient,
            message=row["message"],
            created_ms=to_ms(row["created_at"]),
            expires_ms=to_ms(row["expires_at"]),
        )

    async def load_asked(self, now: datetime) -> Asked:
        """What the asker has asked for of late; true until the end of the transaction."""
        hour_ago, day_ago = now - timedelta(milliseconds=HOUR_MS), now - timedelta(milliseconds=DIRECT_MS)
        row = await self._connection.fetchrow(_ASKED, self.asker, hour_ago, now, day_ago)
        assert row is not None  # noqa: S101  aggregates are one row
        return Asked(
            within_hour=row["within_hour"],
            first_within_hour_ms=_ms(row["first_within_hour"]),
            open=row["open"],
            first_expires_ms=_ms(row["first_expires"]),
            community_open=row["community_open"],
            first_community_expires_ms=_ms(row["first_community_expires"]),
        )

    async def choose_receivers(self, candidates: Sequence[str]) -> list[str]:
        """Those of *candidates* who will hear of a request to the community."""
        return await choose_receivers_within(self._connection, self.asker, candidates)

    async def insert(self, new: NewRequest, receivers: Sequence[str]) -> None:
        """Make the request, of which *receivers* are told. Raises: Conflict if its id was taken at this moment."""
        times = from_ms(new.created_ms), from_ms(new.expires_ms)
        made = await self._connection.fetchval(_INSERT, new.id, self.asker, new.recipient, new.message, *times)
        if made is None:
            raise _taken()
        await self._connection.execute(_INSERT_RECEIVERS, new.id, receivers)

    async def append(self, events: Sequence[NewEvent]) -> list[InboxEvent]:
        """`storage.inbox.append_within`: the last statement; ring what it returns once the block has ended."""
        return await append_within(self._connection, events)


@asynccontextmanager
async def asking_one(database: Database, asker: str, recipient: str) -> AsyncIterator[tuple[Asking, Relation]]:
    """*asker*, and what *recipient* is to them, in a transaction that commits at the end of the block.

    Both are locked: a block between the two comes before all of it or after. Raises: as `locked_pair`.
    """
    async with locked_pair(database, asker, recipient) as pair:
        yield Asking(pair.connection, asker, pair.own_name), pair.relation


@asynccontextmanager
async def asking_community(database: Database, asker: str) -> AsyncIterator[Asking]:
    """As `asking_one`, without anybody else. Raises: NotFound if *asker* is gone; Unavailable."""
    async with database.transaction() as connection:
        if await connection.fetchval(_LOCK, asker) is None:
            raise no_such_user()
        yield Asking(connection, asker, await connection.fetchval(_NAME, asker))


def _taken() -> Conflict:
    return Conflict("This id belongs to another request. Make a new UUIDv7 for each request.")


def _ms(moment: datetime | None) -> int | None:
    return to_ms(moment) if moment is not None else None
