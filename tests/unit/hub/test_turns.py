"""Places in a line: whoever gives up or is fast, nobody is overtaken."""

import asyncio
import random

import pytest

from hub.turns import Turns

pytestmark = pytest.mark.unit

LINE = ("ana", "bo")


@pytest.mark.parametrize("seed", range(30))
async def test_first_come_first_served_whatever_happens_on_the_way(seed: int) -> None:
    """Some wait for something, some fail, some are cancelled, some never wait for their turn."""
    dice = random.Random(seed)
    turns = Turns()
    served: list[int] = []

    async def serve(number: int) -> None:
        with turns.take(LINE) as turn:
            for _ in range(dice.randrange(6)):
                await asyncio.sleep(0)
            if dice.random() < 0.2:
                raise ValueError(number)
            await turn.comes()
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)
            served.append(number)

    tasks = [asyncio.create_task(serve(number)) for number in range(40)]
    await asyncio.sleep(0)
    assert LINE in turns
    for task in dice.sample(tasks, 8):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with turns.take(LINE) as last:
        await last.comes()
    assert served == sorted(served)
    assert len(served) >= 15
    assert not turns, "nobody waits, nothing is kept"


async def test_lines_do_not_wait_for_each_other() -> None:
    turns = Turns()
    first = turns.take(LINE)
    with turns.take(("ana", "cleo")) as other:
        await other.comes()
    assert list(turns) == [LINE]
    with first:
        await first.comes()
    assert not turns
