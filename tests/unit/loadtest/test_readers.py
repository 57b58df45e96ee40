"""How silences of stopped readers are judged, and spread."""

import socket
from itertools import pairwise

import pytest

from loadtest.clients.readers import Reading, judge_reading
from loadtest.scenarios.slow import GONE_S, SILENT_S, silence_s, stopping_s
from loadtest.server.sockets import kernel_kib

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        (Reading(0.1, 27.0, is_closed=False, code=0), ""),
        (Reading(0.1, 29.4, is_closed=True, code=4103), ""),  # hubs count in whole seconds
        (Reading(0.1, 28.9, is_closed=True, code=4103), "was closed within 28.9 s"),
        (Reading(0.1, 33.0, is_closed=False, code=0), ""),
        (Reading(0.1, 33.2, is_closed=False, code=0), "was still connected after 33.2 s"),
        (Reading(5.0, 33.2, is_closed=False, code=0), ""),  # it took the hub long to have too much for it
        (Reading(0.1, 33.0, is_closed=True, code=4201), "with 4201, and not with 4103"),
        (Reading(0.1, 33.0, is_closed=True, code=0), "with 0, and not with 4103"),
        (Reading(0.1, 39.0, is_closed=True, code=0), ""),  # the bye is gone by then
        (Reading(0.1, 39.0, is_closed=False, code=0), "was still connected"),
    ],
)
def test_a_hub_closes_in_time_and_says_so(reading: Reading, said: str) -> None:
    assert said in judge_reading(reading)
    assert bool(said) == bool(judge_reading(reading))


def test_silences_are_spread_whatever_their_number() -> None:
    least, most = SILENT_S
    silences = [silence_s(number) for number in range(16)]
    assert silences.count(GONE_S) == 2
    others = sorted(each for each in silences if each != GONE_S)
    assert least <= others[0]
    assert others[-1] <= most
    gaps = [later - earlier for earlier, later in pairwise(others)]
    assert max(gaps) < (most - least) / 5
    assert stopping_s(8) < stopping_s(100) < stopping_s(1_000) == stopping_s(2_000) < least


def test_the_kernel_tells_what_waits_in_a_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as reader, server.accept()[0] as writer:
            reader_port = reader.getsockname()[1]
            before = kernel_kib(port)
            writer.setblocking(False)
            sent = 0
            while True:
                try:
                    sent += writer.send(bytes(10_000))
                except BlockingIOError:
                    break
            assert kernel_kib(reader_port) > 16  # what the reader has not read
            assert kernel_kib(port) - before > 0.9 * (sent / 1024 - kernel_kib(reader_port))
