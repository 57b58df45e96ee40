"""Pushes to browsers, as a push service sees them and as the browser reads them."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.ports import free_port
from storage.own_keys import VapidKeys
from tests.support.certificates import client_context, make_authority, server_context
from tests.support.fake_webpush import FakeWebPush
from tests.support.outgoing import outgoing
from tests.support.push_faults import Fault
from workers.push import posting
from workers.push import webpush as module
from workers.push.outgoing import Outgoing, Verdict
from workers.push.webpush import PLAIN_MAX_BYTES, WebPushProvider, encode_plain
from workers.push.webpush_settings import WebPushSettings

pytestmark = pytest.mark.integration

KEYS = VapidKeys(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
async def fake() -> AsyncIterator[FakeWebPush]:
    async with FakeWebPush() as fake:
        yield fake


@pytest.fixture
async def webpush(fake: FakeWebPush) -> AsyncIterator[WebPushProvider]:
    async with WebPushProvider(WebPushSettings.load("mailto:ops@app.example", fake.url), KEYS) as webpush:
        yield webpush


async def test_a_browser_reads_what_was_sent(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    sent = outgoing(fake.subscribe(KEYS.public), "Ana hugged you 🫂", ttl_s=600)
    answer = await webpush.send(sent)
    assert (answer.verdict, answer.detail, answer.ref) == (Verdict.ACCEPTED, "201", f"{fake.url}/message/1")
    (push,) = fake.pushes
    assert (push.id, push.collapse_key, push.title, push.text) == (sent.id, "hugs-Ana_1", "A hug", "Ana hugged you 🫂")
    assert push.message == msgspec.json.decode(encode_plain(sent))
    assert (push.headers["ttl"], push.headers["urgency"], push.headers["topic"]) == ("600", "high", "hugs-Ana_1")


async def test_what_need_not_ring_is_not_urgent(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    await webpush.send(outgoing(fake.subscribe(KEYS.public), is_urgent=False))
    assert fake.pushes[0].headers["urgency"] == "normal"


async def test_many_share_connections_and_one_signature(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    to = [fake.subscribe(KEYS.public) for _ in range(100)]
    answers = await asyncio.gather(*(webpush.send(outgoing(each)) for each in to))
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert len({push.headers["authorization"] for push in fake.pushes}) == 1
    assert len(fake.connections) <= webpush.in_flight_max == 64
    before = len(fake.connections)
    for _ in range(20):
        await webpush.send(outgoing(to[0]))
    assert len(fake.connections) == before, "connections are used again"


async def test_all_that_may_be_under_way_are_at_once(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    to = fake.subscribe(KEYS.public)
    fake.faults.append(Fault(what="hang", times=0))
    sending = [asyncio.create_task(webpush.send(outgoing(to))) for _ in range(webpush.in_flight_max)]
    await fake.arrived(len(sending))  # nobody waits for a connection
    fake.release()
    assert {(answer.verdict, answer.is_silent) for answer in await asyncio.gather(*sending)} == {(Verdict.RETRY, True)}


def of_size(to: str, size: int) -> Outgoing:
    """With a plaintext of so many bytes."""
    return outgoing(to, "x" * (size - len(encode_plain(outgoing(to, "")))))


async def test_the_longest_goes_and_one_byte_more_is_never_sent(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    to = fake.subscribe(KEYS.public)
    assert (await webpush.send(of_size(to, PLAIN_MAX_BYTES))).verdict is Verdict.ACCEPTED
    answer = await webpush.send(of_size(to, PLAIN_MAX_BYTES + 1))
    assert (answer.verdict, answer.detail) == (Verdict.REFUSED, "3994 bytes, more than 3993")
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("404", Verdict.GONE),
        ("410", Verdict.GONE),
        ("400", Verdict.MISCONFIGURED),
        ("401", Verdict.MISCONFIGURED),
        ("403", Verdict.MISCONFIGURED),
        ("413", Verdict.MISCONFIGURED),
        ("500", Verdict.RETRY),
    ],
)
async def test_what_is_said_about_a_subscription(
    fake: FakeWebPush, webpush: WebPushProvider, status: str, verdict: Verdict
) -> None:
    to = fake.subscribe(KEYS.public)
    fake.broken[msgspec.json.decode(to)["endpoint"]] = status
    answer = await webpush.send(outgoing(to))
    assert (answer.verdict, answer.detail) == (verdict, f"{status} Broken")


async def test_a_subscription_with_another_key_is_not_ours_to_use(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    stranger = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
    answer = await webpush.send(outgoing(fake.subscribe(stranger.public)))
    assert (answer.verdict, answer.detail) == (Verdict.MISCONFIGURED, "403 VapidKeyMismatch")
    assert fake.pushes == []


async def test_later_is_not_sooner_than_they_ask(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    to = fake.subscribe(KEYS.public)
    fake.faults += [Fault(status=429, retry_after="37"), Fault(status=503)]
    answer = await webpush.send(outgoing(to))
    assert (answer.verdict, answer.retry_after_s) == (Verdict.RETRY, 37.0)
    assert (await webpush.send(outgoing(to))).verdict is Verdict.RETRY
    assert (await webpush.send(outgoing(to))).verdict is Verdict.ACCEPTED


async def test_who_never_answers_is_given_up_in_time(
    fake: FakeWebPush, webpush: WebPushProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = fake.subscribe(KEYS.public)
    await webpush.send(outgoing(to))  # now there is a connection: the time is up while it is asked
    fake.faults.append(Fault(what="hang"))
    with monkeypatch.context() as soon:
        soon.setattr(module, "SEND_MAX_S", module.MARGIN_S + 0.3)
        answer = await webpush.send(outgoing(to))
    assert (answer.verdict, answer.is_silent, answer.detail) == (Verdict.RETRY, True, "no answer in time")
    assert (await webpush.send(outgoing(to))).verdict is Verdict.ACCEPTED


async def test_who_hangs_up_after_the_push_may_have_delivered_it(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    fake.faults.append(Fault(what="close", is_kept=True))
    answer = await webpush.send(outgoing(fake.subscribe(KEYS.public)))
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
    assert len(fake.pushes) == 1


async def test_who_is_not_there_was_not_asked(fake: FakeWebPush) -> None:
    to = msgspec.json.decode(fake.subscribe(KEYS.public))
    to["endpoint"] = f"http://127.0.0.1:{free_port()}/x"
    settings = WebPushSettings.load("mailto:ops@app.example", to["endpoint"].removesuffix("/x"))
    async with WebPushProvider(settings, KEYS) as webpush:
        answer = await webpush.send(outgoing(msgspec.json.encode(to).decode()))
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)


async def test_a_handshake_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "CONNECT_MAX_S", 0.3)
    authority = make_authority()
    async with FakeWebPush(server_context(authority), is_gated=True) as fake:
        settings = WebPushSettings.load("https://app.example/contact", fake.url)
        to = fake.subscribe(KEYS.public)
        assert fake.gate is not None
        async with WebPushProvider(settings, KEYS, client_context(authority)) as webpush:
            fake.gate.hold_answers()
            answer = await webpush.send(outgoing(to))
            assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
            fake.gate.let_answers_through()
            monkeypatch.undo()
            assert (await webpush.send(outgoing(to))).verdict is Verdict.ACCEPTED
        assert len(fake.pushes) == 1


async def test_only_push_services_are_called(fake: FakeWebPush) -> None:
    to = fake.subscribe(KEYS.public)
    async with WebPushProvider(WebPushSettings.load("mailto:ops@app.example"), KEYS) as webpush:
        answer = await webpush.send(outgoing(to))
    assert (answer.verdict, fake.requests) == (Verdict.REFUSED, [])
    assert "127.0.0.1" not in answer.detail


async def test_redirects_are_not_followed(fake: FakeWebPush, webpush: WebPushProvider) -> None:
    fake.faults.append(Fault(status=307, body="", location=f"{fake.url}/elsewhere"))
    assert (await webpush.send(outgoing(fake.subscribe(KEYS.public)))).verdict is Verdict.MISCONFIGURED
    assert "/elsewhere" not in fake.requests


@pytest.mark.parametrize(
    "change",
    [
        {"keys": {"p256dh": "AAAA", "auth": "AAAA"}},
        {"keys": {"p256dh": "A", "auth": "A"}},
        {"keys": {"p256dh": "B" * 87, "auth": "A" * 22}},  # no point of the curve
        {"keys": {"p256dh": "", "auth": ""}},
        {"keys": None},
        {"endpoint": 7},
    ],
)
async def test_what_is_no_subscription_is_refused(
    fake: FakeWebPush, webpush: WebPushProvider, change: dict[str, object]
) -> None:
    to = msgspec.json.decode(fake.subscribe(KEYS.public)) | change
    assert (await webpush.send(outgoing(msgspec.json.encode(to).decode()))).verdict is Verdict.REFUSED
    assert fake.requests == []


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, "\ud800"])
async def test_what_is_no_json_is_refused(fake: FakeWebPush, webpush: WebPushProvider, text: str) -> None:
    assert (await webpush.send(outgoing(text))).verdict is Verdict.REFUSED
