"""Devices of the load tester that come back: what they say to a hub, and that they see each promise a hub can break.

The hub here is a script over a real socket, byte for byte what hubs write; the last test has a real one that is killed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from loadtest.clients.checker import Ledger
from loadtest.clients.couples import Couple, beside, settle
from loadtest.clients.entering import enter_all
from loadtest.clients.people import Person, pairs_of_friends
from loadtest.clients.returning import Attendance, Returning, ReturningIdle, ReturningRecipient, ReturningSender
from loadtest.pacer import pace
from loadtest.scenario import Load, Orders
from protocol.frames import TEXT, FrameParser, close_frame, frame
from tests.support.hubs import HubProcess, make_friends

pytestmark = pytest.mark.integration

ANA = Person("ana", "token")


class Line:
    """The hub's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer
        self._parser = FrameParser(1 << 20)
        self._heard: list[dict[str, Any]] = []

    async def answer(self, status: str, *fields: str) -> None:
        """Read the handshake's request and answer it."""
        await self._reader.readuntil(b"\r\n\r\n")
        self.writer.write("\r\n".join((f"HTTP/1.1 {status}", *fields, "", "")).encode())

    def say(self, text: str) -> None:
        """One message, written as it is given."""
        self.writer.write(frame(TEXT, text.encode()))

    async def hear(self) -> dict[str, Any]:
        """The client's next message."""
        while not self._heard:
            data = await self._reader.read(1 << 16)
            assert data, "the client has hung up"
            self._heard += [json.loads(payload) for opcode, payload in self._parser.feed(data) if opcode == TEXT]
        return self._heard.pop(0)

    async def welcome(self, head: int, *, resumed: bool = False, epoch: str = "e1") -> dict[str, Any]:
        """Handshake, `hello` and `welcome`; returns the `hello`."""
        await self.answer("101 Switching Protocols")
        hello = await self.hear()
        flag = "true" if resumed else "false"
        self.say(f'{{"type":"welcome","node":"n1","epoch":"{epoch}","head":{head},"resumed":{flag}}}')
        return hello

    def hug(self, seq: int, number: int = 0) -> None:
        """A durable event: hug *number* of a load."""
        self.say(f'{{"seq":{seq},"type":"hug.received","id":"00000000-0000-7000-8000-{number:012x}"}}')


Scene = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def script(*scenes: Scene) -> AsyncIterator[str]:
    """A hub that plays one scene for each connection; the block is left when the client has ended the last one."""
    left, failures, done = list(scenes), list[BaseException](), asyncio.Event()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        scene = left.pop(0)
        try:
            await scene(Line(reader, writer))
            if not left:
                await reader.read()  # the last connection is the client's to end
        except (AssertionError, OSError, asyncio.IncompleteReadError) as failure:
            failures.append(failure)
        writer.close()
        if not left:
            done.set()

    server = await asyncio.start_server(play, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await done.wait()
    assert failures == []


def new_attendance(*devices: Returning) -> Attendance:
    """A list for *devices*."""
    attendance = Attendance(Load(Orders("test", "", 0, 1, 1, [], [""], {})))
    for device in devices:
        device.attendance = attendance
    return attendance


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  counts of a load have no event
        await asyncio.sleep(0.005)


async def back(device: Returning, attendance: Attendance, url: str) -> None:
    """Open a session, which is to end once and to be opened again."""
    await device.enter(url, ANA)
    await until(lambda: attendance.load.counts["back"] == 1)
    device.leave()


async def test_it_comes_back_with_its_cursor_and_epoch() -> None:
    hellos: list[dict[str, Any]] = []

    async def first(line: Line) -> None:
        hellos.append(await line.welcome(head=40))
        line.hug(41)
        line.hug(42)

    async def full(line: Line) -> None:
        await line.answer("503 Service Unavailable", "Retry-After: 1")

    async def second(line: Line) -> None:
        hellos.append(await line.welcome(head=43, resumed=True))
        line.hug(43)
        line.say('{"type":"caught_up","seq":43}')
        await line.writer.drain()

    device = ReturningIdle()
    attendance = new_attendance(device)
    async with script(first, full, second) as url:
        await back(device, attendance, url)
    assert attendance.load.problems == []
    assert "after" not in hellos[0]
    assert (hellos[1]["after"], hellos[1]["epoch"], hellos[1]["token"]) == (42, "e1", "token")
    [absence] = attendance.absences
    assert (absence.left, absence.entered, len(absence.tries)) == ("n1", "n1", 2)
    assert absence.tries[1] - absence.tries[0] >= 1.0, "Retry-After was not waited for"
    assert absence.lost_at < absence.tries[0] < absence.welcomed_at <= absence.caught_up_at
    assert attendance.away() == 0


async def test_what_was_not_answered_is_sent_again_with_its_id_and_in_its_order() -> None:
    heard: list[list[dict[str, Any]]] = [[], []]

    async def first(line: Line) -> None:
        await line.welcome(head=0)
        heard[0] = [await line.hear() for _ in range(3)]
        line.say('{"type":"ok","ref":1,"state":"accepted"}')  # the middle one
        await line.writer.drain()

    async def second(line: Line) -> None:
        await line.welcome(head=0, resumed=True)
        heard[1] = [await line.hear() for _ in range(3)]
        for again in heard[1]:
            line.say(f'{{"type":"ok","ref":{again["ref"]},"state":"accepted"}}')
        line.say('{"type":"caught_up","seq":0}')
        await line.writer.drain()

    ledger = Ledger("ana → ben")
    sender = ReturningSender(ledger, "ben", "well done")
    attendance = new_attendance(sender)
    async with script(first, second) as url:
        await sender.enter(url, ANA)
        for number in range(3):
            sender.send(float(number))
        await sender.lost
        sender.send(3.0)  # while away
        await until(lambda: attendance.load.counts["back"] == 1)
        sender.leave()
    assert [each["ref"] for each in heard[1]] == [0, 2, 3]
    assert [each["id"] for each in heard[1][:2]] == [heard[0][0]["id"], heard[0][2]["id"]]
    assert (ledger.accepted, ledger.outstanding(), ledger.problems, attendance.load.problems) == (4, 0, [], [])


@pytest.mark.parametrize(
    ("seqs", "resumed", "expected"),
    [
        ([43], True, []),
        ([42], True, ["ana: seq 42 came after 42"]),
        ([44], True, ["ana: seq 44 came after 42"]),
        ([], False, ["ana: could not resume behind 42, the head being 43"]),
    ],
)
async def test_a_resume_that_breaks_its_promise_is_seen(seqs: list[int], resumed: bool, expected: list[str]) -> None:
    async def first(line: Line) -> None:
        await line.welcome(head=42)

    async def second(line: Line) -> None:
        await line.welcome(head=43, resumed=resumed)
        for seq in seqs:
            line.hug(seq)
        line.say('{"type":"caught_up","seq":43}')
        await line.writer.drain()

    device = ReturningIdle()
    attendance = new_attendance(device)
    async with script(first, second) as url:
        await back(device, attendance, url)
    assert attendance.load.problems == expected


async def test_it_waits_as_long_as_the_hub_asks_and_stays_away_when_it_is_told_to() -> None:
    async def drained(line: Line) -> None:
        await line.welcome(head=0)
        line.say('{"type":"bye","code":4200,"reason":"drain","reconnect":true,"retry_after_ms":300}')
        line.writer.write(close_frame(4200, "drain"))
        await line.writer.drain()

    async def revoked(line: Line) -> None:
        await line.welcome(head=0, resumed=True)
        line.say('{"type":"caught_up","seq":0}')
        line.say('{"type":"bye","code":4007,"reason":"ended","reconnect":false,"retry_after_ms":0}')
        line.writer.write(close_frame(4007, "ended"))
        await line.writer.drain()

    device = ReturningIdle()
    attendance = new_attendance(device)
    async with script(drained, revoked) as url:
        await device.enter(url, ANA)
        await until(lambda: bool(attendance.load.problems))
    first, second = attendance.absences
    assert (first.code, second.code) == (4200, 4007)
    assert first.tries[0] - first.lost_at >= 0.3
    assert second.tries == []
    assert attendance.load.problems == ["ana: was sent away for good: 4007 ended"]


async def test_who_leaves_stays_away_until_they_come_again() -> None:
    hellos: list[dict[str, Any]] = []

    async def scene(line: Line) -> None:
        hellos.append(await line.welcome(head=7, resumed=bool(hellos)))
        with pytest.raises(AssertionError, match="hung up"):
            await line.hear()

    device = ReturningIdle()
    attendance = new_attendance(device)
    async with script(scene, scene) as url:
        await device.enter(url, ANA)
        device.leave()
        await device.come_again()
        device.leave()
    assert [hello.get("after") for hello in hellos] == [None, 7]
    assert (attendance.absences, attendance.load.problems) == ([], [])


async def test_no_ack_is_written_into_a_handshake() -> None:
    """Its timer may ring while the next connection is being opened; then the hello must still come first."""
    hellos: list[dict[str, Any]] = []
    recipient = ReturningRecipient(Ledger("ana → ben"))

    async def first(line: Line) -> None:
        await line.welcome(head=0)
        line.hug(1)
        await line.writer.drain()

    async def second(line: Line) -> None:
        recipient._ack()
        hellos.append(await line.welcome(head=1, resumed=True))
        line.say('{"type":"caught_up","seq":1}')
        await line.writer.drain()

    attendance = new_attendance(recipient)
    recipient._ledger.sent(0.0)
    async with script(first, second) as url:
        await back(recipient, attendance, url)
    assert [(hello["type"], hello["after"]) for hello in hellos] == [("hello", 1)]


def _send(couples: Sequence[Couple], index: int, intended: float) -> None:
    couples[index % len(couples)].sender.send(intended)


async def test_hugs_survive_the_death_of_their_hub(hub: HubProcess, database_url: str) -> None:
    """Both of each pair are cut off in the middle of it; what was not answered is sent again, nothing comes twice."""
    friends = await make_friends(database_url, 20, friends=1)
    people = [Person(each.id, each.access_token, each.friends) for each in friends]
    flat = [each for pair in pairs_of_friends(people, 10) for each in pair]
    load = Load(Orders("test", hub.url, 0, 1, 1, flat, [""], {}))
    attendance, couples = Attendance(load), [Couple(load, pair) for pair in beside(flat)]
    devices: list[Returning] = [each for couple in couples for each in (couple.sender, couple.recipient)]
    for device in devices:
        device.attendance = attendance
    await enter_all(load.orders, devices)
    send = partial(_send, couples)
    await pace(500, 0.2, send)
    await hub.kill()
    await pace(500, 0.2, send)
    await hub.start()
    await pace(500, 0.2, send)
    await settle(couples, attendance)
    assert load.sessions == 20
    for device in devices:
        device.leave()
    assert load.problems == []
    assert [load.counts[name] for name in ("cut off", "back", "sent", "accepted", "received")] == [
        20,
        20,
        300,
        300,
        300,
    ]
