"""User rows: made whole in one statement, looked up at every log-in and every REST call.

Invariant: an account never exists in part: user, profile, credential, inbox head and first log-in are
one statement.
"""

from datetime import datetime

import asyncpg
from msgspec import Struct

from domain.errors import Conflict
from domain.times import to_ms
from storage.postgres import Database
from storage.tokens import NewLogin


class NewAccount(Struct, frozen=True, kw_only=True):
    """*username*, *email* and *password_hash* are None together: an anonymous account."""

    user: str
    name: str
    username: str | None
    email: str | None
    password_hash: str | None
    at: datetime


class Account(Struct, frozen=True):
    """What a user may know of themselves."""

    user: str
    name: str
    username: str | None
    email: str | None
    is_anonymous: bool
    roles: list[str]
    created_ms: int
    about: str | None = None


class Credential(Struct, frozen=True):
    """How a user proves who they are."""

    user: str
    password_hash: str


class Caller(Struct, frozen=True):
    """What has to be known of whoever sends an access token."""

    name: str
    is_revoked: bool  # the log-in the token belongs to was ended


_CREATE = """
with new_user as (
    insert into users (id, username, is_anonymous, created_at) values ($1, $3::text, $3::text is null, $6::timestamptz)
), new_profile as (
    insert into profiles (user_id, display_name) values ($1, $2)
), new_credential as (
    insert into credentials (user_id, email, password_hash, changed_at) select $1::uuid, $4::text, $5::text, $6::timestamptz where $4::text is not null
), new_inbox as (
    insert into inbox_heads (user_id) values ($1)
), new_family as (
    insert into token_families (id, user_id, created_at) values ($7, $1, $6)
)
insert into refresh_tokens (token_hash, family_id, created_at, expires_at) values ($8, $7, $6, $9)
"""


async def create_account(database: Database, account: NewAccount, login: NewLogin) -> None:
    """Make the account and its first log-in. Raises: Conflict (which of the two is taken), Unavailable."""
    try:
        await database.execute(
            _CREATE,
            account.user,
            account.name,
            account.username,
            account.email,
            account.password_hash,
            account.at,
            login.sid,
            login.token_hash,
            login.expires_at,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "users_username":
            raise Conflict("This username is taken. Choose another one.") from None
        if error.constraint_name == "credentials_email_key":
            raise Conflict("There is an account with this e-mail address already. Log in instead.") from None
        raise


async def load_account(database: Database, user: str) -> Account | None:
    """The account of *user*; None if there is none, or no more. Raises: Unavailable."""
    row = await database.fetchrow(
        """
        select u.id, p.display_name, u.username, c.email, u.is_anonymous, u.roles, u.created_at, p.about
        from users u
        join profiles p on p.user_id = u.id
        left join credentials c on c.user_id = u.id
        where u.id = $1 and u.deleted_at is null
        """,
        user,
    )
    if row is None:
        return None
    return Account(
        user=str(row["id"]),
        name=row["display_name"],
        username=row["username"],
        email=row["email"],
        is_anonymous=row["is_anonymous"],
        roles=row["roles"],
        created_ms=to_ms(row["created_at"]),
        about=row["about"],
    )


async def load_credential(database: Database, email: str) -> Credential | None:
    """The password of the account with *email*, in lower case. Raises: Unavailable."""
    row = await database.fetchrow(
        """
        select c.user_id, c.password_hash from credentials c
        join users u on u.id = c.user_id and u.deleted_at is null
        where c.email = $1
        """,
        email,
    )
    return Credential(str(row["user_id"]), row["password_hash"]) if row is not None else None


async def load_caller(database: Database, user: str, sid: str) -> Caller | None:
    """Who calls with a token of *user*'s log-in *sid*; None if there is no such user any more. Raises: Unavailable."""
    row = await database.fetchrow(
        """
        select p.display_name,
               exists (select from token_families t where t.id = $2 and t.revoked_at is not null) as is_revoked
        from users u join profiles p on p.user_id = u.id
        where u.id = $1 and u.deleted_at is null
        """,
        user,
        sid,
    )
    return Caller(row["display_name"], row["is_revoked"]) if row is not None else None
