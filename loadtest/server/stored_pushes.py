"""What PostgreSQL has stored of pushes."""

from domain.errors import Unavailable
from loadtest.clients.wire import Lost
from storage.postgres import Database


async def load_states(url: str) -> dict[str, int]:
    """How many deliveries there are, by state. Raises: Lost."""
    try:
        async with Database(url) as database:
            rows = await database.fetch("select state, count(*) as deliveries from deliveries group by state")
    except Unavailable as error:
        raise Lost("PostgreSQL did not say what it has stored") from error
    return {row["state"]: row["deliveries"] for row in rows}
