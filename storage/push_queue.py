"""Users with something in the inbox that may have to be pushed: how hubs tell the workers to look.

Nothing depends on it but speed: who is forgotten here, because Redis was emptied or a worker died, is found by the sweep
over the inboxes. A user stands here once, however much has arrived.
"""

import time
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress

from domain.errors import Unavailable
from storage import keys
from storage.jobs import JobQueue
from storage.queues import Queue
from storage.redis import RedisLink
from storage.waking import Waking

LOOK = "push.look"  # the job that takes users from here and looks at what is due
LOOK_MAX_S = 10.0
WAITING_MAX = 100_000  # users in memory while Redis is away; beyond that the sweep finds them


class PushQueue:
    """The way from whoever stores events to the workers that push."""

    def __init__(
        self,
        redis: RedisLink,
        jobs: JobQueue,
        start: Callable[[Coroutine[object, object, None], str], object],
        name: str,
    ) -> None:
        """*name*: of this process; each may have one job under way. *start* runs work in the background."""
        self._redis = redis
        self._jobs = jobs
        self._name = name
        self._users: set[str] = set()
        self._waking = Waking(self._ask, start, "pushes")

    def add(self, users: Iterable[str]) -> None:
        """Have a worker look at *users* soon. Never raises and never waits."""
        if len(self._users) < WAITING_MAX:
            self._users.update(users)
        self._waking.soon()

    async def _ask(self) -> bool:
        users, self._users = self._users, set()
        if users:
            try:
                await self._redis.call("SADD", keys.PUSH_USERS, *users)
            except Unavailable:
                self._users |= users  # they go with the next who are added
                raise
        # Another id every `LOOK_MAX_S`, so that a worker that died with the job holds nobody up.
        return await self._jobs.enqueue(Queue.PUSH, LOOK, job_id=f"look:{self._name}:{int(time.time() / LOOK_MAX_S)}")

    async def take(self, limit: int) -> list[str]:
        """Up to *limit* users who were added anywhere, none when Redis is away."""
        with suppress(Unavailable):
            return [user.decode() for user in await self._redis.call("SPOP", keys.PUSH_USERS, limit)]
        return []
