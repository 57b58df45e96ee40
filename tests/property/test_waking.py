"""No wake-up is lost, whenever it comes: before, during or after the job that is asked for."""

import asyncio
from collections.abc import Coroutine

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unavailable
from storage import waking as module
from storage.waking import WAKE_TRIES, Waking

pytestmark = pytest.mark.property


class Worker:
    """A worker with at most one job of a kind. What a job sees is what there was when it began."""

    def __init__(self) -> None:
        self.is_away = False
        self.has_job = False
        self.ends_after: int | None = None  # the job that runs: when it has been asked for so often
        self.asked = 0
        self.news = 0
        self.seen = 0
        self.tasks: list[asyncio.Task[None]] = []
        self.waking = Waking(self.ask, self.start, "tests")

    def start(self, work: Coroutine[object, object, None], name: str) -> object:
        task = asyncio.ensure_future(work)  # type: ignore[arg-type]
        task.set_name(name)
        self.tasks.append(task)  # type: ignore[arg-type]
        return task

    async def ask(self) -> bool:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable
        if self.has_job and (self.ends_after is None or self.asked <= self.ends_after):
            return False
        self.has_job = True
        self.seen = self.news
        return True

    def arrive(self) -> None:
        self.news += 1
        self.waking.soon()

    async def settle(self) -> None:
        """Until nothing is under way."""
        while running := [task for task in self.tasks if not task.done()]:
            await asyncio.gather(*running)


ACTS = st.lists(st.sampled_from(["arrive", "begin", "end", "turn", "turn", "away", "back"]), max_size=40)


@pytest.fixture(autouse=True, scope="module")
def quick() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "WAKE_EVERY_S", 0)
        yield


def act(worker: Worker, name: str) -> None:
    if name == "arrive":
        worker.arrive()
    elif name == "end":
        worker.has_job = False
    elif name == "away":
        worker.is_away = True
    elif name == "back":
        worker.is_away = False


@given(ACTS)
def test_after_the_last_news_a_job_begins(acts: list[str]) -> None:
    async def play() -> None:
        worker = Worker()
        for name in acts:
            act(worker, name)
            await asyncio.sleep(0)
        worker.has_job, worker.is_away = False, False
        if worker.news > worker.seen and all(task.done() for task in worker.tasks):
            # It was given up, because Redis was away or a job would not end. The next one makes up for it.
            worker.arrive()
        await worker.settle()
        assert worker.seen == worker.news

    asyncio.run(play())


@given(st.integers(1, 30))
def test_much_news_at_once_is_one_job(count: int) -> None:
    async def play() -> None:
        worker = Worker()
        for _ in range(count):
            worker.arrive()
        await worker.settle()
        assert (worker.asked, worker.seen) == (1, count)

    asyncio.run(play())


@given(st.integers(0, WAKE_TRIES + 5))
def test_a_job_that_runs_is_asked_for_again_until_it_has_ended(turns: int) -> None:
    """It may have looked for the last time. Beyond so many tries the periodic look is as soon."""

    async def play() -> None:
        worker = Worker()
        worker.has_job = True
        worker.ends_after = turns
        worker.arrive()
        await worker.settle()
        assert (worker.asked, worker.seen) == ((turns + 1, 1) if turns < WAKE_TRIES else (WAKE_TRIES, 0))

    asyncio.run(play())


async def test_who_gives_up_begins_anew_with_the_next_news() -> None:
    worker = Worker()
    worker.has_job = True
    worker.arrive()
    await worker.settle()
    assert worker.asked == WAKE_TRIES
    worker.has_job = False
    worker.arrive()
    await worker.settle()
    assert worker.seen == 2


async def test_nothing_is_asked_for_without_news() -> None:
    worker = Worker()
    worker.arrive()
    await worker.settle()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (worker.asked, len(worker.tasks)) == (1, 1)
