"""What a crowd hears must be the same whether it is looked into or recognised, however it is cut."""

import asyncio
import time

import pytest

from loadtest.clients.roommates import PULSES_PER_S_MAX, Crowd, RoomMember
from protocol.frames import PING, TEXT, FrameParser, frame

pytestmark = pytest.mark.unit

ROOMS = ["01a1fe41-d211-7000-a4d9-1bd422a50000", "01a1fe41-d211-7000-a4d9-1bd422a50001"]
STRANGE = "01a1fe41-d211-7000-a4d9-1bd422a5ffff"


class Transport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False


class Hall:
    """A crowd, the latencies it tells, and its members, who are all welcome."""

    def __init__(self, nodes: str) -> None:
        self.latencies: list[float] = []
        self.crowd = Crowd(ROOMS, {"pulses": 0, "reads": 0}, self.latencies.append)
        self.members = [RoomMember(self.crowd) for _ in nodes]
        self.transports = [Transport() for _ in nodes]
        for member, transport, node in zip(self.members, self.transports, nodes, strict=True):
            member.connection_made(transport)
            member.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            member.data_received(frame(TEXT, b'{"type":"welcome","node":"%b"}' % node.encode()))

    def sums(self) -> list[list[int]]:
        return [member.heard_sums for member in self.members]


def pulse(room: str, count: int, more: bytes = b"") -> bytes:
    text = b'{"type":"group.pulse","id":"%b","count":%d,"strength":0.5,"members":2%b}'
    return frame(TEXT, text % (room.encode(), count, more))


async def test_the_same_bytes_mean_the_same_to_everybody() -> None:
    hall = Hall("aab")
    tick = pulse(ROOMS[0], 2) + pulse(ROOMS[1], 5)
    for data in (tick, tick, pulse(ROOMS[0], 1), tick):
        for member in hall.members:
            member.data_received(data)
    assert hall.sums() == [[7, 15]] * 3
    assert hall.crowd.counts == {"pulses": 21, "reads": 12}
    assert hall.crowd.hasty == 0


@pytest.mark.parametrize("step", [1, 7, 100, 10_000])
async def test_however_the_bytes_are_cut(step: int) -> None:
    hall = Hall("aa")
    stream = (pulse(ROOMS[0], 2) + pulse(ROOMS[1], 5, b',"state":"active"')) * 3
    for member in hall.members:
        for start in range(0, len(stream), step):
            member.data_received(stream[start : start + step])
    assert hall.sums() == [[6, 15]] * 2
    assert hall.crowd.counts["pulses"] == 12


async def test_a_part_that_looks_like_a_whole_is_not_taken_for_one() -> None:
    hall = Hall("aa")
    one, other = hall.members
    whole = pulse(ROOMS[0], 2)
    one.data_received(whole)
    other.data_received(whole[:10])
    other.data_received(whole[10:] + whole[:10])
    other.data_received(whole[10:])
    assert hall.sums() == [[2, 0], [4, 0]]


async def test_each_answers_its_own_ping() -> None:
    hall = Hall("aaa")
    data = frame(PING, b"") + pulse(ROOMS[0], 1)
    for member in hall.members:
        member.data_received(data)
    assert [len(FrameParser(100).feed(transport.written)) for transport in hall.transports] == [1, 1, 1]
    assert hall.sums() == [[1, 0]] * 3


async def test_answers_and_other_rooms_are_let_through() -> None:
    hall = Hall("aa")
    data = pulse(STRANGE, 9) + frame(TEXT, b'{"type":"ok","ref":0}') + pulse(ROOMS[1], 1)
    for member in hall.members:
        member.say(b'{"type":"group.squeeze"', 1.0)
        member.data_received(data)
    assert hall.sums() == [[0, 1]] * 2
    assert [member.outstanding() for member in hall.members] == [0, 0]


async def test_the_latency_of_a_pulse_is_that_of_its_oldest_squeeze() -> None:
    hall = Hall("a")
    now = time.perf_counter()
    hall.crowd.squeezed[0].extend([now - 50.0, now - 40.0, now - 30.0])
    hall.members[0].data_received(pulse(ROOMS[0], 2) + pulse(ROOMS[1], 1))
    hall.members[0].data_received(pulse(ROOMS[0], 1))
    assert [round(latency) for latency in hall.latencies] == [50, 30]


async def test_the_eleventh_pulse_within_a_second_is_one_too_many() -> None:
    hall = Hall("aa")
    for _ in range(PULSES_PER_S_MAX):
        for room in ROOMS:
            hall.members[0].data_received(pulse(room, 1))
    assert hall.crowd.hasty == 0
    hall.members[1].data_received(pulse(ROOMS[0], 1))
    assert hall.crowd.hasty == 0
    hall.members[0].data_received(pulse(ROOMS[0], 1))
    assert hall.crowd.hasty == 1
    hall.members[0].forget()
    hall.members[0].data_received(pulse(ROOMS[0], 1))
    assert hall.crowd.hasty == 1
    assert hall.sums() == [[1, 0], [1, 0]]
