"""What is measured of hugs: latency at a steady rate, and how many can be stored and delivered at all."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct

from loadtest.checker import Ledger, Verdict, judge, percentiles
from loadtest.hugs import Pair, Sender, open_pair
from loadtest.pacer import pace
from loadtest.people import Person
from loadtest.processes import Cpu, Processes
from loadtest.wire import Lost

SETTLE_WITHIN_S = 15.0  # without any progress, after which what is missing counts as lost
WARM_UP_S = 2.0  # connections, caches and query plans; checked, but not counted
IN_FLIGHT = 12  # of one sender at full speed; the hub stops reading at 16
_PERCENTILES = (50.0, 99.0, 99.9, 100.0)


class Latency(Struct, frozen=True):
    """Milliseconds from the intended time of sending."""

    p50: float
    p99: float
    p999: float
    max: float


class HugFigures(Struct, frozen=True):
    """One run. CPU is in µs per accepted hug, both hubs together."""

    pairs: int
    seconds: float
    rate: float  # accepted hugs a second
    ok: Latency
    delivery: Latency
    late_p99_ms: float  # of the client itself: how late it sent
    cpu_us: Cpu
    cores: Cpu  # CPU seconds a second
    verdict: Verdict


def _latency(seconds: Sequence[float]) -> Latency:
    return Latency(*(1000 * value for value in percentiles(seconds, _PERCENTILES)))


async def run_steady(
    url: str, processes: Processes, couples: Sequence[tuple[Person, Person]], rate: float, seconds: float, message: str
) -> HugFigures:
    """*rate* hugs a second in all, in turn over *couples*, each over two nodes. Raises: Lost."""
    async with _pairs(url, processes, couples, message) as pairs:

        def send(index: int, intended: float) -> None:
            pairs[index % len(pairs)].sender.send(intended)

        await pace(rate, WARM_UP_S, send)
        marks = _marks(pairs)
        before, started = processes.cpu(), time.perf_counter()
        await pace(rate, seconds, send)
        spent, lasted = processes.cpu().since(before), time.perf_counter() - started
        await _settle(pairs)
    return _figures(pairs, marks, spent, lasted)


async def run_full(
    url: str, processes: Processes, couples: Sequence[tuple[Person, Person]], seconds: float, message: str
) -> HugFigures:
    """As fast as it goes: each sender keeps `IN_FLIGHT` hugs on the way. Raises: Lost."""
    async with _pairs(url, processes, couples, message) as pairs:
        for pair in pairs:
            pair.sender.on_answers = partial(_top_up, pair.ledger)
            _top_up(pair.ledger, pair.sender)
        await _sleep_watching(pairs, WARM_UP_S)
        marks = _marks(pairs)
        before, started = processes.cpu(), time.perf_counter()
        await _sleep_watching(pairs, seconds)
        spent, lasted = processes.cpu().since(before), time.perf_counter() - started
        ends = _marks(pairs)
        for pair in pairs:
            pair.sender.on_answers = None
        await _settle(pairs)
    return _figures(pairs, marks, spent, lasted, ends)


def _top_up(ledger: Ledger, sender: Sender) -> None:
    now = time.perf_counter()
    for _ in range(IN_FLIGHT - ledger.outstanding()):
        sender.send(now)


def _marks(pairs: Sequence[Pair]) -> list[int]:
    """How many hugs of each pair had been sent by now."""
    return [len(pair.ledger.intended) for pair in pairs]


@asynccontextmanager
async def _pairs(
    url: str, processes: Processes, couples: Sequence[tuple[Person, Person]], message: str
) -> AsyncIterator[list[Pair]]:
    pairs: list[Pair] = []
    try:
        for couple in couples:
            pairs.append(await open_pair(url, couple, len(processes.hubs), message))  # noqa: PERF401  closed in part
        gc.collect()
        gc.disable()  # a pause of ours would be counted as the server's
        yield pairs
    finally:
        gc.enable()
        for pair in pairs:
            pair.close()


async def _sleep_watching(pairs: Sequence[Pair], seconds: float) -> None:
    """Let it run. Raises: Lost as soon as a connection ends."""
    lost = [end for pair in pairs for end in (pair.sender.lost, pair.recipient.lost)]
    done, _ = await asyncio.wait(lost, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for end in done:
        raise Lost(f"a connection ended during the run: {end.result()}")


async def _settle(pairs: Sequence[Pair]) -> None:
    """Wait for the last answers and arrivals, as long as there is progress."""
    seen, since = -1, time.perf_counter()
    while not all(pair.ledger.is_settled() for pair in pairs):
        progress = sum(pair.ledger.accepted + pair.ledger.received for pair in pairs)
        if progress != seen:
            seen, since = progress, time.perf_counter()
        if time.perf_counter() - since > SETTLE_WITHIN_S:
            break
        await asyncio.sleep(0.02)
    for pair in pairs:
        pair.ledger.close()


def _figures(
    pairs: Sequence[Pair], marks: Sequence[int], spent: Cpu, lasted: float, ends: Sequence[int] | None = None
) -> HugFigures:
    ok: list[float] = []
    delivery: list[float] = []
    late: list[float] = []
    for pair, start, stop in zip(pairs, marks, ends or _marks(pairs), strict=True):
        ledger = pair.ledger
        late += pair.sender.late[start:stop]
        for index in range(start, stop):
            if ledger.accepted_at[index] > 0:
                ok.append(ledger.accepted_at[index] - ledger.intended[index])
            if ledger.received_at[index]:
                delivery.append(ledger.received_at[index] - ledger.intended[index])
    hugs = max(1, len(ok))
    return HugFigures(
        pairs=len(pairs),
        seconds=lasted,
        rate=len(ok) / lasted,
        ok=_latency(ok),
        delivery=_latency(delivery),
        late_p99_ms=1000 * percentiles(late, [99.0])[0],
        cpu_us=spent.scaled(1e6 / hugs),
        cores=spent.scaled(1 / lasted),
        verdict=judge([pair.ledger for pair in pairs]),
    )
