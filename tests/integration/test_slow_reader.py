"""A reader that stops costs at most 256 KiB, gets everything in order when it reads again, and nobody notices.

The price of a stopped reader is measured from outside: resident memory of the hub process, and what the
kernel holds for the hub's side of the socket.
"""

import asyncio
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

STOPPED = 20
HUGS = (
    70  # dearer than a stopped reader may be, and below the 256 that wait for an ack: only its own limits hold it back
)
COST_MAX_BYTES = 256 * 1024
RECEIVE_BUFFER = 4096  # of the stopped readers: what the hub sends stays on the hub's side
STALLED_MAX_S = 30

MESSAGE = "👨‍👩‍👧‍👦" * 200  # about 5 KB as UTF-8
STYLE = {"sparkle": "✨" * 500}


def new_hug(to: str, number: int) -> dict[str, Any]:
    return {"id": uuid7(1_780_000_000_000 + number), "to": to, "kind": "bear", "message": MESSAGE, "style": STYLE}


async def send_to_all(sender: Wire, people: Sequence[Person], number: int) -> None:
    """*number* large hugs to each of *people*, sixteen at a time."""
    for round_number in range(number):
        replies = []
        for index, person in enumerate(people):
            ref = round_number * len(people) + index
            sender.say(type="hug.send", ref=f"r{ref}", **new_hug(person.id, ref))
            replies.append(f"r{ref}")
            if len(replies) == 16 or index == len(people) - 1:
                for waiting in replies:
                    reply = await sender.reply_to(waiting)
                    assert reply["type"] == "ok", reply
                replies.clear()


async def hear_hugs(wire: Wire, first: int, last: int) -> None:
    """Exactly these `seq`, in order."""
    for seq in range(first, last + 1):
        assert (await wire.hear("hug.received"))["seq"] == seq
        if seq % 64 == 0:
            wire.say(type="ack", seq=seq)


def kernel_bytes(hub_port: int, client_ports: Sequence[int]) -> int:
    """What the kernel has allocated for the hub's side of these connections (skmem of ss: r, w, f, o and bl)."""
    ss = shutil.which("ss")
    if ss is None:
        pytest.skip("ss (iproute2) is needed to see the kernel's memory of a socket")
    listing = subprocess.run(
        [ss, "-tnmOH", "state", "established", f"sport = :{hub_port}"], capture_output=True, text=True, check=True
    ).stdout
    total = 0
    for line in listing.splitlines():
        peer_port = int(line.split()[3].rpartition(":")[2])
        if peer_port in client_ports:
            memory = dict(re.findall(r"([a-z]+)(\d+)", re.search(r"skmem:\(([^)]*)\)", line)[1]))  # type: ignore[index]
            total += sum(int(memory[name]) for name in ("r", "w", "f", "o", "bl"))
    return total


async def test_a_stopped_reader_is_cheap_and_loses_nothing(hub: HubProcess, database_url: str) -> None:
    people = await make_friends(database_url, 2 * STOPPED + 2)
    sender_person, witness_person, warm, stopped = people[0], people[1], people[2 : STOPPED + 2], people[STOPPED + 2 :]
    async with AsyncExitStack() as stack:
        sender = await stack.enter_async_context(await Wire.log_in(hub.url, sender_person.access_token))
        witness = await stack.enter_async_context(await Wire.log_in(hub.url, witness_person.access_token))
        # The same load to readers that read: what the hub needs anyway is there before we measure.
        readers = [await stack.enter_async_context(await Wire.log_in(hub.url, person.access_token)) for person in warm]
        await asyncio.gather(
            send_to_all(sender, [*warm, witness_person], HUGS), *(hear_hugs(reader, 1, HUGS) for reader in readers)
        )
        wires = [
            await stack.enter_async_context(
                await Wire.log_in(hub.url, person.access_token, receive_buffer=RECEIVE_BUFFER)
            )
            for person in stopped
        ]
        for wire in wires:
            wire.stop_reading()
        before = hub.rss_bytes()
        await send_to_all(sender, [*stopped, witness_person], HUGS)
        resident = max(0, hub.rss_bytes() - before) / STOPPED
        kernel = kernel_bytes(hub.port, [wire.local_port() for wire in wires]) / STOPPED
        assert kernel > 16 * 1024, "they had not stopped"
        cost = f"{resident / 1024:.0f} KiB resident, {kernel / 1024:.0f} KiB in the kernel"
        assert resident + kernel <= COST_MAX_BYTES, cost
        # Others: the witness got its own share of the load meanwhile, in order.
        await hear_hugs(witness, 1, 2 * HUGS)
        assert (await witness.ask("ping"))["type"] == "ok"
        for wire in wires:
            wire.read_again()
        await asyncio.gather(*(hear_hugs(wire, 1, HUGS) for wire in wires))
        # And live again.
        await send_to_all(sender, stopped, 1)
        await asyncio.gather(*(hear_hugs(wire, HUGS + 1, HUGS + 1) for wire in wires))


async def test_presence_of_friends_is_the_latest_when_one_reads_again(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ben.access_token, receive_buffer=RECEIVE_BUFFER) as reader:
        sender = await Wire.log_in(hub.url, ana.access_token)
        assert (await reader.hear("presence"))["status"] == "online"
        reader.stop_reading()
        await send_to_all(sender, [ben], 60)
        await sender.ask("presence.set", status="away")
        await sender.ask("presence.set", status="do_not_disturb")
        async with await Wire.log_in(hub.url, ben.access_token, device="second") as second:
            seen = second.welcome["friends"]
            while not seen or seen[-1]["status"] != "do_not_disturb":
                seen.append(await second.hear("presence"))
        reader.read_again()
        await hear_hugs(reader, 1, 60)
        last = await reader.hear("presence")
        while last["status"] != "do_not_disturb":
            last = await reader.hear("presence")
        sender.cut()


async def test_who_does_not_read_for_thirty_seconds_is_told_and_closed(hub: HubProcess, database_url: str) -> None:
    ana, ben, chris = await make_friends(database_url, 3)
    async with await Wire.log_in(hub.url, ana.access_token) as sender, AsyncExitStack() as stack:
        late, gone = [
            await stack.enter_async_context(
                await Wire.log_in(hub.url, person.access_token, receive_buffer=RECEIVE_BUFFER)
            )
            for person in (ben, chris)
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
        ended = await late.ended()
        assert ended.code == 4103
        assert ended.bye is not None
        assert ended.bye["reconnect"] is True
        while is_established(hub.port, gone.local_port()):
            assert time.monotonic() - began < STALLED_MAX_S + 15
            await asyncio.sleep(0.2)
        gone.read_again()
        await gone.ended()
        async with await Wire.log_in(hub.url, chris.access_token, after=0) as again:
            await hear_hugs(again, 1, HUGS)


def is_established(hub_port: int, client_port: int) -> bool:
    ss = shutil.which("ss")
    if ss is None:
        pytest.skip("ss (iproute2) is needed to see the kernel's side of a connection")
    listing = subprocess.run(
        [ss, "-tnH", "state", "established", f"sport = :{hub_port} and dport = :{client_port}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return bool(listing.strip())
