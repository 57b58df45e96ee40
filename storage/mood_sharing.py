"""Who is told of a mood that somebody shares: friends, and of public ones also followers, as far as privacy lets them see moods.

The same rule as for reading (storage/mood_history.py), asked once more when there is something to tell.
"""

from collections.abc import Sequence

from msgspec import Struct

from storage.mood_queue import QueuedMood
from storage.postgres import Database

VIEWERS_MAX = 5_000  # of one mood; who is beyond finds it in the history

_VIEWERS = """
select s.ord, p.display_name, array_agg(v.viewer) as viewers
from unnest($1::uuid[], $2::text[]) with ordinality as s(user_id, visibility, ord)
join users u on u.id = s.user_id and u.deleted_at is null
join profiles p on p.user_id = s.user_id
join privacy c on c.user_id = s.user_id and c.who_sees_moods <> 'nobody'
cross join lateral (
    (
        select high_id as viewer from friendships where low_id = s.user_id and state = 'accepted'
        union all
        select low_id from friendships where high_id = s.user_id and state = 'accepted'
        union
        select w.user_id from follows w
        where w.followed_id = s.user_id and s.visibility = 'public' and c.who_sees_moods = 'everyone'
    )
    except
    (
        select blocked_id from blocks where user_id = s.user_id
        union all
        select user_id from blocks where blocked_id = s.user_id
    )
    limit $3
) v
group by s.ord, p.display_name
"""


class Sharing(Struct, frozen=True):
    """A mood, the name of who shares it, and who is to hear of it."""

    mood: QueuedMood
    name: str
    viewers: list[str]


async def load_viewers(database: Database, moods: Sequence[QueuedMood]) -> list[Sharing]:
    """For each of *moods* that anybody may see: who. Raises: Unavailable."""
    rows = await database.fetch(
        _VIEWERS, [mood.user for mood in moods], [mood.visibility for mood in moods], VIEWERS_MAX
    )
    return [Sharing(moods[row["ord"] - 1], row["display_name"], [str(each) for each in row["viewers"]]) for row in rows]
