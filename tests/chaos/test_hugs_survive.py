"""Two hubs, 200 people, 20,000 hugs, and everything that can die does: nothing lost, doubled or out of order.

For every hug answered `ok` its recipient has exactly one `hug.received`, their `seq` are 1, 2, 3 … without gap, and the
history agrees. Invariants, not timings. The order of the faults comes from a seed, which a failure names;
`HUGMOOD_CHAOS_SEED` plays it again.
"""

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.stack import Stack, hugmood_up
from tests.chaos.swarm import Met, Person, Plan, Swarm

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

PEOPLE = 200
FRIENDS = 20
HUGS = 20_000
OVER_S = 75.0
DROPS_EACH = 2
FINISH_WITHIN_S = 120.0

log = logging.getLogger("hugmood.chaos")

Fault = Callable[[Stack], Coroutine[Any, Any, None]]


async def kill_hub_one(stack: Stack) -> None:
    await stack.end(signal.SIGKILL, "hubs", 0)


async def kill_hub_two(stack: Stack) -> None:
    await stack.end(signal.SIGKILL, "hubs", 1)


async def kill_both_hubs(stack: Stack) -> None:
    await asyncio.gather(kill_hub_one(stack), kill_hub_two(stack))


async def drain_a_hub(stack: Stack) -> None:
    await stack.end(signal.SIGTERM, "hubs", 0)


async def freeze_a_hub(stack: Stack) -> None:
    await stack.pause("hubs", 1, 3.0)


async def kill_valkey(stack: Stack) -> None:
    await stack.end(signal.SIGKILL, "valkey")


async def empty_valkey(stack: Stack) -> None:
    await stack.flushall()


async def freeze_valkey(stack: Stack) -> None:
    await stack.pause("valkey", None, 4.0)


async def restart_postgres(stack: Stack) -> None:
    await stack.end(signal.SIGINT, "postgres")  # its fast shutdown


async def kill_postgres(stack: Stack) -> None:
    await stack.end(signal.SIGQUIT, "postgres")  # its immediate shutdown: recovery from the log


async def kill_hub_while_valkey_is_frozen(stack: Stack) -> None:
    await asyncio.gather(freeze_valkey(stack), kill_hub_one(stack))


async def kill_worker(stack: Stack) -> None:
    await stack.end(signal.SIGKILL, "workers", 0)


FAULTS: list[Fault] = [
    kill_hub_one,
    kill_hub_two,
    kill_both_hubs,
    drain_a_hub,
    freeze_a_hub,
    kill_valkey,
    empty_valkey,
    empty_valkey,
    freeze_valkey,
    restart_postgres,
    kill_postgres,
    kill_hub_while_valkey_is_frozen,
    kill_worker,
]


async def test_hugs_survive(folder: Path) -> None:
    seed = int(os.environ.get("HUGMOOD_CHAOS_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    faults = chance.sample(FAULTS, len(FAULTS))
    story = f"seed {seed}: {', '.join(fault.__name__ for fault in faults)}"
    async with hugmood_up(folder, hubs=2) as stack:
        people = await stack.people(PEOPLE, FRIENDS)
        plan = Plan.make(people, HUGS, OVER_S, DROPS_EACH, chance)
        swarm = Swarm(stack.url, people, plan)
        swarm.start()
        try:
            await _do_harm(stack, swarm, faults)
            await stack.all_ready()
            await swarm.finish(FINISH_WITHIN_S)
        except TimeoutError:
            pytest.fail(f"{story}\nnot finished: {_summary(swarm)}\n{swarm.violations[:20]}\n{stack.logs()}")
        finally:
            await swarm.stop()
        problems = swarm.check_received() + await swarm.check_history()
        assert not problems, f"{story}\n{_summary(swarm)}\n" + "\n".join(problems[:40])
        assert sum(len(member.accepted) for member in swarm.members) == HUGS
        assert sum(member.connections for member in swarm.members) > PEOPLE * (1 + DROPS_EACH), "nobody was hit"
        log.warning("%s; %s", story, _summary(swarm))


async def _do_harm(stack: Stack, swarm: Swarm, faults: list[Fault]) -> None:
    """One fault after the other, evenly over the time in which hugs are sent; some overlap, if recovering takes long."""
    pause_s = OVER_S / (len(faults) + 1)
    harm: list[asyncio.Task[None]] = []
    for number, fault in enumerate(faults, 1):
        await asyncio.sleep(max(0.0, number * pause_s - swarm.elapsed_s()))
        log.warning("%.1f s: %s", swarm.elapsed_s(), fault.__name__)
        harm.append(asyncio.create_task(fault(stack)))
    await asyncio.gather(*harm)


def _summary(swarm: Swarm) -> str:
    accepted = sum(len(member.accepted) for member in swarm.members)
    received = sum(len(member.received) for member in swarm.members)
    connections = sum(member.connections for member in swarm.members)
    waiting = sum(len(member.todo) + len(member.unanswered) for member in swarm.members)
    return (
        f"{swarm.elapsed_s():.0f} s, {accepted} accepted, {received} received, {waiting} waiting, "
        f"{connections} connections, refusals {swarm.refusals}"
    )


def test_the_books_notice_what_must_not_happen() -> None:
    """The checker itself: a lost, a doubled and an unaccounted hug are all found, and hugs that met wrongly."""
    people = [Person("ana", "t", ("ben",)), Person("ben", "t", ("ana",))]
    plan = Plan.make(people, 4, 1.0, 0, random.Random(1))
    swarm = Swarm("http://localhost:1", people, plan)
    ana, ben = swarm.members
    for hug in plan.hugs["ana"]:
        ana.accepted[hug.id] = "t"
    first, second = (hug.id for hug in plan.hugs["ana"])
    ben.received, ben.cursor = [first, second], 2
    assert swarm.check_received() == []
    ben.received, ben.cursor = [first], 1
    assert "1 lost" in swarm.check_received()[0]
    ben.received, ben.cursor = [first, second, second], 3
    assert "1 came twice" in swarm.check_received()[0]
    ben.received, ben.cursor = [first, second, plan.hugs["ben"][0].id], 3
    assert "1 nobody was told of" in swarm.check_received()[0]
    ben.received, ben.cursor = [first, second], 3
    assert "seq 3 after 2 hugs" in swarm.check_received()[0]
    ben.met = [Met("m", (first, "x"), "t")]
    assert "1 were told" in swarm.check_received()[0]
    ana.met, ana.cursor = [*ben.met], 1
    assert swarm.check_received() == []
    ana.met, ana.cursor = [Met("m", (first, "x"), "u")], 1
    assert "1 were told" in swarm.check_received()[0]
    ana.met = ben.met = [Met("m", (first, "x"), "t"), Met("n", (first, "y"), "t")]
    ana.cursor, ben.cursor = 2, 4
    assert "has met 2 others" in swarm.check_received()[0]
