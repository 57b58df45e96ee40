"""From the inbox to deliveries: what nobody has acked becomes notifications, and what is due becomes a push.

Users come from hubs by way of Redis, which is quick, and from the sweep over all inboxes, which forgets nobody. When
something is due stands in PostgreSQL. Whatever is done twice changes nothing the second time.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from domain.errors import Unavailable
from domain.ids import uuid7
from domain.notifications import Reason, Send, Suppress, Wait
from domain.preferences import Channel
from domain.times import from_ms, to_ms
from storage.deliveries import NewDelivery, Settled, Verdict, settle
from storage.notifications import (
    ALL_SEQS,
    Arrived,
    Burst,
    NewNotification,
    claim_bursts,
    load_arrived,
    load_pending,
    load_unnotified,
    save_arrived,
)
from storage.postgres import Database
from storage.push_preferences import load_preferences
from storage.push_queue import LOOK, LOOK_MAX_S, PushQueue
from workers.push.asking import Answers, Asked, Asking
from workers.push.composing import Composer
from workers.push.gist import gist_of
from workers.retry import Job

USERS_AT_ONCE = 500
BURSTS_AT_ONCE = 200
CLAIMED_FOR = timedelta(seconds=30)
PUT_OFF_FOR = timedelta(minutes=10)  # what cannot be decided: a fault of ours, which an upgrade may mend
SWEEP_PAGE = 5_000
SWEEP_SECOND = 20

log = logging.getLogger("hugmood.push")

Badges = Callable[[Sequence[str]], Awaitable[dict[str, tuple[int, bool]]]]


class Looking:
    """The jobs of the queue `push` that decide."""

    def __init__(
        self,
        database: Database,
        queue: PushQueue,
        asking: Asking,
        composer: Composer,
        badges: Badges,
        on_deliveries: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        """*badges*: how much is unread, by user. *on_deliveries*: something is to be sent."""
        self._database = database
        self._queue = queue
        self._asking = asking
        self._composer = composer
        self._badges = badges
        self._on_deliveries = on_deliveries
        self._clock = clock
        self._turn = asyncio.Lock()

    def jobs(self) -> list[Job]:
        """What a runner of `Queue.PUSH` is given."""
        return [
            Job(LOOK, self.look, timeout_s=LOOK_MAX_S + 10),
            Job("push.due", self.look_again, timeout_s=LOOK_MAX_S + 10, seconds=frozenset(range(60))),
            Job("push.sweep", self.sweep, timeout_s=50, seconds=frozenset({SWEEP_SECOND})),
        ]

    async def look_again(self) -> None:
        """`look`, unless one goes on here. Raises: Unavailable."""
        if not self._turn.locked():
            await self.look()

    async def look(self) -> None:
        """Take in what came to the users that hubs have named, and decide what is due, until there is nothing more. Raises: Unavailable."""
        until = time.monotonic() + LOOK_MAX_S
        async with self._turn:
            while time.monotonic() < until:
                users = await self._queue.take(USERS_AT_ONCE)
                if users:
                    await self._take_in(users)
                if not await self._decide_due() and not users:
                    break

    async def sweep(self) -> None:
        """Look at the inboxes of everybody: what Redis or a worker has forgotten is found here. Raises: Unavailable."""
        after: str | None = "00000000-0000-0000-0000-000000000000"
        found = 0
        while after is not None:
            users, after = await load_unnotified(self._database, after, SWEEP_PAGE)
            found += len(users)
            for start in range(0, len(users), USERS_AT_ONCE):
                await self._take_in(users[start : start + USERS_AT_ONCE])
        if found:
            log.info("users found by the sweep", extra={"users": found})

    async def _take_in(self, users: Sequence[str]) -> None:
        try:
            is_more = True
            while is_more:
                intake = await load_arrived(self._database, users)
                if not intake.through:
                    return
                mailed = await self._mailed(users)
                news = [each for event in intake.events for each in _notifications(event, event.user in mailed)]
                await save_arrived(self._database, news, intake.through, self._now())
                is_more = intake.is_more
        except Unavailable:
            self._queue.add(users)
            raise

    async def _mailed(self, users: Sequence[str]) -> set[str]:
        """Who may want mail at all."""
        preferences = await load_preferences(self._database, users)
        return {user for user, some in preferences.items() if some.switches.get(Channel.EMAIL)}

    async def _decide_due(self) -> bool:
        """Decide some bursts that are due; False if there are none."""
        now = self._now()
        until = now + CLAIMED_FOR
        bursts = await claim_bursts(self._database, now, until, BURSTS_AT_ONCE)
        try:
            await self._decide(bursts, now, until)
        except Unavailable:
            raise
        except Exception:
            log.exception("bursts are decided one by one", extra={"bursts": len(bursts)})
            await self._decide_one_by_one(bursts, now, until)
        return bool(bursts)

    async def _decide_one_by_one(self, bursts: Sequence[Burst], now: datetime, until: datetime) -> None:
        """One that cannot be decided must not hold up the others."""
        for burst in bursts:
            try:
                await self._decide([burst], now, until)
            except Unavailable:
                raise
            except Exception:
                log.exception("a burst is put off", extra={"user": burst.user, "kind": burst.kind})
                await settle(self._database, [Settled(burst, now + PUT_OFF_FOR, is_sent=False)], [], [], now, until)

    async def _decide(self, bursts: Sequence[Burst], now: datetime, until: datetime) -> None:
        if not bursts:
            return
        pending = await load_pending(
            self._database,
            [burst.user for burst in bursts],
            [burst.kind for burst in bursts],
            [burst.channel for burst in bursts],
            [ALL_SEQS] * len(bursts),
        )
        answers = await self._asking.ask(
            pending, now, {(burst.user, burst.kind, burst.channel): burst for burst in bursts}
        )
        outcome = _Outcome(self._composer, answers, now)
        outcome.judge(bursts)
        outcome.compose(await self._badges(outcome.recipients()) if outcome.pushes else {})
        await settle(self._database, outcome.settled, outcome.verdicts, outcome.deliveries, now, until)
        if outcome.deliveries:
            self._on_deliveries()

    def _now(self) -> datetime:
        return from_ms(self._clock())


class _Outcome:
    """What a look at some bursts comes to."""

    def __init__(self, composer: Composer, answers: Answers, now: datetime) -> None:
        self._composer = composer
        self._answers = answers
        self._now = now
        self.settled: list[Settled] = []
        self.verdicts: list[Verdict] = []
        self.deliveries: list[NewDelivery] = []
        self.pushes: list[tuple[str, Burst, list[Asked]]] = []

    def judge(self, bursts: Sequence[Burst]) -> None:
        """Verdicts for all that waits, and what goes into which push."""
        by_burst = defaultdict(list)
        for asked in self._answers.asked:
            by_burst[asked.pending.user, asked.pending.kind, asked.pending.channel].append(asked)
        for burst in bursts:
            self._judge(burst, by_burst[burst.user, burst.kind, burst.channel])

    def _judge(self, burst: Burst, asked: Sequence[Asked]) -> None:
        waiting = [each for each in asked if each.pending.is_waiting]
        going = [each for each in waiting if isinstance(each.decision, Send)]
        push = uuid7(to_ms(self._now)) if going else None
        due = [self._put_off(each, each.decision) for each in waiting if isinstance(each.decision, Wait)]
        for each in waiting:
            if isinstance(each.decision, Suppress):
                state = "expired" if each.decision.reason is Reason.EXPIRED else "suppressed"
                self._verdict(each, state, each.decision.reason)
        if push is not None:
            for each in going:
                self._verdict(each, "sent", None, push)
            # What was pushed before and is still true belongs to what the new push says: it replaces the old one.
            before = [
                each
                for each in asked
                if not (each.pending.is_waiting or each.pending.is_acked or isinstance(each.decision, Suppress))
            ]
            self.pushes.append((push, burst, [*going, *before]))
        self.settled.append(Settled(burst, min(due, default=None), is_sent=push is not None))

    def _put_off(self, asked: Asked, wait: Wait) -> datetime:
        self._verdict(asked, "waiting", wait.reason)
        return from_ms(wait.until_ms)

    def _verdict(self, asked: Asked, state: str, reason: str | None, push: str | None = None) -> None:
        pending = asked.pending
        self.verdicts.append(Verdict(pending.user, pending.seq, pending.channel, state, reason, push))  # type: ignore[arg-type]

    def recipients(self) -> list[str]:
        """Whose badge is needed."""
        return sorted({burst.user for _, burst, _ in self.pushes})

    def compose(self, badges: dict[str, tuple[int, bool]]) -> None:
        """One delivery for each place that a push goes to."""
        for push, burst, covered in self.pushes:
            preferences = self._answers.preferences[burst.user]
            seqs = [each.pending.seq for each in covered]
            expires_ms = max(each.pending.expires_ms for each in covered)
            badge, _ = badges.get(burst.user, (len(seqs), False))
            for target in self._answers.reached_by(burst.user, burst.channel):
                delivery = uuid7(to_ms(self._now))
                content = self._composer.compose(
                    delivery, covered, preferences, target.language or preferences.language, badge
                )
                self.deliveries.append(
                    NewDelivery(
                        delivery,
                        push,
                        burst.user,
                        target.device,
                        target.provider,
                        burst.kind,
                        min(seqs),
                        max(seqs),
                        content,
                        from_ms(expires_ms),
                    )
                )


def _notifications(event: Arrived, is_mailed: bool) -> list[NewNotification]:
    gist = gist_of(event.kind, event.at, event.body)
    if gist is None:
        return []
    actor = gist.actor.id if gist.actor is not None else None
    channels = (Channel.PUSH, Channel.EMAIL) if is_mailed or gist.category == "account" else (Channel.PUSH,)
    return [
        NewNotification(event.user, event.seq, channel, gist.burst, actor, event.at, gist.expires_at)
        for channel in channels
    ]
