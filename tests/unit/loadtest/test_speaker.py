"""Whoever gives commands must see each answer that is missing, refused, or nobody's."""

import asyncio

import pytest

from loadtest.clients.speaker import PROBLEMS_KEPT, Speaker
from loadtest.clients.wire import Lost

pytestmark = pytest.mark.unit


def hear(speaker: Speaker, *messages: bytes, now: float = 10.0) -> None:
    """What one read brings."""
    for message in messages:
        speaker.event(message, now)
    speaker.batch_done(now)


async def test_answers_are_timed_from_the_intended_moment_in_any_order() -> None:
    speaker, times, reads = Speaker(), list[float](), list[int]()
    speaker.on_ok = times.append
    speaker.on_answers = lambda: reads.append(len(times))
    for intended in (1.0, 2.0, 4.0):
        speaker.say(b'{"type":"ping"', intended)
    assert speaker.outstanding() == 3
    hear(speaker, b'{"type":"ok","ref":2,"server_time":"x"}', b'{"type":"ok","ref":0}')
    hear(speaker, b'{"type":"presence","user":"x"}')
    hear(speaker, b'{"type":"ok","ref":1}')
    assert times == [6.0, 9.0, 8.0]
    assert reads == [2, 3]
    assert speaker.outstanding() == 0
    assert speaker.ended() == []


async def test_every_wrong_answer_is_seen() -> None:
    speaker, times = Speaker(), list[float]()
    speaker.on_ok = times.append
    for _ in range(3):
        speaker.say(b'{"type":"ping"', 1.0)
    hear(speaker, b'{"type":"ok","ref":0}', b'{"type":"ok","ref":0}', b'{"type":"ok","ref":7}')
    hear(speaker, b'{"type":"error","code":"conflict","message":"no","retryable":false,"ref":1}')
    assert times == [9.0]
    assert speaker.ended() == [
        "an answer that nobody waits for: 0 ",
        "an answer that nobody waits for: 7 ",
        "conflict: no",
        "1 commands of one member were never answered",
    ]


async def test_many_refusals_are_counted_and_not_kept() -> None:
    speaker = Speaker()
    for number in range(100):
        speaker.say(b'{"type":"ping"', 1.0)
        hear(speaker, b'{"type":"error","code":"conflict","message":"no","retryable":false,"ref":%d}' % number)
    assert speaker.ended() == ["conflict: no"] * PROBLEMS_KEPT + ["100 commands of one member were refused"]


async def test_who_asks_gets_the_answer_or_the_refusal() -> None:
    speaker, times = Speaker(), list[float]()
    speaker.on_ok = times.append
    async with asyncio.timeout(10):
        asked = asyncio.create_task(speaker.ask(type="group.join", id="x"))
        await asyncio.sleep(0)
        hear(speaker, b'{"type":"ok","ref":0}')
        await asked
        asked = asyncio.create_task(speaker.ask(type="group.join", id="x"))
        await asyncio.sleep(0)
        hear(speaker, b'{"type":"error","code":"not_found","message":"No such group.","retryable":false,"ref":1}')
        with pytest.raises(Lost, match=r"not_found: No such group\."):
            await asked
        asked = asyncio.create_task(speaker.ask(type="group.join", id="x"))
        await asyncio.sleep(0)
        speaker.connection_lost(None)
        with pytest.raises(Lost, match="connection lost"):
            await asked
    assert times == []
    assert speaker.ended()[-1] == "a connection ended during the run: connection lost"
