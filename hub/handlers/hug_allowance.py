"""What senders have left of their limits: counted by storage/limits.py, by the rule of domain/hug_limits.py.

Invariant: a hug that is refused, or that was answered before, costs nothing; a hug that is stored already gets its
first answer, whatever is used up.
"""

import asyncio
from collections.abc import Callable

from domain.hug_limits import HugLimits, bounds_of, too_many
from domain.privacy import Relation
from hub.tasks import Tasks
from storage.hug_commits import NewHug
from storage.hugs import is_stored
from storage.limits import Limit, Limits, Spent
from storage.postgres import Database

PREPARING = Limit("preparing", 1, 1_000)  # one sender to one recipient


class HugAllowance:
    """The limits of hugs on one node. *tasks*: for what cannot be decided at once."""

    def __init__(self, limits: Limits, rule: HugLimits, database: Database, tasks: Tasks) -> None:
        self._limits = limits
        self._database = database
        self.tasks = tasks
        self._bounds = {has: bounds_of(rule, has_answered=has) for has in (False, True)}
        self._counted = {
            has: [(Limit(bound.name, bound.times, bound.window_ms), bound.is_per_recipient) for bound in bounds]
            for has, bounds in self._bounds.items()
        }

    def spend(self, hug: NewHug, relation: Relation, then: Callable[[Spent], None]) -> None:
        """Count *hug* if none of its limits is used up. *then* is called once, and never before this returns."""
        counted = self._counted[relation.has_answered]
        self._limits.spend(hug.sender, [(limit, hug.recipient if only else "") for limit, only in counted], then)

    async def admit(self, hug: NewHug, relation: Relation) -> Spent | None:
        """Count *hug*; None if it counts for nothing, being stored already. Raises: RateLimited, Unavailable."""
        done: asyncio.Future[Spent] = asyncio.get_running_loop().create_future()
        self.spend(hug, relation, lambda spent: None if done.done() else done.set_result(spent))
        spent = await done
        if spent.is_counted:
            return spent
        if await is_stored(self._database, hug.id):
            return None
        raise too_many(self._bounds[relation.has_answered], spent.waits_ms)

    def prepare(self, sender: str, recipient: str, then: Callable[[], None]) -> None:
        """*then* is called if *recipient* may be shown once more that *sender* opens their arms."""
        self._limits.spend(sender, [(PREPARING, recipient)], lambda spent: then() if spent.is_counted else None)
