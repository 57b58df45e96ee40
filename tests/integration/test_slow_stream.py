"""A stream whose reader stops costs as little as such a socket, is complete when it reads again, and ends after 30 s."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from tests.integration.test_slow_reader import (
    COST_MAX_BYTES,
    HUGS,
    RECEIVE_BUFFER,
    STALLED_MAX_S,
    STOPPED,
    hear_hugs,
    is_established,
    kernel_bytes,
    send_to_all,
)
from tests.support.hubs import HubProcess, make_friends
from tests.support.stream import Stream
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]


async def hear_all(stream: Stream, first: int, last: int) -> None:
    """Exactly these `seq`, in order."""
    for seq in range(first, last + 1):
        assert (await stream.hear("hug.received"))["seq"] == seq


async def test_stopped_streams_cost_little_and_get_everything_afterwards(hub: HubProcess, database_url: str) -> None:
    sender_person, witness_person, *others = await make_friends(database_url, 2 * STOPPED + 2)
    warm, stopped = others[:STOPPED], others[STOPPED:]
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(await Wire.log_in(hub.url, sender_person.access_token))
        witness = await stack.enter_async_context(await Wire.log_in(hub.url, witness_person.access_token))
        # The same load to streams that are read: what the hub needs anyway is there before we measure.
        readers = [
            await stack.enter_async_context(await Stream.log_in(hub.url, person.access_token)) for person in warm
        ]
        await asyncio.gather(
            send_to_all(sender, [*warm, witness_person], HUGS), *(hear_all(reader, 1, HUGS) for reader in readers)
        )
        streams = [
            await stack.enter_async_context(
                await Stream.log_in(hub.url, person.access_token, receive_buffer=RECEIVE_BUFFER)
            )
            for person in stopped
        ]
        for stream in streams:
            stream.stop_reading()
        before = hub.rss_bytes()
        await send_to_all(sender, [*stopped, witness_person], HUGS)
        resident = max(0, hub.rss_bytes() - before) / STOPPED
        kernel = kernel_bytes(hub.port, [stream.local_port() for stream in streams]) / STOPPED
        assert kernel > 16 * 1024, "they had not stopped"
        cost = f"{resident / 1024:.0f} KiB resident, {kernel / 1024:.0f} KiB in the kernel"
        assert resident + kernel <= COST_MAX_BYTES, cost
        # Others: the witness got its own share of the load meanwhile, in order.
        await hear_hugs(witness, 1, 2 * HUGS)
        for stream in streams:
            stream.read_again()
        await asyncio.gather(*(hear_all(stream, 1, HUGS) for stream in streams))
        # And live again.
        await send_to_all(sender, stopped, 1)
        await asyncio.gather(*(hear_all(stream, HUGS + 1, HUGS + 1) for stream in streams))


async def test_who_does_not_read_for_thirty_seconds_is_told_and_closed(hub: HubProcess, database_url: str) -> None:
    ana, ben, chris, dana = await make_friends(database_url, 4)
    async with await Wire.log_in(hub.url, ana.access_token) as sender, AsyncExitStack() as stack:
        late, gone, silent = [
            await stack.enter_async_context(
                await Stream.log_in(hub.url, person.access_token, receive_buffer=RECEIVE_BUFFER)
            )
            for person in (ben, chris, dana)
        ]
        late.stop_reading()
        gone.stop_reading()
        began = time.monotonic()
        await send_to_all(sender, [ben, chris], HUGS)
        while time.monotonic() - began < STALLED_MAX_S - 3:
            await asyncio.sleep(1)
            assert is_established(hub.port, late.local_port())
        # Between the `bye` and the end of the connection are 5 s.
        await asyncio.sleep(STALLED_MAX_S + 3 - (time.monotonic() - began))
        late.read_again()
        over = await late.ended()
        assert over.bye is not None
        assert (over.bye["code"], over.bye["reconnect"], over.is_whole) == (4103, True, True)
        while is_established(hub.port, gone.local_port()):
            assert time.monotonic() - began < STALLED_MAX_S + 15
            await asyncio.sleep(0.2)
        gone.read_again()
        assert not (await gone.ended()).is_whole
        async with await Stream.log_in(hub.url, chris.access_token, after=0) as again:
            await hear_all(again, 1, HUGS)
        # Who had nothing to read all the while has seen a comment instead.
        async with await Wire.log_in(hub.url, ben.access_token) as other:
            await send_to_all(other, [dana], 1)
        await hear_all(silent, 1, 1)
        assert silent.comments >= 1
