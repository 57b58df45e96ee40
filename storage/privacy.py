"""What users have chosen about who may do what; without a row, the defaults."""

from domain.privacy import Privacy
from storage.postgres import Database
from storage.relations import privacy_of


async def load_privacy(database: Database, user: str) -> Privacy:
    """Raises: Unavailable."""
    row = await database.fetchrow(
        "select who_may_hug, who_sees_online, who_finds, who_befriends from privacy where user_id = $1", user
    )
    return privacy_of(row) if row is not None else Privacy()


async def save_privacy(database: Database, user: str, chosen: dict[str, str]) -> Privacy:
    """Change what *chosen* names, leave the rest; returns the whole. Raises: Unavailable."""
    default = Privacy()
    row = await database.fetchrow(
        """
        insert into privacy as v (user_id, who_may_hug, who_sees_online, who_finds, who_befriends)
        values ($1, coalesce($2, $6), coalesce($3, $7), coalesce($4, $8), coalesce($5, $9))
        on conflict (user_id) do update set
            who_may_hug = coalesce($2, v.who_may_hug),
            who_sees_online = coalesce($3, v.who_sees_online),
            who_finds = coalesce($4, v.who_finds),
            who_befriends = coalesce($5, v.who_befriends)
        returning who_may_hug, who_sees_online, who_finds, who_befriends
        """,
        user,
        *(chosen.get(field) for field in Privacy.__struct_fields__),
        *(getattr(default, field) for field in Privacy.__struct_fields__),
    )
    assert row is not None  # noqa: S101  an upsert returns its row
    return privacy_of(row)
