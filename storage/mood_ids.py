"""Which moods there are, by id."""

from collections.abc import Sequence

from storage.postgres import Database


async def are_saved(database: Database, user: str, ids: Sequence[str]) -> set[str]:
    """Those of *ids* that are moods of *user* on disk, also if they have been deleted since. Raises: Unavailable."""
    rows = await database.fetch("select id from mood_ids where id = any($1::uuid[]) and user_id = $2", ids, user)
    return {str(row["id"]) for row in rows}
