"""Keeps processes running: waits until they are ready, starts them again when they end, stops them in order.

Invariant: nothing is given up silently. Every unexpected end is told with the reason the process gave; one that ends
again and again is told as that, and tried ever more rarely.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

from deploy.children import CannotStart, Child

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 10.0
STABLE_S = 30.0  # whoever lived that long begins anew with the shortest wait
CRASH_LOOP = 5  # quick ends in a row
READY_WITHIN_S = 60.0
READY_POLL_S = 0.02
READY_ANSWER_S = 5.0


class Service:
    """One process that shall run.

    *launch* starts it, *wait_ready* returns when it serves; both raise CannotStart. *last_words* is what it said last.
    *stop_steps*: signals in order, each with the seconds it gets; then SIGKILL.
    """

    def __init__(
        self,
        name: str,
        launch: Callable[[], Child],
        wait_ready: Callable[[Child], Awaitable[None]],
        last_words: Callable[[], str],
        stop_steps: Sequence[tuple[signal.Signals, float]],
    ) -> None:
        self.name = name
        self._launch = launch
        self._wait_ready = wait_ready
        self.last_words = last_words
        self._stop_steps = stop_steps
        self.child: Child | None = None

    @property
    def pid(self) -> int:
        return self.running().pid

    def running(self) -> Child:
        """Raises: RuntimeError before the first launch."""
        if self.child is None:
            raise RuntimeError(f"{self.name} was never started")
        return self.child

    def launch(self) -> None:
        """Raises: CannotStart."""
        try:
            self.child = self._launch()
        except OSError as error:  # a full disk, no more processes
            raise CannotStart(f"{self.name} cannot be started: {error}") from error

    async def wait_ready(self) -> None:
        """Raises: CannotStart; what is not ready in time is killed."""
        child = self.running()
        try:
            await self._wait_ready(child)
        except BaseException:
            child.send(signal.SIGKILL)
            raise

    async def stop(self) -> None:
        """Returns when it is gone."""
        if self.child is None:
            return
        for signum, wait_s in self._stop_steps:
            self.child.send(signum)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self.child.ended()
                return
        self.kill()
        await self.child.ended()

    def kill(self) -> None:
        """At once, without waiting."""
        if self.child is not None:
            self.child.send(signal.SIGKILL)


class Supervisor:
    """Starts groups of services, keeps them, and stops them. *say* tells the person; *on_change* that pids are new."""

    def __init__(self, say: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self._say = say
        self._on_change = on_change
        self._keepers: dict[Service, asyncio.Task[None]] = {}

    async def start(self, services: Sequence[Service]) -> None:
        """All at once; returns when all are ready, and keeps them from then on. Raises: CannotStart, with nothing kept."""
        for service in services:
            service.launch()
        try:
            async with asyncio.TaskGroup() as group:
                for service in services:
                    group.create_task(service.wait_ready())
        except ExceptionGroup as failures:
            refused = failures.subgroup(CannotStart)
            raise (refused or failures).exceptions[0] from None
        for service in services:
            self._keepers[service] = asyncio.create_task(self._keep(service), name=f"keeps {service.name}")

    async def stop(self, services: Iterable[Service]) -> None:
        """All at once; returns when all are gone."""
        services = list(services)
        for service in services:
            if keeper := self._keepers.pop(service, None):
                keeper.cancel()
        await asyncio.gather(*(service.stop() for service in services))

    async def failed(self) -> None:
        """Returns never; raises what a keeper died of, which is a bug of ours."""
        while True:
            done, _ = await asyncio.wait(self._keepers.values(), timeout=60, return_when=asyncio.FIRST_COMPLETED)
            for keeper in done:
                if not keeper.cancelled():
                    keeper.result()

    async def _keep(self, service: Service) -> None:
        loop = asyncio.get_running_loop()
        quick_ends, since = 0, loop.time()
        while True:
            code = await service.running().ended()
            quick_ends = 1 if loop.time() - since > STABLE_S else quick_ends + 1
            # Who is killed by a signal has had no last words.
            self._say(f"{service.name} {_describe(code)}" + (f": {service.last_words()}" if code >= 0 else ""))
            quick_ends = await self._start_again(service, quick_ends)
            since = loop.time()

    async def _start_again(self, service: Service, quick_ends: int) -> int:
        """Until it is ready; returns how often it has ended in a row."""
        while True:
            wait_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (quick_ends - 1))
            if quick_ends == CRASH_LOOP:
                self._say(
                    f"{service.name} ends again and again ({quick_ends} times in a row). It is tried on, ever more rarely."
                )
            await asyncio.sleep(wait_s)
            try:
                service.launch()
                await service.wait_ready()
            except CannotStart as error:
                self._say(f"{service.name} could not be started again: {error}")
                quick_ends += 1
            else:
                self._say(f"{service.name} runs again (process {service.pid})")
                self._on_change()
                return quick_ends


async def wait_http_ready(child: Child, port: int, last_words: Callable[[], str]) -> None:
    """Until `/readyz` on the loopback *port* says 200. Raises: CannotStart if the process ends, or it takes too long."""
    answer = "no answer"
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_WITHIN_S):
            while not (answer := await _ask_ready(port)).startswith("200"):
                if (code := child.exit_code) is not None:
                    raise CannotStart(f"{child.name} {_describe(code)}: {last_words()}")
                await asyncio.sleep(READY_POLL_S)
            return
    raise CannotStart(f"{child.name} was not ready within {READY_WITHIN_S:.0f} s: {answer}; {last_words()}")


async def _ask_ready(port: int) -> str:
    """Status and body of `GET /readyz`, or why there is none."""
    try:
        async with asyncio.timeout(READY_ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                answer = (await reader.read()).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return str(error) or type(error).__name__
    head, _, body = answer.partition("\r\n\r\n")
    return f"{head.partition(' ')[2][:3]} {body.strip()}"


def _describe(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"
