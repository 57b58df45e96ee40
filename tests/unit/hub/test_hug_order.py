"""Hugs of one sender to one recipient are committed in the order in which they were sent, however long each is thought about."""

import asyncio
import random
from collections.abc import Callable
from typing import cast

import pytest

from domain.errors import RateLimited, Refusal
from domain.ids import uuid7
from domain.privacy import Relation
from hub.handlers.hug_allowance import HugAllowance
from hub.handlers.hugs import HugHandlers
from hub.handlers.ports import Actor, Delivery
from hub.relations import Relations
from hub.tasks import Tasks
from protocol.commands import HugSend
from protocol.events import Ok
from storage.hug_commits import HugCommits, NewHug, Settle
from storage.limits import Spent
from storage.receipts import Receipts

pytestmark = pytest.mark.unit

NOW_MS = 1_780_000_000_000
ANA, BO, CLEO = (f"01981f6e-7d3a-7c21-9a44-00000000000{number}" for number in range(3))


class Memory:
    """Stands for the relations: sometimes known, otherwise a look into a database of its own speed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.is_known = False

    def recall(self, _asker: str, _other: str) -> Relation | None:
        return Relation(exists=True, is_friend=True) if self.is_known else None

    async def load(self, _asker: str, _other: str) -> Relation:
        await steps(self._dice)
        return Relation(exists=True, is_friend=True)


class Purse:
    """Stands for the limits: answers come whenever they come, and some are that there is nothing left."""

    def __init__(self, dice: random.Random, tasks: Tasks) -> None:
        self._dice = dice
        self.tasks = tasks

    def spend(self, _hug: NewHug, _relation: Relation, then: Callable[[Spent], None]) -> None:
        async def later() -> None:
            await steps(self._dice)
            then(Spent([0 if self._dice.random() < 0.7 else 1_000], lambda: None))

        self.tasks.start(later(), "a reply")

    async def admit(self, _hug: NewHug, _relation: Relation) -> Spent | None:
        await steps(self._dice)
        if self._dice.random() < 0.3:
            raise RateLimited("Later.", 1_000)
        return Spent([0], lambda: None)


class Commits:
    """Stands for the group commit: everything is on disk in the next moment."""

    def __init__(self) -> None:
        self.appended: list[NewHug] = []

    def append(self, hug: NewHug, settle: Settle) -> None:
        self.appended.append(hug)
        asyncio.get_running_loop().call_soon(settle, hug, hug.at_ms)


class Silence:
    """Stands for the way out."""

    def tell(self, *_: object, **__: object) -> None:
        pass


async def steps(dice: random.Random) -> None:
    for _ in range(dice.randrange(8)):
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_counted", [True, False])
@pytest.mark.parametrize("seed", range(40))
async def test_nobody_is_overtaken(seed: int, is_counted: bool) -> None:
    dice = random.Random(seed)
    memory, commits = Memory(dice), Commits()
    answers: dict[int, list[Ok | Refusal]] = {}
    async with Tasks() as tasks:
        handlers = HugHandlers(
            cast("Relations", memory),
            cast("HugCommits", commits),
            cast("Receipts", None),
            cast("Delivery", Silence()),
            lambda: NOW_MS,
            fulfil=lambda _actor, _command: pytest.fail("there is no request"),
            allowance=cast("HugAllowance", Purse(dice, tasks)) if is_counted else None,
        )
        actor = Actor(ANA, "Ana", "session")

        async def slowly(number: int, command: HugSend) -> None:
            try:
                answers[number].append(await handlers.send(actor, command))
            except Refusal as refusal:
                answers[number].append(refusal)

        sent: list[HugSend] = []
        for number in range(60):
            command = HugSend(id=uuid7(NOW_MS), to=dice.choice([BO, BO, CLEO]), kind="warm")
            sent.append(command)
            answers[number] = []
            if not handlers.send_now(actor, command, answers[number].append):
                tasks.start(slowly(number, command), "the slow way")
            if dice.random() < 0.5:
                await asyncio.sleep(0)  # what is remembered does not change within one tick
                await steps(dice)
                memory.is_known = dice.random() < 0.7
        async with asyncio.timeout(10):
            while len(tasks) or not all(answers.values()):  # noqa: ASYNC110  each step may begin the next
                await asyncio.sleep(0)
    assert all(len(some) == 1 for some in answers.values())
    accepted = {command.id for number, command in enumerate(sent) if isinstance(answers[number][0], Ok)}
    for recipient in (BO, CLEO):
        in_order = [command.id for command in sent if command.to == recipient and command.id in accepted]
        assert [hug.id for hug in commits.appended if hug.recipient == recipient] == in_order
    assert len(accepted) > (10 if is_counted else 59)
