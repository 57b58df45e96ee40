"""One process of load: `python -m loadtest.child`.

The first line of standard input are its orders, each further one is a `Command`; every one is answered by a `Reply`
on standard output, commands that take long beside short ones. It ends when its input does.
"""

import asyncio
import gc
import inspect
import math
import sys
import time
import traceback
from typing import Any

import msgspec
import uvloop
from msgspec import Struct

from loadtest.catalogue import find_scenario
from loadtest.clients.wire import Lost
from loadtest.histogram import Histogram
from loadtest.scenario import Load, Orders

LINE_BYTES_MAX = 1 << 30


class Command(Struct, frozen=True):
    """*name*: open, warm_up, run, settle, report, or call with the name of a method."""

    id: int
    name: str
    arguments: list[Any] = []


class Reply(Struct, frozen=True):
    """To the command *id*: what it returned, or why it failed."""

    id: int
    value: Any = None
    failure: str | None = None


class Report(Struct, frozen=True):
    """How it stands. *histograms*, *problems* and *notes*: what came since the report before."""

    at: float  # time.perf_counter(), which all processes of a machine share
    sessions: int
    counts: dict[str, int]
    histograms: dict[str, Histogram]
    problems: list[str]
    notes: list[str]


class Child:
    """Does what it is told with one `Load`."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._problems_told = 0
        self._notes_told = 0

    async def answer(self, command: Command) -> Reply:
        """Whatever goes wrong is an answer as well."""
        try:
            return Reply(command.id, await self._do(command))
        except Lost as error:
            return Reply(command.id, failure=str(error))
        except Exception:  # noqa: BLE001  told to the conductor, which ends the run
            return Reply(command.id, failure=traceback.format_exc(limit=-4))

    async def _do(self, command: Command) -> Any:
        load = self._load
        match command.name, command.arguments:
            case "open", []:
                await self._open()
            case "warm_up", [seconds]:
                await load.drive(seconds)
            case "run", [seconds]:
                load.measured_from, load.measured_until = time.perf_counter(), math.inf
                await load.drive(seconds)
                load.measured_until = time.perf_counter()
            case "settle", []:
                await load.settle()
            case "report", []:
                return self._report()
            case "call", [method, *arguments]:
                value = getattr(load, method)(*arguments)
                return await value if inspect.isawaitable(value) else value
            case _:
                raise RuntimeError(f"no such command: {command}")
        return None

    async def _open(self) -> None:
        gc.disable()
        try:
            await self._load.open()
        finally:
            # Sessions stay: a collection that walks over all of them would be counted as the server's time.
            gc.collect()
            gc.freeze()
            gc.enable()

    def _report(self) -> Report:
        load = self._load
        load.tally()
        histograms, load.histograms = load.histograms, {}
        problems, notes = load.problems[self._problems_told :], load.notes[self._notes_told :]
        self._problems_told, self._notes_told = len(load.problems), len(load.notes)
        return Report(time.perf_counter(), load.sessions, load.counts, histograms, problems, notes)


async def work() -> None:
    """The life of a child."""
    reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    orders = msgspec.json.decode(await reader.readline(), type=Orders)
    load = find_scenario(orders.scenario).load(orders)
    child = Child(load)
    decoder, tasks = msgspec.json.Decoder(Command), set[asyncio.Task[None]]()
    try:
        while line := await reader.readline():
            task = asyncio.create_task(_answer(child, decoder.decode(line)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()
        load.close()


async def _answer(child: Child, command: Command) -> None:
    reply = await child.answer(command)
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(work())
