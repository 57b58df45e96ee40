"""What PostgreSQL has stored of pushes, beside what a sink has taken."""

from collections.abc import Mapping

from domain.errors import Unavailable
from loadtest.clients.wire import Lost
from loadtest.sinks.counting import Taken
from storage.postgres import Database


async def load_states(url: str) -> dict[str, int]:
    """How many deliveries there are, by state. Raises: Lost."""
    try:
        async with Database(url) as database:
            rows = await database.fetch("select state, count(*) as deliveries from deliveries group by state")
    except Unavailable as error:
        raise Lost("PostgreSQL did not say what it has stored") from error
    return {row["state"]: row["deliveries"] for row in rows}


def judge_pushes(total: int, taken: Taken, states: Mapping[str, int] | None) -> list[str]:
    """What is wrong when *total* devices were each to be pushed to once. *states*: of `load_states`; None: not known."""
    problems: list[str] = []
    if taken.devices != total:
        problems.append(f"{total} devices were to be pushed to, and {taken.devices} were")
    if taken.pushes != taken.devices:
        problems.append(f"{taken.pushes - taken.devices} pushes were doubled; one device got {taken.most}")
    if states is not None and states != {"accepted": total}:
        problems.append(f"{total} deliveries should be accepted, and these are stored: {dict(states)}")
    return problems
