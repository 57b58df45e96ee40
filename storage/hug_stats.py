"""How many hugs somebody has sent and received, of each kind and with each person. What was taken back was none."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from storage.hugs import SOMEONE
from storage.postgres import Database

PEOPLE_MAX = 100

_COUNTED = """
select {by}, sum(sent)::bigint as sent, sum(received)::bigint as received from (
    select kind, recipient_id as other, 1 as sent, 0 as received from hugs
    where sender_id = $1 and undone_at is null
      and ($2::timestamptz is null or at >= $2) and ($3::timestamptz is null or at < $3)
    union all
    select kind, sender_id, 0, 1 from hugs
    where recipient_id = $1 and undone_at is null
      and ($2::timestamptz is null or at >= $2) and ($3::timestamptz is null or at < $3)
) h group by {by} order by count(*) desc, {by}
"""
_KINDS = _COUNTED.format(by="kind")
# A name is told unless its owner is gone, or has blocked the one who asks: the two look alike.
_PEOPLE = f"""
select c.*, p.display_name from ({_COUNTED.format(by="other")} limit $4) c
left join users u on u.id = c.other and u.deleted_at is null
left join profiles p on p.user_id = u.id
     and not exists (select from blocks b where b.user_id = c.other and b.blocked_id = $1)
order by c.sent + c.received desc, c.other
"""  # noqa: S608  joined from constants


class KindCount(Struct, frozen=True, gc=False):
    """Hugs of the kind *name*."""

    name: str
    sent: int
    received: int


class PersonCount(Struct, frozen=True, gc=False):
    """Hugs with *user*, as far as they let their *name* be known."""

    user: str
    name: str
    sent: int
    received: int


class Counts(Struct, frozen=True):
    """Those with most first; at most `PEOPLE_MAX` people."""

    kinds: Sequence[KindCount]
    people: Sequence[PersonCount]


async def load_stats(database: Database, user: str, since: datetime | None, until: datetime | None) -> Counts:
    """The hugs of *user* from *since* on, before *until*. Raises: Unavailable."""
    kinds = await database.fetch(_KINDS, user, since, until)
    people = await database.fetch(_PEOPLE, user, since, until, PEOPLE_MAX)
    return Counts(
        [KindCount(row["kind"], row["sent"], row["received"]) for row in kinds],
        [PersonCount(str(r["other"]), r["display_name"] or SOMEONE, r["sent"], r["received"]) for r in people],
    )
