"""What people are called now, for those who may know that they are there."""

from collections.abc import Sequence

from asyncpg.pool import PoolConnectionProxy

from storage.postgres import Database


async def load_names(database: Database | PoolConnectionProxy, users: Sequence[str]) -> dict[str, str]:
    """The names of those of *users* who exist and are not deleted. Raises: Unavailable."""
    rows = await database.fetch(
        """
        select p.user_id, p.display_name from profiles p
        join users u on u.id = p.user_id and u.deleted_at is null
        where p.user_id = any($1::uuid[])
        """,
        users,
    )
    return {str(user): name for user, name in rows}
