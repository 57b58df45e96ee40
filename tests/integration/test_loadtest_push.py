"""`hugmood loadtest push`: sinks that take what real providers send, a run on a real server, and what is told of wrong counts."""

import ssl
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from loadtest.clients.devices import DEVICES
from loadtest.results import Result
from loadtest.server.stack import COMMAND
from loadtest.server.stored_pushes import judge_pushes
from loadtest.sinks.counting import Taken
from loadtest.sinks.sink import PROVIDERS, browser_keys, running_sink
from storage.own_keys import VapidKeys
from tests.support.outgoing import outgoing
from workers.push.apns import ApnsProvider, ApnsSettings
from workers.push.fcm import FcmProvider, FcmSettings
from workers.push.outgoing import Provider, Verdict
from workers.push.webpush import WebPushProvider, WebPushSettings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def provider_for(name: str, settings: dict[str, str]) -> Provider:
    tls = ssl.create_default_context(cafile=settings["HUGMOOD_PUSH_CA_FILE"])
    if name == "fcm":
        return FcmProvider(FcmSettings.load(settings["HUGMOOD_FCM_CREDENTIALS"], settings["HUGMOOD_FCM_URL"]), tls)
    if name == "apns":
        parts = [settings[f"HUGMOOD_APNS_{part}"] for part in ("KEY", "KEY_ID", "TEAM_ID", "TOPIC", "URL")]
        return ApnsProvider(ApnsSettings.load(*parts), tls)
    hosts = settings["HUGMOOD_WEBPUSH_HOSTS"]
    own = VapidKeys(ec.generate_private_key(ec.SECP256R1()))
    return WebPushProvider(WebPushSettings.load(settings["HUGMOOD_WEBPUSH_SUBJECT"], hosts), own, tls)


@pytest.mark.parametrize("name", PROVIDERS)
async def test_a_sink_takes_what_its_provider_sends_and_counts_devices(name: str) -> None:
    async with AsyncExitStack() as stack:
        sink = stack.enter_context(running_sink(name))
        assert sink.taken() == Taken(0, 0, 0, 0.0, 0.0)
        keys = browser_keys()
        provider = await stack.enter_async_context(provider_for(name, dict(sink.settings)))
        for user in ("ana", "ben", "ana", "ana"):
            device = DEVICES[name](user, sink.url, keys)
            to = device["token"] if "token" in device else msgspec.json.encode(device["subscription"]).decode()
            assert (await provider.send(outgoing(to))).verdict is Verdict.ACCEPTED
        taken = sink.taken()
        assert (taken.pushes, taken.devices, taken.most) == (4, 2, 3)
        assert 0 < taken.first_at < taken.last_at


def test_a_run_finds_nothing_lost_and_nothing_doubled(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    command = [COMMAND, "loadtest", "push", "--up", "--provider", "apns", "--pushes", "60", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    result = msgspec.json.decode(out.read_bytes(), type=Result)
    assert result.problems == []
    assert result.counts["hugs"] == 80  # with those of warming up
    rows = {row.key: row.value for row in result.rows}
    assert rows["pushes_per_s"] > 0
    assert rows.keys() >= {"pushes_per_s", "queued_per_s", "worker_cpu_us", "postgres_cpu_us"}


def test_what_is_lost_doubled_or_not_written_down_is_told() -> None:
    assert judge_pushes(7, Taken(7, 7, 1, 1.0, 2.0), {"accepted": 7}) == []
    assert judge_pushes(7, Taken(7, 7, 1, 1.0, 2.0), None) == []
    (lost,) = judge_pushes(7, Taken(6, 6, 1, 1.0, 2.0), None)
    assert lost == "7 devices were to be pushed to, and 6 were"
    (doubled,) = judge_pushes(7, Taken(9, 7, 3, 1.0, 2.0), {"accepted": 7})
    assert doubled == "2 pushes were doubled; one device got 3"
    (stored,) = judge_pushes(7, Taken(7, 7, 1, 1.0, 2.0), {"accepted": 6, "sent": 1})
    assert "{'accepted': 6, 'sent': 1}" in stored
