"""Log-ins and their refresh tokens: a family of tokens per log-in, each of which works once.

Invariant: at most one token of a family is current. Whoever uses an earlier one later than the grace, or
after its successor was used, holds a copy: the whole family ends, for the thief and for the robbed. With a log-in that is
ended go the devices it registered: in a statement of its own, which sees who came while the family was locked.
"""

from datetime import datetime, timedelta
from enum import Enum

from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from storage.postgres import Database

REFRESH_TTL = timedelta(days=7)
REUSE_GRACE = timedelta(seconds=10)


class NewLogin(Struct, frozen=True):
    """A log-in about to begin: *sid* is its family, *token_hash* the SHA-256 of its first refresh token."""

    sid: str
    token_hash: bytes
    expires_at: datetime


class FoundLogin(Struct, frozen=True):
    """Whose log-in a refresh token belongs to."""

    user: str
    sid: str


class Refused(Enum):
    """Why a refresh token was not accepted."""

    UNKNOWN = "unknown"
    REVOKED = "revoked"
    EXPIRED = "expired"


class Reused(Struct, frozen=True):
    """A copy of a refresh token came; the log-in has been ended for it."""

    user: str
    sid: str


Outcome = FoundLogin | Reused | Refused

_END_DEVICES = "delete from devices where family_id = any($1::uuid[])"


async def create_login(database: Database, user: str, login: NewLogin, at: datetime) -> None:
    """A further log-in of *user*. Raises: Unavailable."""
    await database.execute(
        """
        with new_family as (insert into token_families (id, user_id, created_at) values ($2, $1, $4))
        insert into refresh_tokens (token_hash, family_id, created_at, expires_at) values ($3, $2, $4, $5)
        """,
        user,
        login.sid,
        login.token_hash,
        at,
        login.expires_at,
    )


# Both rows are locked, so that what is read of them is read after whoever was before us has committed:
# of two who bring the same token at once, the second sees the rotation of the first.
_FIND = """
select t.family_id, t.expires_at, t.rotated_at, f.revoked_at, f.user_id
from refresh_tokens t
join token_families f on f.id = t.family_id
join users u on u.id = f.user_id and u.deleted_at is null
where t.token_hash = $1
for update of t, f
"""


async def rotate(database: Database, token_hash: bytes, successor_hash: bytes, now: datetime) -> Outcome:
    """Put the successor in the place of a token.

    The successor is a function of the token, so that within the grace a lost answer can be given again: the
    same token comes to the same successor, and nobody gets a second line of tokens. Raises: Unavailable.
    """
    async with database.transaction() as connection:
        row = await connection.fetchrow(_FIND, token_hash)
        if row is None:
            return Refused.UNKNOWN
        user, sid = str(row["user_id"]), str(row["family_id"])
        if row["revoked_at"] is not None:
            return Refused.REVOKED
        if row["rotated_at"] is not None:
            if not await _is_lost_answer(connection, row["rotated_at"], successor_hash, now):
                await connection.execute("update token_families set revoked_at = $2 where id = $1", sid, now)
                await connection.execute(_END_DEVICES, [sid])
                return Reused(user, sid)
        elif row["expires_at"] <= now:
            return Refused.EXPIRED
        else:
            await _replace(connection, token_hash, successor_hash, sid, now)
        return FoundLogin(user, sid)


async def _is_lost_answer(
    connection: PoolConnectionProxy, rotated_at: datetime, successor_hash: bytes, now: datetime
) -> bool:
    if now > rotated_at + REUSE_GRACE:
        return False
    successor = await connection.fetchrow("select rotated_at from refresh_tokens where token_hash = $1", successor_hash)
    return successor is not None and successor["rotated_at"] is None


async def _replace(
    connection: PoolConnectionProxy, token_hash: bytes, successor_hash: bytes, sid: str, now: datetime
) -> None:
    await connection.execute("update refresh_tokens set rotated_at = $2 where token_hash = $1", token_hash, now)
    await connection.execute(
        "insert into refresh_tokens (token_hash, family_id, created_at, expires_at) values ($1, $2, $3, $4)",
        successor_hash,
        sid,
        now,
        now + REFRESH_TTL,
    )


async def find_login(database: Database, token_hash: bytes) -> FoundLogin | None:
    """The log-in that a refresh token belongs to, whatever has become of the token. Raises: Unavailable."""
    row = await database.fetchrow(
        "select f.id, f.user_id from refresh_tokens t join token_families f on f.id = t.family_id where t.token_hash = $1",
        token_hash,
    )
    return FoundLogin(str(row["user_id"]), str(row["id"])) if row is not None else None


async def revoke_login(database: Database, user: str, sid: str, now: datetime) -> list[str]:
    """End one log-in of *user*; the list of what was ended. Raises: Unavailable."""
    async with database.transaction() as connection:
        rows = await connection.fetch(
            "update token_families set revoked_at = $3 where user_id = $1 and id = $2 and revoked_at is null returning id",
            user,
            sid,
            now,
        )
        ended = [str(row["id"]) for row in rows]
        await connection.execute(_END_DEVICES, ended)
    return ended


async def revoke_all_logins(database: Database, user: str, now: datetime) -> list[str]:
    """End every log-in of *user*; the list of what was ended. Raises: Unavailable."""
    async with database.transaction() as connection:
        rows = await connection.fetch(
            "update token_families set revoked_at = $2 where user_id = $1 and revoked_at is null returning id",
            user,
            now,
        )
        # Those of log-ins too that have expired: it is meant for whatever is out of one's hands.
        await connection.execute("delete from devices where user_id = $1", user)
    return [str(row["id"]) for row in rows]
