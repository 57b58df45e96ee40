"""Who hears of a request to the community: a random sample of those who want to, whoever is online first."""

import random
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from asyncpg.pool import PoolConnectionProxy

from domain.errors import Unavailable
from storage.postgres import Database

# A request takes at most ten hugs. 200 people are enough for ten of them to have a moment, few enough that nobody is
# asked by every stranger there is, and one commit of 200 short rows takes milliseconds.
RECEIVERS_MAX = 200
CANDIDATES_MAX = 1_000
PLACES = 50  # in the order of ids, from which candidates are drawn when there are more

Shown = Callable[[Sequence[str]], Awaitable[dict[str, str]]]

_FIRST = {"online": 0, "away": 1}

_ALL = "select user_id from privacy where takes_community_requests limit $1"
_ENDS = """
select (select user_id from privacy where takes_community_requests order by user_id limit 1) as low,
       (select user_id from privacy where takes_community_requests order by user_id desc limit 1) as high
"""
_NEAR = """
select distinct c.user_id from unnest($1::uuid[]) as place
cross join lateral (
    select user_id from privacy where takes_community_requests and user_id >= place order by user_id limit $2
) c
"""

_RECEIVERS = """
select w.user_id from unnest($2::uuid[]) with ordinality as w(user_id, ord)
join users u on u.id = w.user_id and u.deleted_at is null
join privacy p on p.user_id = w.user_id and p.takes_community_requests
where w.user_id <> $1 and not exists (
    select from blocks b where (b.user_id = $1 and b.blocked_id = w.user_id) or (b.user_id = w.user_id and b.blocked_id = $1)
)
order by w.ord limit $3
"""


async def draw_candidates(database: Database, shown: Shown) -> list[str]:
    """People who take requests of the community, in a random order, those who are online first.

    Without Redis nobody is known to be online, and the order is random alone. Raises: Unavailable.
    """
    candidates = await _sample(database)
    random.shuffle(candidates)
    try:
        statuses = await shown(candidates) if candidates else {}
    except Unavailable:
        statuses = {}
    return sorted(candidates, key=lambda user: _FIRST.get(statuses.get(user, ""), len(_FIRST)))


async def _sample(database: Database) -> list[str]:
    everybody = await database.fetch(_ALL, CANDIDATES_MAX + 1)
    if len(everybody) <= CANDIDATES_MAX:
        return [str(row["user_id"]) for row in everybody]
    # Never all rows of a large table: short walks along the index, from places drawn at random.
    ends = await database.fetchrow(_ENDS)
    if ends is None or ends["low"] is None:
        return []
    low, high = UUID(str(ends["low"])).int, UUID(str(ends["high"])).int
    places = [str(UUID(int=random.randint(low, high))) for _ in range(PLACES)]  # noqa: S311  a sample, not a secret
    return [str(row["user_id"]) for row in await database.fetch(_NEAR, places, CANDIDATES_MAX // PLACES)]


async def choose_receivers_within(connection: PoolConnectionProxy, asker: str, candidates: Sequence[str]) -> list[str]:
    """The first `RECEIVERS_MAX` of *candidates* whom *asker* may reach: not themselves, nobody blocked either way."""
    rows = await connection.fetch(_RECEIVERS, asker, candidates, RECEIVERS_MAX)
    return [str(row["user_id"]) for row in rows]
