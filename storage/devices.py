"""The devices that pushes go to. Their tokens are sealed, and found by a keyed hash.

Invariant: a token belongs to one user at a time, the last who registered it, and to a log-in that has not been ended:
whoever logs out on a phone leaves no pushes to whoever holds it next. A token that moves to another user is a new
device, so nothing that was on its way to the former one can reach it.
"""

import hmac
from collections.abc import Sequence
from datetime import datetime

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from msgspec import Struct

from domain.devices import DEVICES_MAX
from domain.errors import Unauthenticated, Unavailable
from domain.ids import uuid7
from domain.times import to_ms
from storage.encryption import KeyRing
from storage.postgres import Database

TOKEN = ("devices", "token")  # where its envelope belongs

_COLUMNS = "id, provider, name, language, registered_at, used_at"
# One registration of a user at a time: so that the number holds, and the same token sent twice at once is one device.
_LOCK_USER = "select from users where id = $1 and deleted_at is null for no key update"
_LOCK_LOGIN = "select id, revoked_at from token_families where id = $1 for share"
_FIND = "select id, user_id from devices where token_hash = $1 for update"
_RENEW = f"""
update devices set provider = $2, token = $3, name = coalesce($4, name), language = $5, used_at = $6, family_id = $7
where id = $1 returning {_COLUMNS}
"""  # noqa: S608  a constant
_ADD = f"""
insert into devices (id, user_id, provider, token, token_hash, name, language, registered_at, used_at, family_id)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)
on conflict (token_hash) do nothing returning {_COLUMNS}
"""  # noqa: S608  a constant
_MAKE_ROOM = """
delete from devices where id in (
    select id from devices where user_id = $1 order by used_at desc, id desc offset $2 for update skip locked
)
"""


class Registration(Struct, frozen=True, kw_only=True):
    """A device about to be registered by *user* in the log-in *sid*. *name* None: as it was called, or *usual_name*.

    *token*: what a push is sent to; a Web Push subscription as JSON. *token_hash*: of `hash_token`.
    """

    user: str
    sid: str
    provider: str
    token: str
    token_hash: bytes
    name: str | None
    usual_name: str
    language: str

    def __repr__(self) -> str:
        return f"Registration({self.provider!r} of {self.user!r})"


class DeviceRecord(Struct, frozen=True):
    """A device as its owner sees it. Times in Unix ms."""

    id: str
    provider: str
    name: str
    language: str
    registered_ms: int
    used_ms: int


def hash_token(key: bytes, token: str) -> bytes:
    """What a token is found by; of a Web Push subscription: its endpoint. *key*: `own_keys.token_hash_key`."""
    return hmac.digest(key, token.encode(), "sha256")


async def save_device(database: Database, ring: KeyRing, new: Registration, at: datetime) -> DeviceRecord:
    """The device, renewed if it was registered by the same user already.

    Raises: Unauthenticated if the log-in has been ended; Unavailable, also if another user registers the same token at
    this moment.
    """
    async with database.transaction() as connection:
        await connection.execute(_LOCK_USER, new.user)
        family = await _lock_login(connection, new.sid)
        found = await connection.fetchrow(_FIND, new.token_hash)
        if found is not None and str(found["user_id"]) == new.user:
            device = str(found["id"])
            token = ring.seal(new.token, *TOKEN, device)
            row = await connection.fetchrow(_RENEW, device, new.provider, token, new.name, new.language, at, family)
        else:
            if found is not None:
                await connection.execute("delete from devices where id = $1", found["id"])
            row = await _add(connection, ring, new, family, at)
            await connection.execute(_MAKE_ROOM, new.user, DEVICES_MAX)
        if row is None:
            raise Unavailable
        return _record(row)


async def _lock_login(connection: PoolConnectionProxy, sid: str) -> str | None:
    """The log-in, which is not ended before this transaction is; None if its row has expired. Raises: Unauthenticated."""
    row = await connection.fetchrow(_LOCK_LOGIN, sid)
    if row is None:
        return None
    if row["revoked_at"] is not None:
        raise Unauthenticated("This log-in has been ended. Log in again.")
    return sid


async def _add(
    connection: PoolConnectionProxy, ring: KeyRing, new: Registration, family: str | None, at: datetime
) -> asyncpg.Record | None:
    device = uuid7(to_ms(at))
    token = ring.seal(new.token, *TOKEN, device)
    name = new.name if new.name is not None else new.usual_name
    return await connection.fetchrow(
        _ADD, device, new.user, new.provider, token, new.token_hash, name, new.language, at, family
    )


async def load_devices(database: Database, user: str) -> Sequence[DeviceRecord]:
    """The devices of *user*, the one used last first. Raises: Unavailable."""
    rows = await database.fetch(
        f"select {_COLUMNS} from devices where user_id = $1 order by used_at desc, id desc",  # noqa: S608  a constant
        user,
    )
    return [_record(row) for row in rows]


async def change_device(
    database: Database, user: str, device: str, name: str | None, language: str | None
) -> DeviceRecord | None:
    """*device* with what is not None changed; None if *user* has no such device. Raises: Unavailable."""
    row = await database.fetchrow(
        f"""
        update devices set name = coalesce($3, name), language = coalesce($4, language)
        where user_id = $1 and id = $2 returning {_COLUMNS}
        """,  # noqa: S608  a constant
        user,
        device,
        name,
        language,
    )
    return _record(row) if row is not None else None


async def delete_device(database: Database, user: str, device: str) -> None:
    """*user* has that device no more, if at all. Raises: Unavailable."""
    await database.execute("delete from devices where user_id = $1 and id = $2", user, device)


def _record(row: asyncpg.Record) -> DeviceRecord:
    return DeviceRecord(
        id=str(row["id"]),
        provider=row["provider"],
        name=row["name"],
        language=row["language"],
        registered_ms=to_ms(row["registered_at"]),
        used_ms=to_ms(row["used_at"]),
    )
