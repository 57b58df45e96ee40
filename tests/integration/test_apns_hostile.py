"""Whatever stands where APNs should: every push gets an answer, and the next one a chance."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.support.apns import accepted_in_the_end, push, send_all, speaking_to
from tests.support.certificates import Authority, make_authority
from tests.support.fake_apns import FakeApns, serve
from tests.support.gate import Gate
from tests.support.raw_http2 import SETTINGS, frames, headers, saying
from workers.push import http2_connection
from workers.push.outgoing import Verdict

pytestmark = pytest.mark.integration

OK = (":status", "200")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture
async def fake(authority: Authority) -> AsyncIterator[FakeApns]:
    async with serve(authority) as fake:
        yield fake


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"\0" * 1_000,
        b"\xff" * 1_000,
        SETTINGS + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        SETTINGS + frames(GoAwayFrame(0, last_stream_id=0)),
        SETTINGS + frames(GoAwayFrame(0, last_stream_id=2**31 - 1)),
        frames(GoAwayFrame(0, last_stream_id=0)),
        SETTINGS + frames(RstStreamFrame(7, error_code=1)),
        SETTINGS + frames(PushPromiseFrame(1, promised_stream_id=2, data=b"\x82", flags=["END_HEADERS"])),
        SETTINGS + frames(headers(1, OK)),
        SETTINGS + frames(SettingsFrame(0, settings={SettingsFrame.MAX_FRAME_SIZE: 1})),
        SETTINGS + frames(WindowUpdateFrame(0, window_increment=2**31 - 1)),
    ],
    ids=range(12),
)
async def test_nonsense_at_the_beginning(authority: Authority, fake: FakeApns, said: bytes) -> None:
    real = fake.url
    async with saying(authority, said) as fake.url, speaking_to(fake, authority, request_max_s=1.0) as provider:
        for _ in range(3):
            answer = await provider.send(push())
            assert (answer.verdict, answer.ref) == (Verdict.RETRY, None)
            assert answer.detail
    fake.url = real


async def test_whoever_says_good_bye_at_once_is_asked_again(authority: Authority, fake: FakeApns) -> None:
    async with AsyncExitStack() as stack:
        bye = SETTINGS + frames(GoAwayFrame(0, last_stream_id=0))
        async with saying(authority, bye) as fake.url:
            provider = await stack.enter_async_context(speaking_to(fake, authority))
            assert (await provider.send(push())).verdict is Verdict.RETRY
        await stack.enter_async_context(serve(authority, port=urlsplit(fake.url).port or 0, fake=fake))
        answers = await accepted_in_the_end(provider, push())
        assert answers[-1].verdict is Verdict.ACCEPTED


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (frames(headers(1, (":status", "abc"))), "an answer without a status"),
        (frames(headers(1, ("server", "x"))), "the server broke HTTP/2"),
        (frames(headers(3, OK)), "the server broke HTTP/2"),
        (frames(DataFrame(1, data=b"x", flags=["END_STREAM"])), "the server broke HTTP/2"),
        (frames(RstStreamFrame(1, error_code=2)), "the server reset the stream: INTERNAL_ERROR"),
        (frames(RstStreamFrame(1, error_code=77)), "the server reset the stream: 77"),
        (frames(headers(1, OK, ("x", "y" * 70_000))), "the server broke HTTP/2"),
    ],
    ids=range(7),
)
async def test_an_answer_that_is_none_is_silence(
    authority: Authority, fake: FakeApns, said: bytes, detail: str
) -> None:
    async with saying(authority, SETTINGS, [said]) as fake.url, speaking_to(fake, authority) as provider:
        answer = await provider.send(push())
        assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
        assert answer.detail.startswith(detail)


@pytest.mark.parametrize(
    "said",
    [
        frames(headers(1, (":status", "103"), is_end=False), headers(1, OK)),
        frames(headers(1, OK, is_end=False), DataFrame(1, flags=["END_STREAM"])),
        frames(headers(1, OK, is_end=False), headers(1, ("x-trailer", "y"))),
        frames(headers(1, OK), RstStreamFrame(1, error_code=0)),
        frames(headers(1, OK), GoAwayFrame(0, last_stream_id=1)),
        frames(GoAwayFrame(0, last_stream_id=1), headers(1, OK)),
        frames(GoAwayFrame(0, last_stream_id=2**31 - 1), GoAwayFrame(0, last_stream_id=1), headers(1, OK)),
        frames(
            headers(1, OK, is_end=False), *[DataFrame(1, data=b"x" * 16_000)] * 4, DataFrame(1, flags=["END_STREAM"])
        ),
    ],
    ids=range(8),
)
async def test_an_answer_in_another_form(authority: Authority, fake: FakeApns, said: bytes) -> None:
    async with saying(authority, SETTINGS, [said]) as fake.url, speaking_to(fake, authority) as provider:
        answer = await provider.send(push())
        assert (answer.verdict, answer.detail) == (Verdict.ACCEPTED, "200")


async def test_room_for_a_stream_that_is_gone_in_the_same_moment(authority: Authority, fake: FakeApns) -> None:
    narrow = frames(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 10}))
    refused = RstStreamFrame(1, error_code=7)
    both = frames(WindowUpdateFrame(1, window_increment=100), WindowUpdateFrame(0, window_increment=100), refused)
    early = frames(headers(3, (":status", "413")), RstStreamFrame(3, error_code=0))
    async with saying(authority, narrow, [both, early]) as fake.url, speaking_to(fake, authority) as provider:
        answer = await provider.send(push(body="x" * 3_000))  # refused, and sent again
        assert (answer.verdict, answer.detail) == (Verdict.REFUSED, "413")


async def test_an_answer_that_comes_too_late_does_no_harm(authority: Authority, fake: FakeApns) -> None:
    async with Gate(fake.url) as gate:
        fake.url = gate.url
        async with speaking_to(fake, authority) as provider:
            await provider.send(push())
            provider._request_max_s = 0.2
            gate.hold_answers()
            late = await provider.send(push())
            assert (late.verdict, late.is_silent) == (Verdict.RETRY, True)
            gate.let_answers_through()
            provider._request_max_s = 14.0
            answers = await send_all(provider, [push() for _ in range(50)])
            assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert fake.connections == 1


async def test_a_connection_that_has_used_up_its_streams_is_replaced(
    authority: Authority, fake: FakeApns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http2_connection, "STREAM_IDS_MAX", 41)
    async with speaking_to(fake, authority) as provider:
        for _ in range(3):
            pushes = [push() for _ in range(20)]
            answers = await send_all(provider, pushes)
            assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
            assert all(fake.accepted()[each.id] == 1 for each in pushes)
    assert fake.connections == 3


async def test_leaving_while_pushes_are_under_way(authority: Authority, fake: FakeApns) -> None:
    fake.is_holding = True
    pushes = [push() for _ in range(10)]
    async with speaking_to(fake, authority) as provider:
        sending = asyncio.create_task(send_all(provider, pushes))
        await fake.until(lambda: fake.held() == 10)
    assert {(answer.verdict, answer.is_silent) for answer in await sending} == {(Verdict.RETRY, True)}
