"""The webhook provider against a server that verifies what it gets, over real connections."""

import base64
import logging
import re
import runpy
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.support.certificates import client_context, make_authority, server_context
from tests.support.fake_webhook import FakeWebhook
from workers.push.outgoing import Answer, Content, Outgoing, Verdict
from workers.push.webhook import WebhookProvider
from workers.push.webhook_settings import WebhookSettings

pytestmark = pytest.mark.integration

OLD, NEW = (f"whsec_{base64.b64encode(bytes([number]) * 24).decode()}" for number in (1, 2))
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "push.md"
HERE = "127.0.0.0/8"
CONTENT = Content(
    kind="hug.received",
    category="hugs",
    title="A hug for you",
    body="وصلك عناق.",
    collapse_key="hugs",
    badge=3,
    data={"hug": "an-id"},
)


def outgoing(id_: str = "0190f5fe-7c00-7a00-8000-000000000001") -> Outgoing:
    return Outgoing(id=id_, user="a-user", to="", content=CONTENT, ttl_s=60)


class Leading(AbstractResolver):
    """Every name leads to *addresses*."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.addresses
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def fake() -> AsyncIterator[FakeWebhook]:
    async with FakeWebhook(OLD).serving() as serving:
        yield serving


@asynccontextmanager
async def provider(fake: FakeWebhook, secrets: str = OLD, within_s: float = 14.5) -> AsyncIterator[WebhookProvider]:
    settings = WebhookSettings.load(fake.url, secrets, HERE)
    async with WebhookProvider(settings, within_s=within_s) as made:
        yield made


async def answers(fake: FakeWebhook, *statuses: int, **headers: str) -> Sequence[Answer]:
    fake.plan(*statuses, **headers)
    async with provider(fake) as made:
        return [await made.send(outgoing()) for _ in statuses]


async def test_it_is_signed_with_the_old_secret_and_the_new_one(fake: FakeWebhook) -> None:
    async with FakeWebhook(NEW).serving() as rotated:
        for server in (fake, rotated):
            async with provider(server, f"{NEW},{OLD}") as made:
                assert await made.send(outgoing()) == Answer(verdict=Verdict.ACCEPTED, detail="204")
            ((id_, body),) = server.taken
            assert (id_, body["type"], body["timestamp"][-1]) == (outgoing().id, "notification", "Z")
            assert body["data"] == {
                "user": "a-user",
                "delivery": outgoing().id,
                "kind": "hug.received",
                "category": "hugs",
                "title": "A hug for you",
                "body": "وصلك عناق.",
                "badge": 3,
                "collapse_key": "hugs",
                "data": {"hug": "an-id"},
            }


async def test_the_example_of_the_documentation_takes_and_refuses(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "hooks.py").write_text(example.replace("whsec_...", OLD), encoding="utf-8")
    runner = web.AppRunner(runpy.run_path(str(tmp_path / "hooks.py"))["app"])
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
        for secret, detail in ((f"{NEW},{OLD}", "204"), (NEW, "401")):
            async with WebhookProvider(WebhookSettings.load(url, secret, HERE)) as made:
                assert (await made.send(outgoing())).detail == detail
    finally:
        await runner.cleanup()


async def test_a_second_try_has_the_same_id(fake: FakeWebhook) -> None:
    first, second = await answers(fake, 503, 200)
    assert (first.verdict, second.verdict) == (Verdict.RETRY, Verdict.ACCEPTED)
    assert {id_ for id_, _ in fake.taken} == {outgoing().id}


@pytest.mark.parametrize("status", [500, 503, 599, 408])
async def test_what_fails_there_is_tried_again(fake: FakeWebhook, status: int) -> None:
    assert await answers(fake, status) == [Answer(verdict=Verdict.RETRY, detail=str(status))]


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_what_is_refused_is_not_tried_again(fake: FakeWebhook, status: int) -> None:
    assert await answers(fake, status) == [Answer(verdict=Verdict.REFUSED, detail=str(status))]


async def test_it_slows_down_more_and_more_until_all_is_well(fake: FakeWebhook) -> None:
    waits = [answer.retry_after_s for answer in await answers(fake, 429, 502, 504, 200, 429)]
    assert waits == [2, 4, 8, 0, 2]
    (answer,) = await answers(fake, 429, Retry_After="1000")
    assert (answer.verdict, answer.retry_after_s) == (Verdict.RETRY, 1000)
    async with provider(fake) as made:
        fake.plan(*[429] * 12)
        waits = [(await made.send(outgoing())).retry_after_s for _ in range(12)]
    assert (waits[7], waits[8], waits[11]) == (256, 300, 300)


async def test_a_410_switches_it_off_and_says_so(fake: FakeWebhook, caplog: pytest.LogCaptureFixture) -> None:
    fake.plan(410)
    async with provider(fake) as made:
        assert not made.is_off
        assert (await made.send(outgoing())).verdict is Verdict.REFUSED
        assert made.is_off
        assert (await made.send(outgoing())).verdict is Verdict.REFUSED
    assert len(fake.taken) == 1
    (record,) = [record for record in caplog.records if record.name == "hugmood.push.webhook"]
    assert record.levelno == logging.CRITICAL


async def test_redirects_are_not_followed(fake: FakeWebhook) -> None:
    (answer,) = await answers(fake, 307, Location="/elsewhere")
    assert answer.verdict is Verdict.MISCONFIGURED
    assert fake.paths == ["/hooks"]


async def test_a_server_that_never_answers_is_given_up(fake: FakeWebhook) -> None:
    fake.plan(0)
    async with provider(fake, within_s=0.3) as made:
        answer = await made.send(outgoing())
    assert answer.verdict is Verdict.RETRY


async def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with WebhookProvider(WebhookSettings.load(f"http://127.0.0.1:{port}/", OLD, HERE)) as made:
        answer = await made.send(outgoing())
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["10.1.2.3"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["fe80::1"],
    ],
)
async def test_a_name_that_leads_inside_is_never_connected_to(addresses: list[str]) -> None:
    authority = make_authority()
    async with FakeWebhook(OLD).serving(server_context(authority)) as fake:
        settings = WebhookSettings.load(fake.url.replace("127.0.0.1", "localhost"), OLD)
        async with WebhookProvider(settings, client_context(authority), Leading(*addresses)) as made:
            answer = await made.send(outgoing())
    assert answer == Answer(verdict=Verdict.MISCONFIGURED, detail="not reached: its address is not public")
    assert fake.taken == []


async def test_a_name_that_leads_elsewhere_later_is_judged_again() -> None:
    authority = make_authority()
    async with FakeWebhook(OLD).serving(server_context(authority)) as fake:
        settings = WebhookSettings.load(fake.url.replace("127.0.0.1", "localhost"), OLD, "127.0.0.1/32")
        resolver = Leading("127.0.0.1")
        async with WebhookProvider(settings, client_context(authority), resolver) as made:
            assert (await made.send(outgoing())).verdict is Verdict.ACCEPTED
        resolver.addresses = ("127.0.0.2",)
        async with WebhookProvider(settings, client_context(authority), resolver) as made:
            assert (await made.send(outgoing())).verdict is Verdict.MISCONFIGURED
    assert len(fake.taken) == 1


async def test_a_server_that_nobody_vouches_for_gets_nothing() -> None:
    async with FakeWebhook(OLD).serving(server_context(make_authority())) as fake:
        settings = WebhookSettings.load(fake.url, OLD, HERE)
        async with WebhookProvider(settings, client_context(make_authority())) as made:
            answer = await made.send(outgoing())
    assert (answer.verdict, answer.detail) == (Verdict.RETRY, "not reached: its certificate is not trusted")
    assert fake.taken == []
