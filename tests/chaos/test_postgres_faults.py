"""PostgreSQL down: `unavailable` with a time to come back, ephemeral things go on, and no `ok` without a commit."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from domain.ids import uuid7
from tests.chaos.conftest import Site
from tests.support.hubs import Person, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

BACK_WITHIN_S = 30
_NUMBERS = count(1)


def new_hug(to: Person) -> dict[str, Any]:
    return {"id": uuid7(1_780_000_000_000 + next(_NUMBERS)), "to": to.id, "kind": "bear"}


async def send_until_ok(wire: Wire, hug: dict[str, Any]) -> dict[str, Any]:
    """As a client does: the same command again, when the hub says so."""
    async with asyncio.timeout(BACK_WITHIN_S):
        while True:
            reply = await wire.ask("hug.send", **hug)
            if reply["type"] == "ok":
                return reply
            assert (reply["code"], reply["retryable"]) == ("unavailable", True), reply
            await asyncio.sleep(reply["retry_after_ms"] / 1000)


async def history(url: str, person: Person) -> list[str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {person.access_token}"}
        parameters = {"direction": "received", "limit": "100"}
        page = (await client.get(f"{url}/v1/hugs", params=parameters, headers=headers)).json()
        assert page["next"] is None
        return [item["id"] for item in page["items"]]


async def is_ready(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        return (await client.get(f"{url}/readyz")).status_code == 200


async def test_stopped(site: Site) -> None:
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as recipient,
    ):
        await send_until_ok(sender, new_hug(ben))
        assert (await recipient.hear("hug.received"))["seq"] == 1
        site.postgres.stop()
        hug = new_hug(ben)
        reply = await sender.ask("hug.send", **hug)
        assert (reply["code"], reply["retryable"]) == ("unavailable", True)
        assert reply["retry_after_ms"] > 0
        for command in ({"type_": "hug.seen", "ids": [hug["id"]]}, {"type_": "friend.request", "to": ben.id}):
            assert (await sender.ask(**command))["code"] == "unavailable"
        assert (await sender.ask("ping"))["type"] == "ok", "what needs no mailbox goes on"
        assert not await is_ready(site.one.url)
        # A session that cannot be opened is told when to come back.
        async with await Wire.open(site.one.url) as late:
            late.say(type="hello", token=ben.access_token, device="late")
            ended = await late.ended()
            assert ended.code == 4100
            assert ended.bye is not None
            assert ended.bye["reconnect"] is True
            assert ended.bye["retry_after_ms"] > 0
        site.postgres.start()
        answer = await send_until_ok(sender, hug)
        assert (await send_until_ok(sender, hug))["at"] == answer["at"]
        event = await recipient.hear("hug.received")
        assert (event["seq"], event["id"]) == (2, hug["id"])
        assert await is_ready(site.one.url)


async def test_a_status_changed_meanwhile_is_told_when_it_is_back(site: Site) -> None:
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as recipient,
    ):
        site.postgres.stop()
        assert (await sender.ask("presence.set", status="do_not_disturb"))["type"] == "ok"
        await asyncio.sleep(6)  # longer than changes are gathered: it is due while the mailbox is away
        site.postgres.start()
        while (await recipient.hear("presence", within_s=BACK_WITHIN_S))["status"] != "do_not_disturb":
            pass


async def test_killed_in_the_middle_of_a_stream_of_hugs(site: Site) -> None:
    """kill -9: what was answered ok is there after recovery, and what was not can be sent again without doubling it."""
    ana, ben = await make_friends(site.postgres.url, 2)
    sent: list[dict[str, Any]] = []
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as recipient,
    ):
        for _ in range(3):
            hugs = [new_hug(ben) for _ in range(30)]
            for hug in hugs:
                sender.say(type="hug.send", ref=hug["id"], **hug)
            assert (await sender.reply_to(hugs[0]["id"]))["type"] == "ok", "they are on their way"
            site.postgres.kill()
            replies = {hug["id"]: await sender.reply_to(hug["id"]) for hug in hugs[1:]}
            site.postgres.start()
            for hug in hugs[1:]:
                if replies[hug["id"]]["type"] == "error":
                    assert replies[hug["id"]]["code"] == "unavailable"
                    await send_until_ok(sender, hug)
            sent += hugs
        received = []
        for seq in range(1, len(sent) + 1):
            event = await recipient.hear("hug.received", within_s=75)
            assert event["seq"] == seq
            received.append(event["id"])
            recipient.say(type="ack", seq=seq)
    assert sorted(received) == sorted(hug["id"] for hug in sent)
    assert sorted(await history(site.one.url, ben)) == sorted(received)


async def test_frozen(site: Site) -> None:
    """SIGSTOP: connections stay and nothing answers. Commands end all the same, and nothing is doubled when it wakes."""
    ana, ben = await make_friends(site.postgres.url, 2)
    async with (
        await Wire.log_in(site.one.url, ana.access_token) as sender,
        await Wire.log_in(site.other.url, ben.access_token) as recipient,
    ):
        await send_until_ok(sender, new_hug(ben))
        wake = _freeze_backends(site)
        try:
            hug = new_hug(ben)
            sender.say(type="hug.send", ref="frozen", **hug)
            assert (await sender.ask("ping"))["type"] == "ok"
            reply = await sender.reply_to("frozen", within_s=60)
            assert reply.get("code") == "unavailable", reply
        finally:
            wake()
        await send_until_ok(sender, hug)
        marker = new_hug(ben)
        await send_until_ok(sender, marker)
        events = [await recipient.hear("hug.received", within_s=75) for _ in range(3)]
        assert [event["seq"] for event in events] == [1, 2, 3]
        assert [event["id"] for event in events[1:]] == [hug["id"], marker["id"]]


def _freeze_backends(site: Site) -> Callable[[], None]:
    """Stops PostgreSQL with all its processes; what is returned lets them go on."""
    server = psutil.Process(site.postgres.pid)
    processes = [server, *server.children(recursive=True)]
    for process in processes:
        process.suspend()

    def wake() -> None:
        for process in processes:
            process.resume()

    return wake
