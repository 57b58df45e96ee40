"""Pushes to APNs over real TLS and HTTP/2: one connection, whatever happens to it, and nothing lost or sent twice on the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from tests.support.apns import DEVICE, accepted_in_the_end, push, send_all, speaking_to
from tests.support.apns_rules import Refusal, Rules
from tests.support.certificates import Authority, make_authority, server_context
from tests.support.fake_apns import KEY_ID, TEAM_ID, TOPIC, FakeApns, Goaway, serve
from tests.support.gate import Gate
from workers.push.apns import ApnsProvider
from workers.push.outgoing import Answer, Verdict

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority()


@pytest.fixture
async def fake(authority: Authority) -> AsyncIterator[FakeApns]:
    async with serve(authority) as fake:
        yield fake


@pytest.fixture
async def provider(fake: FakeApns, authority: Authority) -> AsyncIterator[ApnsProvider]:
    async with speaking_to(fake, authority) as provider:
        yield provider


def verdicts(answers: list[Answer]) -> set[Verdict]:
    return {answer.verdict for answer in answers}


async def test_a_push_is_what_apns_wants_and_what_the_device_shows(fake: FakeApns, provider: ApnsProvider) -> None:
    sent = push(ttl_s=600)
    before = int(time.time())
    answer = await provider.send(sent)
    assert answer == Answer(verdict=Verdict.ACCEPTED, detail="200", ref=sent.id)
    (got,) = fake.pushes
    assert got.token == DEVICE
    assert got.content == {
        "aps": {
            "alert": {"title": "A hug", "body": "Ana hugged you"},
            "badge": 3,
            "sound": "default",
            "thread-id": "hugs",
        },
        "hug": "h1",
        "kind": "hug.received",
        "delivery": sent.id,
    }
    expected = {
        "apns-id": sent.id,
        "apns-topic": TOPIC,
        "apns-push-type": "alert",
        "apns-priority": "10",
        "apns-collapse-id": "hugs-Ana_1",
    }
    assert got.headers.items() >= expected.items()
    assert before + 600 <= int(got.headers["apns-expiration"]) <= time.time() + 600


async def test_what_need_not_ring_has_no_sound_and_a_low_priority(fake: FakeApns, provider: ApnsProvider) -> None:
    await provider.send(push(is_urgent=False, collapse_key=""))
    (got,) = fake.pushes
    assert "sound" not in got.content["aps"]
    assert got.headers["apns-priority"] == "5"
    assert "apns-collapse-id" not in got.headers


async def test_five_hundred_at_once_share_one_connection(fake: FakeApns, provider: ApnsProvider) -> None:
    fake.is_holding = True
    pushes = [push() for _ in range(500)]
    sending = asyncio.create_task(send_all(provider, pushes))
    await fake.until(lambda: fake.held() == 500)
    fake.release()
    assert verdicts(await sending) == {Verdict.ACCEPTED}
    assert fake.connections == 1
    assert fake.accepted() == dict.fromkeys((each.id for each in pushes), 1)


async def test_no_more_streams_than_the_server_allows_also_when_it_changes_its_mind(
    fake: FakeApns, provider: ApnsProvider
) -> None:
    fake.streams_max = 1  # as APNs begins
    fake.is_holding = True
    pushes = [push() for _ in range(60)]
    sending = asyncio.create_task(send_all(provider, pushes))
    await fake.until(lambda: fake.held() == 1)
    fake.limit_streams(20)
    await fake.until(lambda: fake.held() == 20)
    fake.limit_streams(3)
    await fake.until(lambda: not fake.untaken)
    fake.release()
    assert verdicts(await sending) == {Verdict.ACCEPTED}
    assert fake.most_streams == 20
    fake.is_holding, fake.most_streams = True, 0
    sending = asyncio.create_task(send_all(provider, pushes))
    await fake.until(lambda: fake.held() == 3)
    fake.release()
    assert verdicts(await sending) == {Verdict.ACCEPTED}
    assert (fake.most_streams, fake.excess_streams, fake.connections) == (3, 0, 1)


@pytest.mark.parametrize("window_bytes", [100, 65_535])
async def test_bodies_wait_for_room_at_the_server(authority: Authority, window_bytes: int) -> None:
    async with serve(authority) as fake:
        fake.window_bytes = window_bytes
        async with speaking_to(fake, authority) as provider:
            pushes = [push(body="x" * 3_500) for _ in range(60)]  # more than a connection takes at once
            assert verdicts(await send_all(provider, pushes)) == {Verdict.ACCEPTED}
            assert {each.content["aps"]["alert"]["body"] for each in fake.pushes} == {"x" * 3_500}


@pytest.mark.parametrize("last_stream", [0, 39, 2**31 - 1])
async def test_a_goaway_in_the_middle_loses_and_doubles_nothing(
    fake: FakeApns, provider: ApnsProvider, last_stream: int
) -> None:
    fake.is_holding = True
    fake.goaway = Goaway(at=50, last_stream=last_stream)
    pushes = [push() for _ in range(100)]
    sending = asyncio.create_task(send_all(provider, pushes))
    await fake.until(lambda: fake.held() == 100)
    fake.release()
    assert verdicts(await sending) == {Verdict.ACCEPTED}
    assert fake.accepted() == dict.fromkeys((each.id for each in pushes), 1)
    assert (await provider.send(push())).verdict is Verdict.ACCEPTED
    assert fake.connections == 2


async def test_refused_streams_are_sent_again(fake: FakeApns, provider: ApnsProvider) -> None:
    fake.refused_streams = 7
    pushes = [push() for _ in range(20)]
    assert verdicts(await send_all(provider, pushes)) == {Verdict.ACCEPTED}
    assert fake.accepted() == dict.fromkeys((each.id for each in pushes), 1)
    assert fake.refused_streams == 0


async def test_a_server_that_refuses_every_stream_is_tried_again_later(fake: FakeApns, provider: ApnsProvider) -> None:
    fake.refused_streams = 1_000
    answer = await provider.send(push())
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
    assert not fake.pushes


async def test_silence_ends_in_time_and_takes_no_other_with_it(fake: FakeApns, authority: Authority) -> None:
    silent = "0" * 64
    fake.silent.add(silent)
    async with speaking_to(fake, authority, request_max_s=0.2) as provider:
        answer = await provider.send(push(to=silent))
        assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
    async with speaking_to(fake, authority) as provider:
        fake.is_holding = True
        waiting = asyncio.create_task(provider.send(push()))
        await fake.until(lambda: fake.held() == 1)
        waiting.cancel()
        fake.is_holding = False
        assert (await provider.send(push())).verdict is Verdict.ACCEPTED
    assert fake.resets == 2
    assert fake.connections == 2


async def test_who_does_not_answer_a_ping_is_left(fake: FakeApns, authority: Authority) -> None:
    async with speaking_to(fake, authority) as provider:
        provider._client._ping_every_s = provider._client._ping_within_s = 0.02
        fake.is_holding = True
        waiting = asyncio.create_task(provider.send(push()))
        await fake.until(lambda: fake.held() == 1)
        await fake.until(lambda: fake.pings > 0)
        fake.is_deaf = True
        answer = await waiting
        assert (answer.verdict, answer.detail, answer.is_silent) == (Verdict.RETRY, "no answer to a ping", True)
        fake.is_deaf = fake.is_holding = False
        await accepted_in_the_end(provider, push())
    assert fake.connections == 2


async def test_an_expired_permit_is_signed_once_more(fake: FakeApns, provider: ApnsProvider) -> None:
    await provider.send(push())
    fake.rules.expired.add(fake.pushes[0].headers["authorization"].partition(" ")[2])
    pushes = [push() for _ in range(30)]
    assert verdicts(await send_all(provider, pushes)) == {Verdict.ACCEPTED}
    assert all(fake.accepted()[each.id] == 1 for each in pushes)
    assert len({each.headers["authorization"] for each in fake.pushes}) == 2  # not one for each of them


async def test_a_permit_that_is_never_taken_is_the_operators(fake: FakeApns, provider: ApnsProvider) -> None:
    fake.answers.extend([Refusal(403, "ExpiredProviderToken")] * 5)
    answers = [await provider.send(push()) for _ in range(2)]
    assert verdicts(answers) == {Verdict.MISCONFIGURED}
    assert len(fake.pushes) == 3  # the second push is not tried again: 20 minutes have not gone by


async def test_a_permit_is_kept_for_half_an_hour(authority: Authority) -> None:
    now = [1_800_000_000.0]  # on the hour
    async with (
        serve(authority, now_s=lambda: now[0]) as fake,
        speaking_to(fake, authority, now_s=lambda: now[0]) as provider,
    ):
        for minutes in (0, 29, 1, 29, 1, 50):
            now[0] += 60 * minutes
            assert (await provider.send(push())).verdict is Verdict.ACCEPTED
    permits = [each.headers["authorization"] for each in fake.pushes]
    assert [permits.index(permit) for permit in permits] == [0, 0, 2, 2, 4, 5]


async def test_all_workers_have_the_same_permit(fake: FakeApns, authority: Authority) -> None:
    """Apple refuses whoever makes new ones again and again, and does not ask which machine it was."""
    moments = [1_800_000_000.0 + seconds for seconds in (0, 1, 600, 1_799)]
    fake.rules = Rules(fake.key.public_key(), KEY_ID, TEAM_ID, TOPIC, lambda: moments[-1])
    for moment in moments:
        async with speaking_to(fake, authority, now_s=lambda moment=moment: moment) as provider:
            assert (await provider.send(push())).verdict is Verdict.ACCEPTED
    assert len({each.headers["authorization"] for each in fake.pushes}) == 1


async def test_a_server_that_restarts_is_found_again(authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        async with serve(authority) as fake:
            provider = await stack.enter_async_context(speaking_to(fake, authority))
            await provider.send(push())
            fake.is_holding = True
            pushes = [push() for _ in range(20)]
            sending = asyncio.create_task(send_all(provider, pushes))
            await fake.until(lambda: fake.held() == 20)
        for answer in await sending:
            assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
        for _ in range(3):
            answer = await provider.send(push())
            assert (answer.verdict, answer.is_silent, answer.retry_after_s > 0) == (Verdict.RETRY, False, True)
        fake.is_holding = False
        port = urlsplit(fake.url).port
        assert port is not None
        async with serve(authority, port=port, fake=fake):
            await accepted_in_the_end(provider, push())
            assert verdicts(await send_all(provider, pushes)) == {Verdict.ACCEPTED}
            assert fake.accepted().items() >= dict.fromkeys((each.id for each in pushes), 1).items()
        async with serve(authority, port=port, fake=fake):  # this time nothing was under way
            await accepted_in_the_end(provider, push())
    assert fake.connections == 3


async def test_a_connection_that_breaks_leaves_nothing_open(fake: FakeApns, provider: ApnsProvider) -> None:
    fake.break_at = 10
    pushes = [push() for _ in range(30)]
    answers = await send_all(provider, pushes)
    left = [each for each, answer in zip(pushes, answers, strict=True) if answer.verdict is not Verdict.ACCEPTED]
    assert {answer.is_silent for answer in answers if answer.verdict is Verdict.RETRY} == {True}
    for each in left:
        await accepted_in_the_end(provider, each)
    accepted = fake.accepted()
    assert set(accepted) == {each.id for each in pushes}
    assert {push for push, times in accepted.items() if times > 1} <= {each.id for each in left}


async def test_a_server_that_breaks_every_connection_is_not_called_all_the_time(
    fake: FakeApns, provider: ApnsProvider
) -> None:
    fake.break_at = 1
    answers = [await provider.send(push()) for _ in range(3)]
    assert [answer.is_silent for answer in answers] == [True, True, False]
    assert answers[2].retry_after_s > 0
    assert fake.connections == 2


async def let_through(gate: Gate) -> None:
    gate.let_answers_through()


async def test_tls_that_takes_too_long(fake: FakeApns, authority: Authority) -> None:
    async with Gate(fake.url) as gate:
        fake.url = gate.url
        gate.hold_answers()
        async with speaking_to(fake, authority, request_max_s=0.2) as provider:
            answer = await provider.send(push())
            assert (answer.verdict, answer.detail, answer.is_silent) == (Verdict.RETRY, "no connection in time", False)
        async with speaking_to(fake, authority) as provider:
            pushes = [push() for _ in range(50)]
            answers, _ = await asyncio.gather(send_all(provider, pushes), let_through(gate))
            assert verdicts(answers) == {Verdict.ACCEPTED}


async def test_who_is_not_apns(fake: FakeApns, authority: Authority) -> None:
    async with speaking_to(fake, make_authority()) as provider:
        answer = await provider.send(push())
        assert answer.verdict is Verdict.RETRY
        assert "certificate" in answer.detail.lower()
    tls = server_context(authority)  # without ALPN, as of HTTP/1.1
    async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=tls) as server:
        fake.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with speaking_to(fake, authority) as provider:
            answer = await provider.send(push())
            assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
            assert "does not speak HTTP/2" in answer.detail


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (Refusal(410, "Unregistered", timestamp=1_700_000_000_123), (Verdict.GONE, 1_700_000_000_123, 0.0)),
        (Refusal(400, "BadDeviceToken"), (Verdict.GONE, None, 0.0)),
        (Refusal(429, "TooManyRequests", retry_after_s=7), (Verdict.RETRY, None, 7.0)),
        (Refusal(503, "Shutdown"), (Verdict.RETRY, None, 0.0)),
        (Refusal(400, "DeviceTokenNotForTopic"), (Verdict.MISCONFIGURED, None, 0.0)),
    ],
)
async def test_what_apns_says(
    fake: FakeApns, provider: ApnsProvider, refusal: Refusal, expected: tuple[Verdict, int | None, float]
) -> None:
    fake.answers.append(refusal)
    answer = await provider.send(push())
    assert (answer.verdict, answer.gone_since_ms, answer.retry_after_s) == expected
    assert answer.detail == f"{refusal.status} {refusal.reason}"
