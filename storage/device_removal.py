"""Tokens that a provider has declared dead: removed, but never many at once without somebody looking.

Invariant: a token goes only if it is still the one that failed, registered before the provider says that it died; and once
more than 5 % of a provider's tokens have gone within five minutes, an alarm is due, and beyond a few no more go until that is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from storage.postgres import Database

WINDOW = timedelta(minutes=5)
SHARE_MAX = 0.05
FEW = 20  # so many may go whatever their share is: in a small place one is more than 5 %

_LOCK = "select pg_advisory_xact_lock(hashtextextended('hugmood.removed_tokens.' || $1, 0))"

_COUNTS = """
select (select count(*) from devices where provider = $1) as present,
       (select count(*) from removed_tokens where provider = $1 and at > $2) as gone
"""

# A token that several pushes have found dead is one, and what is gone already is none: neither takes another's place.
_FIND = """
select v.id from devices v
where v.id = any($2::uuid[]) and v.provider = $1 and exists (
    select from unnest($2::uuid[], $3::bytea[], $4::timestamptz[]) as d(id, token_hash, gone_since)
    where v.id = d.id and v.token_hash = d.token_hash and v.registered_at < d.gone_since
)
order by v.id for update
"""

_REMOVE = """
with removed as (delete from devices where id = any($2::uuid[]) returning id)
insert into removed_tokens (provider, at) select $1, $3 from removed
"""


class DeadToken(Struct, frozen=True, gc=False):
    """*gone_since*: as the provider says, or when it answered."""

    device: str
    token_hash: bytes
    gone_since: datetime


class Removal(Struct, frozen=True):
    """How many tokens were removed, and how many were held back. *is_alarming*: more than 5 % are gone, or should be."""

    removed: int
    held_back: int
    is_alarming: bool


async def remove(database: Database, provider: str, dead: Sequence[DeadToken], now: datetime) -> Removal:
    """Remove *dead* tokens of *provider*, as far as may be. Raises: Unavailable."""
    async with database.transaction() as connection:
        await connection.execute(_LOCK, provider)
        [counts] = await connection.fetch(_COUNTS, provider, now - WINDOW)
        # The share is of what there was at the beginning of the window.
        allowed = max(FEW, int((counts["present"] + counts["gone"]) * SHARE_MAX)) - counts["gone"]
        found = await connection.fetch(
            _FIND,
            provider,
            [token.device for token in dead],
            [token.token_hash for token in dead],
            [token.gone_since for token in dead],
        )
        going = [row["id"] for row in found[: max(0, allowed)]]
        await connection.execute(_REMOVE, provider, going, now)
    gone, before = counts["gone"] + len(found), counts["present"] + counts["gone"]
    return Removal(len(going), len(found) - len(going), is_alarming=bool(found) and gone > before * SHARE_MAX)
