"""Ten thousand hugs to people of all sorts: everybody gets exactly the pushes that the slow model allows, none twice.

`HUGMOOD_CHAOS_PUSHES=10000` makes it as long as one likes. Invariants, not timings.
"""

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from tests.chaos.phones import now_ms
from tests.chaos.push_crew import BROKEN, SORTS, Crew, accepted, all_accepted, hugging
from tests.chaos.push_facts import Watch
from tests.chaos.push_harm import RETRY_AFTER_S, Harm
from tests.chaos.push_judge import (
    Settings,
    judge,
    judge_arrivals,
    judge_broken,
    judge_inboxes,
    judge_patience,
    judge_repeats,
)
from tests.chaos.push_traces import judge_traces
from tests.chaos.stack import Stack, hugmood_up
from tests.chaos.swarm import Plan, Swarm
from tests.support.fake_push import FakePush, Ready, fake_push_running
from tests.support.push_faults import Push

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

HUGS = int(os.environ.get("HUGMOOD_CHAOS_PUSHES") or 2_000)
EACH, SENDERS = 7, 16
OVER_S = 16.0
EACH_UNDER_FAULTS, HUGS_PER_S, NIGHT_MS = 4, 30, 30_000
MOST_S = 300.0  # of hugs, if faults take so long
FINISH_WITHIN_S = 300.0
SETTINGS = Settings(merge_ms=6_000, unacked_ms=3_000)

log = logging.getLogger("hugmood.chaos")


def settings_for(ready: Ready, folder: Path) -> Mapping[str, str]:
    """What workers and hubs must know to push to the fakes."""
    authority = folder / "ca.pem"
    authority.write_text(ready.ca, encoding="ascii")
    return {
        "HUGMOOD_PUSH_MERGE_S": str(SETTINGS.merge_ms // 1000),
        "HUGMOOD_PUSH_UNACKED_S": str(SETTINGS.unacked_ms // 1000),
        "HUGMOOD_PUSH_RETRY_S": "1",
        "HUGMOOD_PUSH_CA_FILE": str(authority),
        "HUGMOOD_FCM_CREDENTIALS": ready.credentials,
        "HUGMOOD_FCM_URL": ready.urls["fcm"],
        **{f"HUGMOOD_APNS_{name.upper()}": value for name, value in ready.apns.items()},
        "HUGMOOD_WEBPUSH_SUBJECT": "mailto:ops@app.example",
        "HUGMOOD_WEBPUSH_HOSTS": ready.urls["webpush"],
    }


def seeded() -> int:
    """What a failure names."""
    return int(os.environ.get("HUGMOOD_CHAOS_SEED") or random.SystemRandom().randrange(10**6))


class Course(Struct):
    """A test under way."""

    stack: Stack
    fakes: FakePush
    crew: Crew
    watch: Watch
    plan: Plan

    async def come_back_after(self, hugs: int) -> None:
        """The returning are there when so many are stored."""
        await self.watch.until("select (count(*) >= $1)::int from hugs", hugs, within_s=FINISH_WITHIN_S)
        await self.crew.come_back()

    async def verdict(self, swarm: Swarm, is_unheard: Callable[[Push], bool], story: str) -> None:
        """When everything is done: fails with all that is wrong."""
        waiting = [member.id for member in self.crew.of("quiet", "undisturbed")]
        await self.watch.settled(waiting, FINISH_WITHIN_S)
        facts = await self.watch.facts(self.fakes)
        sent = set(accepted(swarm, self.plan))
        problems = [
            *swarm.violations,
            *judge_inboxes(sent, facts),
            *judge(self.crew.members, facts, SETTINGS),
            *judge_broken(self.crew.members, facts),
            *judge_arrivals(facts, self.crew.members),
            *judge_repeats(facts, is_unheard),
            *judge_patience(facts, RETRY_AFTER_S),
            *await judge_traces(self.stack, self.crew.members, facts, SETTINGS),
        ]
        states = Counter((delivery.state, delivery.reason) for delivery in facts.deliveries)
        found = f"{story}: {len(sent)} hugs, {len(facts.tries)} tries, deliveries {dict(states)}"
        assert not problems, "\n".join([found, *problems[:40], self.stack.logs()])
        log.warning("%s", found)


@asynccontextmanager
async def course(folder: Path, sorts: Sequence[str], over_s: float, total: int, seed: int) -> AsyncIterator[Course]:
    """Everything runs, and everybody is there. *total* hugs are planned, over *over_s* seconds."""
    async with (
        fake_push_running() as fakes,
        hugmood_up(folder, hubs=2, workers=2, settings=settings_for(fakes.ready, folder)) as stack,
    ):
        people = await stack.people(len(sorts) + SENDERS, len(sorts) + SENDERS - 1)
        crew, watch = Crew(stack, fakes, people, sorts), Watch(stack)
        plan = crew.plan(total, over_s, random.Random(seed))
        async with crew.connected(), watch.watching():
            try:
                yield Course(stack, fakes, crew, watch, plan)
            except TimeoutError:
                pytest.fail(f"seed {seed}: not finished\n{await watch.undone()}\n{stack.logs()}")


async def test_everybody_gets_the_pushes_of_the_model(folder: Path) -> None:
    seed, over_ms = seeded(), int(OVER_S * 1000)
    async with course(folder, list(SORTS) * EACH, OVER_S, HUGS, seed) as test:
        await test.crew.settle(now_ms() + over_ms // 2, now_ms() + over_ms + 10_000)
        async with hugging(test.stack, test.crew, test.plan) as swarm:
            await test.come_back_after(HUGS // 2)
            await test.crew.wake()
            await all_accepted(swarm, FINISH_WITHIN_S)
        await test.crew.block()
        await test.verdict(swarm, lambda _push: False, f"seed {seed}")
        assert sum(len(sender.accepted) for sender in swarm.members) == HUGS


async def test_none_is_lost_whatever_dies(folder: Path) -> None:
    seed = seeded()
    sorts = [sort for sort in SORTS if sort != "blocking"] * EACH_UNDER_FAULTS + [*BROKEN]
    async with course(folder, sorts, MOST_S, int(MOST_S * HUGS_PER_S), seed) as test:
        await test.crew.settle(now_ms() + NIGHT_MS, 0)
        harm = Harm(test.stack, test.fakes, test.watch)
        async with hugging(test.stack, test.crew, test.plan) as swarm:
            returning = asyncio.create_task(test.come_back_after(HUGS_PER_S * 20))
            await harm.do_all(random.Random(seed))
            await returning
            for sender in swarm.members:
                sender.todo.clear()
            await all_accepted(swarm, FINISH_WITHIN_S)
        await test.crew.wake()
        await test.verdict(swarm, harm.is_unheard, f"seed {seed}")
