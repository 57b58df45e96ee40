"""The fakes in their own process: a test tells them what to do, and reads what they got."""

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from storage.own_keys import VapidKeys
from tests.support.fake_push import fake_push_running
from tests.support.outgoing import outgoing
from tests.support.push_faults import Fault
from workers.push.apns import ApnsProvider
from workers.push.apns_settings import ApnsSettings
from workers.push.fcm import FcmProvider
from workers.push.fcm_settings import FcmSettings
from workers.push.outgoing import Verdict
from workers.push.webpush import WebPushProvider
from workers.push.webpush_settings import WebPushSettings

pytestmark = pytest.mark.integration


async def test_all_providers_are_there_and_do_as_they_are_told() -> None:
    keys = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
    async with fake_push_running() as fakes:
        ready = fakes.ready
        trusting = ssl.create_default_context(cadata=ready.ca)
        to = await fakes.subscribe(keys.public)
        fcm = FcmProvider(FcmSettings.load(ready.credentials, ready.urls["fcm"]), trusting)
        settings = WebPushSettings.load("mailto:ops@app.example", ready.urls["webpush"])
        async with fcm, WebPushProvider(settings, keys, trusting) as webpush:
            first, second = outgoing("token-1"), outgoing(to)
            assert (await fcm.send(first)).verdict is Verdict.ACCEPTED
            assert (await webpush.send(second)).verdict is Verdict.ACCEPTED
            assert [(push.provider, push.id) for push in await fakes.pushes()] == [
                ("fcm", first.id),
                ("webpush", second.id),
            ]
            await fakes.forget()
            await fakes.fault("fcm", Fault(status=429, retry_after="5", times=0))
            answer = await fcm.send(first)
            assert (answer.verdict, answer.retry_after_s) == (Verdict.RETRY, 5.0)
            await fakes.release("fcm")
            await fakes.break_("fcm", "token-1", "UNREGISTERED")
            assert (await fcm.send(first)).verdict is Verdict.GONE
            await fakes.hold("webpush")
            await fakes.let_through("webpush")
            assert (await webpush.send(second)).verdict is Verdict.ACCEPTED
            assert [push.provider for push in await fakes.pushes()] == ["webpush"]


async def test_apns_is_there_too_over_http2() -> None:
    async with fake_push_running() as fakes:
        trusting = ssl.create_default_context(cadata=fakes.ready.ca)
        device, other = "ab" * 32, "cd" * 32
        async with ApnsProvider(ApnsSettings.load(**fakes.ready.apns), trusting) as apns:
            push = outgoing(device)
            assert (await apns.send(push)).verdict is Verdict.ACCEPTED
            assert [(got.provider, got.id, got.to) for got in await fakes.pushes()] == [("apns", push.id, device)]
            await fakes.forget()
            await fakes.fault("apns", Fault(status=503, code="Shutdown", retry_after="5", times=2))
            answers = [await apns.send(push) for _ in range(3)]
            assert [(answer.verdict, answer.retry_after_s) for answer in answers] == [
                (Verdict.RETRY, 5.0),
                (Verdict.RETRY, 5.0),
                (Verdict.ACCEPTED, 0.0),
            ]
            await fakes.break_("apns", other, "Unregistered")
            answer = await apns.send(outgoing(other))
            assert answer.verdict is Verdict.GONE
            assert answer.gone_since_ms
            await fakes.fault("apns", Fault(what="close", is_kept=True))
            answer = await apns.send(push)
            assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
            assert (await apns.send(push)).verdict is Verdict.ACCEPTED
            assert [got.id for got in await fakes.pushes()] == [push.id] * 3
            await fakes.forget()
            await fakes.fault("apns", Fault(what="goaway"))
            assert (await apns.send(push)).verdict is Verdict.ACCEPTED, "on another connection"
            assert [(got.id, got.answer) for got in await fakes.tries()] == [(push.id, 0), (push.id, 200)]


@pytest.mark.parametrize("provider", ["fcm", "apns"])
async def test_every_try_is_on_record_with_its_answer(provider: str) -> None:
    async with fake_push_running() as fakes:
        trusting = ssl.create_default_context(cadata=fakes.ready.ca)
        sender: FcmProvider | ApnsProvider = ApnsProvider(ApnsSettings.load(**fakes.ready.apns), trusting)
        if provider == "fcm":
            sender = FcmProvider(FcmSettings.load(fakes.ready.credentials, fakes.ready.urls["fcm"]), trusting)
        async with sender:
            push = outgoing("ab" * 32)
            await fakes.fault(provider, Fault(status=503))
            await fakes.fault(provider, Fault(what="close", is_kept=True))
            answers = [await sender.send(push) for _ in range(3)]
            assert [answer.verdict for answer in answers] == [Verdict.RETRY, Verdict.RETRY, Verdict.ACCEPTED]
            assert [got.answer for got in await fakes.tries()] == [503, 0, 200]
            assert [got.answer for got in await fakes.pushes()] == [0, 200]
            await fakes.shut(provider)
            answers = [
                await sender.send(push) for _ in range(2)
            ]  # the first may find a connection that is not known to be dead
            assert [answer.verdict for answer in answers] == [Verdict.RETRY, Verdict.RETRY]
            assert not answers[1].is_silent
            await fakes.open_again(provider)
            while (
                await sender.send(push)
            ).verdict is not Verdict.ACCEPTED:  # it waits a moment before it connects again
                pass
