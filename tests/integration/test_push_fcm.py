"""Pushes through FCM, as a real server sees them."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from deploy.ports import free_port
from tests.support.certificates import client_context, make_authority, server_context
from tests.support.fake_fcm import PROJECT, FakeFcm
from tests.support.outgoing import outgoing
from tests.support.push_faults import Fault
from workers.push import fcm as module
from workers.push.fcm import FcmProvider
from workers.push.fcm_settings import FcmSettings
from workers.push.google_tokens import FETCH_MAX_S, AccessTokens
from workers.push.outgoing import Verdict
from workers.push.posting import Poster

pytestmark = pytest.mark.integration


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now_s = time.time() - 3_300  # up to the true time: what it signs is checked by that

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def fake() -> AsyncIterator[FakeFcm]:
    async with FakeFcm() as fake:
        yield fake


@pytest.fixture
async def fcm(fake: FakeFcm) -> AsyncIterator[FcmProvider]:
    async with FcmProvider(FcmSettings.load(fake.credentials, fake.url)) as fcm:
        yield fcm


async def test_a_push_arrives_with_its_ids(fake: FakeFcm, fcm: FcmProvider) -> None:
    sent = outgoing("token-1", "Ana hugged you 🫂", ttl_s=600)
    answer = await fcm.send(sent)
    assert (answer.verdict, answer.ref) == (Verdict.ACCEPTED, f"projects/{PROJECT}/messages/1")
    (push,) = fake.pushes
    assert (push.to, push.id, push.collapse_key) == ("token-1", sent.id, "hugs-Ana_1")
    assert (push.title, push.text) == ("A hug", "Ana hugged you 🫂")
    assert push.message["android"]["ttl"] == "600s"


async def test_a_hundred_at_once_need_one_token_and_few_connections(fake: FakeFcm, fcm: FcmProvider) -> None:
    answers = await asyncio.gather(*(fcm.send(outgoing(f"token-{number}")) for number in range(100)))
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert len(fake.granted) == 1
    assert sorted(push.to for push in fake.pushes) == sorted(f"token-{number}" for number in range(100))
    assert len(fake.connections) <= fcm.in_flight_max == 64
    before = len(fake.connections)
    for number in range(20):
        await fcm.send(outgoing(f"token-{number}"))
    assert len(fake.connections) == before, "connections are used again"


async def test_all_that_may_be_under_way_are_at_once(fake: FakeFcm, fcm: FcmProvider) -> None:
    fake.faults.append(Fault(what="hang", times=0))
    sending = [asyncio.create_task(fcm.send(outgoing("a"))) for _ in range(fcm.in_flight_max)]
    await fake.arrived(1 + len(sending))  # nobody waits for a connection
    fake.release()
    assert {(answer.verdict, answer.is_silent) for answer in await asyncio.gather(*sending)} == {(Verdict.RETRY, True)}


async def test_a_token_is_renewed_five_minutes_before_its_end(fake: FakeFcm) -> None:
    clock = Clock()
    fcm = FcmProvider(FcmSettings.load(fake.credentials, fake.url), now_s=clock)
    async with fcm:
        assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED
        clock.now_s += 3_299
        await fcm.send(outgoing("a"))
        assert len(fake.granted) == 1
        clock.now_s += 1
        answers = await asyncio.gather(*(fcm.send(outgoing("a")) for _ in range(100)))
        assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
        assert len(fake.granted) == 2


async def test_a_refused_token_is_renewed_once_for_all(fake: FakeFcm, fcm: FcmProvider) -> None:
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED
    fake.good.clear()
    answers = await asyncio.gather(*(fcm.send(outgoing("a")) for _ in range(50)))
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
    assert len(fake.granted) == 2
    fake.faults.append(Fault(status=401, body="<html><title>Error 401 (Unauthorized)!!1</title></html>"))
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED
    assert len(fake.granted) == 3


async def test_who_is_refused_with_a_new_token_is_misconfigured(fake: FakeFcm, fcm: FcmProvider) -> None:
    fake.faults.append(Fault(status=401, body="<html>", times=0))
    answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.detail) == (Verdict.MISCONFIGURED, "401")
    assert fake.requests.count("/token") == 2
    assert len(fake.requests) == 4, "one more try, and no more"


async def test_there_is_no_second_try_beyond_the_time_for_one(
    fake: FakeFcm, fcm: FcmProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.faults.append(Fault(status=401, body="<html>"))
    with monkeypatch.context() as soon:
        soon.setattr(module, "SEND_MAX_S", module.MARGIN_S + FETCH_MAX_S)
        answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED
    assert len(fake.granted) == 2


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("UNREGISTERED", Verdict.GONE),
        ("INVALID_ARGUMENT", Verdict.GONE),
        ("SENDER_ID_MISMATCH", Verdict.MISCONFIGURED),
        ("THIRD_PARTY_AUTH_ERROR", Verdict.MISCONFIGURED),
    ],
)
async def test_what_is_said_about_a_token(fake: FakeFcm, fcm: FcmProvider, code: str, verdict: Verdict) -> None:
    fake.broken["a"] = code
    assert (await fcm.send(outgoing("a"))).verdict is verdict
    assert (await fcm.send(outgoing("b"))).verdict is Verdict.ACCEPTED
    assert len(fake.granted) == 1


async def test_later_is_not_sooner_than_they_ask(fake: FakeFcm, fcm: FcmProvider) -> None:
    fake.faults += [Fault(status=429, code="QUOTA_EXCEEDED", retry_after="37"), Fault(status=503, code="UNAVAILABLE")]
    answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.retry_after_s, answer.detail) == (Verdict.RETRY, 37.0, "429 QUOTA_EXCEEDED")
    answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.retry_after_s, answer.is_silent) == (Verdict.RETRY, 0.0, False)
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED


async def test_who_hangs_up_after_the_push_may_have_delivered_it(fake: FakeFcm, fcm: FcmProvider) -> None:
    fake.faults.append(Fault(what="close", is_kept=True))
    answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
    assert len(fake.pushes) == 1


async def test_who_never_answers_is_given_up_in_time(
    fake: FakeFcm, fcm: FcmProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fcm.send(outgoing("a"))  # now there is a connection: the time is up while it is asked
    fake.faults.append(Fault(what="hang"))
    with monkeypatch.context() as soon:
        soon.setattr(module, "SEND_MAX_S", module.MARGIN_S + 0.3)
        answer = await fcm.send(outgoing("b"))
    assert (answer.verdict, answer.is_silent, answer.detail) == (Verdict.RETRY, True, "no answer in time")
    assert (await fcm.send(outgoing("c"))).verdict is Verdict.ACCEPTED


async def test_who_is_not_there_was_not_asked(fake: FakeFcm) -> None:
    settings = FcmSettings.load(fake.credentials, f"http://127.0.0.1:{free_port()}")
    async with FcmProvider(settings) as fcm:
        answer = await fcm.send(outgoing("a"))
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
    assert answer.detail.startswith("not reached")


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault(of="token", status=400), Verdict.MISCONFIGURED),
        (Fault(of="token", status=401), Verdict.MISCONFIGURED),
        (Fault(of="token", status=200, body="<html>"), Verdict.MISCONFIGURED),
        (Fault(of="token", status=503, retry_after="9"), Verdict.RETRY),
        (Fault(of="token", status=429, retry_after="9"), Verdict.RETRY),
        (Fault(of="token", what="close"), Verdict.RETRY),
    ],
)
async def test_without_an_access_token_nothing_is_sent(
    fake: FakeFcm, fcm: FcmProvider, fault: Fault, verdict: Verdict
) -> None:
    fake.faults.append(fault)
    answers = await asyncio.gather(*(fcm.send(outgoing("a")) for _ in range(10)))
    assert {answer.verdict for answer in answers} == {verdict}
    assert {answer.retry_after_s for answer in answers} == {9.0 if fault.retry_after else 0.0}
    assert not any(answer.is_silent for answer in answers)
    assert fake.requests == ["/token"], "they all waited for the same fetch"
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED


async def test_who_stops_waiting_leaves_the_fetch_to_the_others(fake: FakeFcm, fcm: FcmProvider) -> None:
    first, second = (asyncio.create_task(fcm.send(outgoing(to))) for to in ("a", "b"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).verdict is Verdict.ACCEPTED
    assert first.cancelled()
    assert [push.to for push in fake.pushes] == ["b"]


async def test_a_late_refusal_does_not_cost_the_new_token(fake: FakeFcm) -> None:
    account = FcmSettings.load(fake.credentials, fake.url).account
    async with Poster() as poster:
        tokens = AccessTokens(account, poster)
        first = await tokens.get()
        tokens.drop(first)
        second = await tokens.get()
        tokens.drop(first)
        assert await tokens.get() == second != first
    assert fake.granted == [first, second]


async def test_nothing_goes_on_behind_its_end(fake: FakeFcm) -> None:
    fake.faults.append(Fault(of="token", what="hang"))
    async with FcmProvider(FcmSettings.load(fake.credentials, fake.url)) as fcm:
        sending = asyncio.create_task(fcm.send(outgoing("a")))
        await fake.arrived(1)
        sending.cancel()
    assert not [task for task in asyncio.all_tasks() if "_fetch" in repr(task.get_coro())]


async def test_what_is_too_long_is_cut_or_never_sent(fake: FakeFcm, fcm: FcmProvider) -> None:
    assert (await fcm.send(outgoing("a", "抱" * 3_000))).verdict is Verdict.ACCEPTED
    assert fake.pushes[0].text.endswith("抱…")
    answer = await fcm.send(outgoing("a", data={"x": "y" * 4_096}))
    assert (answer.verdict, answer.detail) == (Verdict.REFUSED, "more than 4096 bytes")
    assert len(fake.requests) == 2


async def test_names_that_fcm_keeps_for_itself_cost_no_push_and_no_token(fake: FakeFcm, fcm: FcmProvider) -> None:
    names = ("from", "message_type", "google.ttl", "gcm.x", "googled", "to", "fromage")
    assert (await fcm.send(outgoing("a", data=dict.fromkeys(names, "x")))).verdict is Verdict.ACCEPTED
    assert set(fake.pushes[0].message["data"]) == {"to", "fromage", "kind", "delivery"}


async def test_redirects_are_not_followed(fake: FakeFcm, fcm: FcmProvider) -> None:
    fake.faults.append(Fault(status=307, body="", location=f"{fake.url}/elsewhere"))
    assert (await fcm.send(outgoing("a"))).verdict is Verdict.MISCONFIGURED
    assert "/elsewhere" not in fake.requests


async def test_over_tls_only_who_is_trusted_is_told() -> None:
    authority = make_authority()
    async with FakeFcm(server_context(authority)) as fake:
        settings = FcmSettings.load(fake.credentials, fake.url)
        async with FcmProvider(settings, client_context(authority)) as fcm:
            assert (await fcm.send(outgoing("a"))).verdict is Verdict.ACCEPTED
        for stranger in (client_context(make_authority()), None):
            async with FcmProvider(settings, stranger) as fcm:
                answer = await fcm.send(outgoing("a"))
            assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)
            assert answer.detail == "access token: not reached: its certificate is not trusted"
        assert len(fake.requests) == 2
