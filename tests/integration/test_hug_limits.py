"""Limits of hugs over two nodes: exact at the border, fair without Redis, and never in the way of order or of a resend."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest
import redis.asyncio

from domain.ids import uuid7
from storage import keys
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.servers import KillableServer
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
WITHOUT = {"hugs_per_minute": "0", "hugs_per_day": "0", "hugs_unanswered_per_hour": "0"}
_NUMBERS = count(1)


def new_hug(to: Person) -> dict[str, Any]:
    return {"id": uuid7(1_780_000_000_000 + next(_NUMBERS)), "to": to.id, "kind": "bear"}


async def send(wire: Wire, to: Person) -> dict[str, Any]:
    return await wire.ask("hug.send", **new_hug(to))


async def accepted(wire: Wire, to: Person, number: int) -> list[str]:
    """Their ids, all of them accepted."""
    answers = [await send(wire, to) for _ in range(number)]
    assert {answer.get("state") for answer in answers} == {"accepted"}, answers
    return [answer["id"] for answer in answers]


def check_refused(answer: dict[str, Any], window_ms: int) -> int:
    assert (answer["type"], answer.get("code"), answer.get("retryable")) == ("error", "rate_limited", True), answer
    wait_ms: int = answer["retry_after_ms"]
    assert 0 < wait_ms <= window_ms
    return wait_ms


async def heard(wire: Wire, number: int) -> list[str]:
    """The ids of the next hugs, which come in order of their seq."""
    events = [await wire.hear("hug.received") for _ in range(number)]
    seqs = [event["seq"] for event in events]
    assert seqs == sorted(set(seqs))
    return [event["id"] for event in events]


async def test_all_nodes_count_together_and_exactly(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    settings = {"limits": "on"} | WITHOUT | {"hugs_per_minute": "8"}
    one, two = await start_hub(**settings), await start_hub(**settings)
    ana, bo, cleo = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as here,
        await Wire.log_in(two.url, ana.access_token, device="second") as there,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        httpx.AsyncClient(base_url=two.url, headers={"Authorization": f"Bearer {ana.access_token}"}) as rest,
    ):
        ids = await accepted(here, bo, 3) + await accepted(there, bo, 4)
        last = new_hug(bo)
        assert (await rest.post("/v1/hugs", json=last)).status_code == 200
        for wire in (here, there):
            for other in (bo, cleo):
                check_refused(await send(wire, other), MINUTE_MS)
        problem = await rest.post("/v1/hugs", json=new_hug(cleo))
        assert problem.status_code == 429
        assert 0 < problem.json()["retry_after_ms"] <= MINUTE_MS
        assert await heard(at_bo, 8) == [*ids, last["id"]]

        # The minute is nearly over: what the refusal says is how long it takes.
        async with redis.asyncio.from_url(redis_url) as valkey:
            assert await valkey.pexpire(keys.limit_towards("hugs-minute", ana.id, ""), 400)
        await asyncio.sleep(check_refused(await send(here, bo), 400) / 1000)
        ids = await accepted(there, bo, 8)
        check_refused(await send(here, bo), MINUTE_MS)
        assert await heard(at_bo, 8) == ids


async def test_off_means_that_nothing_is_counted(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    hub = await start_hub(limits="off", hugs_per_minute="1")
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana, redis.asyncio.from_url(redis_url) as valkey:
        await accepted(at_ana, bo, 40)
        assert await valkey.keys("hugmood:limit:*") == []


async def test_who_never_answered_is_left_in_peace_until_they_do(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(limits="on"), await start_hub(limits="on")
    ana, bo, cleo = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        await accepted(at_ana, bo, 5)
        for _ in range(30):  # refused hugs use up nothing: neither of the minute nor of anybody else
            wait_ms = check_refused(await send(at_ana, bo), HOUR_MS)
        assert wait_ms > MINUTE_MS
        await accepted(at_ana, cleo, 5)
        check_refused(await send(at_ana, cleo), HOUR_MS)

        await accepted(at_bo, ana, 1)
        await accepted(at_ana, bo, 20)
        assert check_refused(await send(at_ana, bo), MINUTE_MS) > 0, "the thirty of the minute are gone"


async def test_a_hug_that_was_answered_gets_its_first_answer_and_costs_nothing(
    start_hub: StartHub, database_url: str
) -> None:
    hub = await start_hub(limits="on", **WITHOUT | {"hugs_per_minute": "3"})
    ana, bo = await make_friends(database_url, 2)
    hug = new_hug(bo)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as at_ana,
        await Wire.log_in(hub.url, bo.access_token) as at_bo,
        httpx.AsyncClient(base_url=hub.url, headers={"Authorization": f"Bearer {ana.access_token}"}) as rest,
    ):
        first = await at_ana.ask("hug.send", **hug)
        for _ in range(5):
            again = await at_ana.ask("hug.send", **hug)
            assert {**again, "ref": 0} == {**first, "ref": 0}
        await accepted(at_ana, bo, 2)
        check_refused(await send(at_ana, bo), MINUTE_MS)
        again = await at_ana.ask("hug.send", **hug)
        assert {**again, "ref": 0} == {**first, "ref": 0}
        assert (await rest.post("/v1/hugs", json=hug)).json()["at"] == first["at"]
        taken = await at_bo.ask("hug.send", **{**hug, "to": ana.id})
        assert taken["code"] == "conflict"
        check_refused(await send(at_ana, bo), MINUTE_MS)
        assert await heard(at_bo, 3)
        assert (await at_bo.ask("ping"))["type"] == "ok"
        assert [event for event in at_bo.kept() if event["type"] == "hug.received"] == []


@pytest.mark.parametrize("fault", [KillableServer.kill, KillableServer.pause])
async def test_without_redis_each_node_counts_by_itself(
    start_hub: StartHub,
    database_url: str,
    own_redis: Callable[[], KillableServer],
    fault: Callable[[KillableServer], None],
) -> None:
    """A server that is silent is found out by the first hug that waits for it, which is late and not lost."""
    server = own_redis()
    settings = {"limits": "on", "redis_url": server.url} | WITHOUT | {"hugs_per_minute": "4"}
    one, two = await start_hub(**settings), await start_hub(**settings)
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as here,
        await Wire.log_in(two.url, ana.access_token, device="second") as there,
    ):
        await accepted(here, bo, 2)
        fault(server)
        await asyncio.gather(accepted(here, bo, 4), accepted(there, bo, 4))
        for wire in (here, there, here, there):
            check_refused(await send(wire, bo), MINUTE_MS)
        if fault is KillableServer.pause:
            server.resume()


@pytest.mark.parametrize("is_killed", [False, True])
async def test_pipelined_hugs_keep_their_order(
    start_hub: StartHub, database_url: str, own_redis: Callable[[], KillableServer], is_killed: bool
) -> None:
    """Also when Redis goes away between two of them: the one waits for its answer, the other is told at once."""
    server = own_redis()
    many = {"hugs_per_minute": "100000", "hugs_per_day": "100000", "hugs_unanswered_per_hour": "100000"}
    hub = await start_hub(limits="on", redis_url=server.url, **many)
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as at_ana,
        await Wire.log_in(hub.url, bo.access_token) as at_bo,
    ):
        hugs = [new_hug(bo) for _ in range(180)]  # within what a session may send at once
        for index, hug in enumerate(hugs):
            at_ana.say(type="hug.send", ref=index, **hug)
            if is_killed and index == 90:
                server.kill()
        for index in range(len(hugs)):
            assert (await at_ana.reply_to(index))["type"] == "ok"
        assert await heard(at_bo, len(hugs)) == [hug["id"] for hug in hugs]


async def test_order_holds_while_an_answer_is_looked_for(start_hub: StartHub, database_url: str) -> None:
    """The node remembers that there was no answer; the first of these hugs makes it look, and the others wait for it."""
    one, two = await start_hub(limits="on"), await start_hub(limits="on")
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        before = await accepted(at_ana, bo, 5)
        await accepted(at_bo, ana, 1)
        hugs = [new_hug(bo) for _ in range(20)]
        for index, hug in enumerate(hugs):
            at_ana.say(type="hug.send", ref=f"pipelined {index}", **hug)
        for index in range(len(hugs)):
            assert (await at_ana.reply_to(f"pipelined {index}"))["type"] == "ok"
        assert await heard(at_bo, 25) == before + [hug["id"] for hug in hugs]
