"""Ten thousand hugs to people of all sorts: everybody gets exactly the pushes that the slow model allows, none twice.

`HUGMOOD_CHAOS_PUSHES=10000` makes it as long as one likes. Invariants, not timings.
"""

import logging
import os
import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.chaos.phones import now_ms
from tests.chaos.push_crew import SORTS, Crew, accepted, all_accepted, hugging
from tests.chaos.push_facts import Watch
from tests.chaos.push_judge import Settings, doubled, judge, judge_arrivals, judge_inboxes
from tests.chaos.stack import hugmood_up
from tests.support.fake_push import Ready, fake_push_running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

HUGS = int(os.environ.get("HUGMOOD_CHAOS_PUSHES") or 2_000)
EACH, SENDERS = 7, 16
OVER_S = 16.0
FINISH_WITHIN_S = 240.0
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


def seeded() -> tuple[int, random.Random]:
    """What a failure names, and what is drawn from it."""
    seed = int(os.environ.get("HUGMOOD_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    return seed, random.Random(seed)


async def test_everybody_gets_the_pushes_of_the_model(folder: Path) -> None:
    seed, chance = seeded()
    async with (
        fake_push_running() as fakes,
        hugmood_up(folder, hubs=2, workers=2, settings=settings_for(fakes.ready, folder)) as stack,
    ):
        people = await stack.people(EACH * len(SORTS) + SENDERS, EACH * len(SORTS) + SENDERS - 1)
        crew, watch = Crew(stack, fakes, people, EACH), Watch(stack)
        plan = crew.plan(HUGS, OVER_S, chance)
        async with crew.connected(), watch.watching():
            begin_ms, over_ms = now_ms(), int(OVER_S * 1000)
            await crew.settle(begin_ms + over_ms // 2, begin_ms + over_ms + 20_000)
            async with hugging(stack, crew, plan) as swarm:
                half = "select count(*) >= $1 from hugs"
                await watch.until(f"select ({half})::int", HUGS // 2, within_s=FINISH_WITHIN_S)
                await crew.come_back()
                await all_accepted(swarm, FINISH_WITHIN_S)
            await crew.block()
            await crew.wake()
            await watch.settled([member.id for member in crew.of("quiet", "undisturbed")], FINISH_WITHIN_S)
            facts = await watch.facts(fakes)
        sent = list(accepted(swarm, plan))
        problems = [
            *swarm.violations,
            *judge_inboxes(sent, facts),
            *judge(crew.members, facts, SETTINGS),
            *judge_arrivals(facts, crew.members),
            *(f"twice: {pushes}" for pushes in doubled(facts).values()),
        ]
        states = Counter((delivery.state, delivery.reason) for delivery in facts.deliveries)
        assert not problems, f"seed {seed}, {states}\n" + "\n".join(problems[:40]) + stack.logs()
        assert len(sent) == HUGS
        log.warning("seed %s: %s hugs, pushes %s", seed, len(sent), states)
