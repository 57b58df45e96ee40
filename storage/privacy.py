"""What users have chosen about who may do what; without a row, the defaults.

The columns of the table are the fields of `domain.privacy.Privacy`, name for name: a further question of
privacy is a field there and a column in a migration.
"""

import asyncpg
import msgspec

from domain.privacy import Audience, Privacy
from storage.postgres import Database

COLUMNS = Privacy.__struct_fields__

_READ = tuple((field.name, field.type) for field in msgspec.structs.fields(Privacy))
_UNCHOSEN = Privacy()


def columns_of(alias: str) -> str:
    """The columns that `privacy_of` reads, for a select from the table as *alias*."""
    return ", ".join(f"{alias}.{column}" for column in COLUMNS)


def privacy_of(row: asyncpg.Record) -> Privacy:
    """The privacy in a row with all its columns; the defaults if they are null, for who never chose."""
    if row[COLUMNS[0]] is None:
        return _UNCHOSEN
    return Privacy(*(kind(row[name]) for name, kind in _READ))


async def load_privacy(database: Database, user: str) -> Privacy:
    """Raises: Unavailable."""
    row = await database.fetchrow(_LOAD, user)
    return privacy_of(row) if row is not None else _UNCHOSEN


async def save_privacy(database: Database, user: str, chosen: dict[str, Audience | bool]) -> Privacy:
    """Change what *chosen* names, leave the rest; returns the whole. Raises: Unavailable."""
    whole = msgspec.structs.replace(_UNCHOSEN, **chosen)  # what is not a field stops here, before it is SQL
    changed = ", ".join(f"{column} = excluded.{column}" for column in chosen) or "user_id = v.user_id"
    row = await database.fetchrow(_SAVE.format(changed=changed), user, *msgspec.structs.astuple(whole))
    assert row is not None  # noqa: S101  an upsert returns its row
    return privacy_of(row)


_LOAD = f"select {columns_of('v')} from privacy v where v.user_id = $1"  # noqa: S608  joined from constants
_SAVE = f"""
insert into privacy as v (user_id, {", ".join(COLUMNS)})
values ($1, {", ".join(f"${number}" for number, _ in enumerate(COLUMNS, 2))})
on conflict (user_id) do update set {{changed}}
returning {columns_of("v")}
"""  # noqa: S608  joined from constants
