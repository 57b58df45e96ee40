"""Requests for hugs over the wire: two nodes, and a real worker for their end."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from domain.ids import uuid7
from domain.times import to_ms
from storage.directory import Directory
from storage.postgres import Database
from storage.redis import RedisLink
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.servers import flush
from tests.support.wire import Wire
from tests.support.workers import worker_running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

_STATE = "select state from hug_requests where id = $1"
WORKER_WITHIN_S = 40.0  # it starts, and looks every 5 s


def new_id() -> str:
    return uuid7(to_ms(datetime.now(UTC)))


def ref(person: Person) -> dict[str, str]:
    return {"id": person.id, "name": person.name}


async def ask(wire: Wire, **fields: Any) -> str:
    reply = await wire.ask("request.create", id=new_id(), **fields)
    assert (reply["type"], reply["state"]) == ("ok", "open"), reply
    request: str = reply["id"]
    return request


async def let_time_pass(database_url: str) -> None:
    async with Database(database_url) as database:
        await database.execute("update hug_requests set expires_at = now()")


async def until_registered(redis_url: str, *people: Person) -> None:
    """A worker rings only where the directory says that somebody is."""
    async with RedisLink(redis_url) as link, asyncio.timeout(15):
        directory = Directory(link, "test")
        users = [person.id for person in people]
        while len(await directory.nodes_of(users)) < len(users):  # noqa: ASYNC110  the directory tells nobody
            await asyncio.sleep(0.02)


async def test_a_request_is_asked_answered_and_heard_on_every_device(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as phone,
        await Wire.log_in(one.url, bo.access_token, device="tablet") as tablet,
    ):
        request = await ask(at_ana, to=bo.id, message="please")
        for wire in (phone, tablet):
            heard = await wire.hear("request.received")
            assert (heard["id"], heard["from"], heard["message"]) == (request, ref(ana), "please")
            assert "community" not in heard
        answer = {"id": request, "accept": True, "kind": "bear", "message": "there"}
        reply = await phone.ask("request.answer", **answer)
        assert (reply["id"], reply["state"]) == (request, "accepted")
        hug = await at_ana.hear("hug.received")
        assert (hug["id"], hug["kind"], hug["message"], hug["request"]) == (reply["hug"], "bear", "there", request)
        answered = await at_ana.hear("request.answered")
        assert answered["seq"] == hug["seq"] + 1
        assert (answered["hug"], answered["from"], answered["state"]) == (hug["id"], ref(bo), "fulfilled")
        sent = await tablet.hear("hug.sent")
        assert (sent["id"], sent["to"], sent["kind"], sent["message"]) == (hug["id"], ana.id, "bear", "there")
        again = await tablet.ask("request.answer", **answer)
        assert {**again, "ref": None} == {**reply, "ref": None}
        await phone.ask("ping")
        assert not [message for message in phone.kept() if message["type"] == "hug.sent"], "it has its reply"


async def test_a_hug_with_a_request_is_the_answer_and_no_other_can_be(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo, cleo = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        await Wire.log_in(two.url, cleo.access_token) as at_cleo,
    ):
        request = await ask(at_ana, to=bo.id)
        hug = {"to": ana.id, "kind": "quick", "request": request}
        assert (await at_bo.ask("hug.send", id=new_id(), to=ana.id, kind="quick"))[
            "type"
        ] == "ok"  # relations are known
        await at_ana.hear("hug.received")
        stranger = await at_cleo.ask("hug.send", id=new_id(), **hug)
        assert (stranger["code"], stranger["message"]) == ("not_found", "No such request.")
        elsewhere = await at_bo.ask("hug.send", id=new_id(), **(hug | {"to": cleo.id}))
        assert elsewhere["code"] == "invalid"
        mine = new_id()
        sent = [await at_bo.ask("hug.send", id=mine, **hug) for _ in range(2)]
        assert [(reply["id"], reply["state"], reply["at"]) for reply in sent] == [(mine, "accepted", sent[0]["at"])] * 2
        assert (await at_ana.hear("hug.received"))["id"] == mine
        assert (await at_ana.hear("request.answered"))["hug"] == mine
        late = await at_bo.ask("hug.send", id=new_id(), **hug)
        assert late["code"] == "conflict"


async def test_an_answer_can_meet_a_hug_that_comes_the_other_way(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        request = await ask(at_ana, to=bo.id)
        mine = new_id()
        await at_ana.ask("hug.send", id=mine, to=bo.id, kind="warm")
        hug = (await at_bo.ask("request.answer", id=request, accept=True))["hug"]
        met = [await wire.hear("hug.mutual") for wire in (at_ana, at_bo)]
        assert met[0]["hugs"] == met[1]["hugs"] == sorted([mine, hug])


async def test_hugs_before_and_after_an_answer_keep_their_order(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as at_ana,
        await Wire.log_in(hub.url, bo.access_token) as at_bo,
    ):
        requests = [await ask(at_ana, to=bo.id) for _ in range(5)]
        await at_bo.ask("hug.send", id=new_id(), to=ana.id, kind="warm")  # what the two are is known from here on
        await at_ana.hear("hug.received")
        sent = []
        for request in requests:
            for more in ({"request": request}, {}, {}):
                sent.append(new_id())
                at_bo.say(type="hug.send", id=sent[-1], to=ana.id, kind="quick", **more)
        assert [(await at_ana.hear("hug.received"))["id"] for _ in sent] == sent


async def test_the_limits_are_settings(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub(limits="on", requests_per_hour="3", community_requests_open="1")
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana:
        await ask(at_ana)
        second = await at_ana.ask("request.create", id=new_id())
        assert (second["code"], second["retryable"]) == ("rate_limited", True)
        for _ in range(2):
            await ask(at_ana, to=bo.id)
        fourth = await at_ana.ask("request.create", id=new_id(), to=bo.id)
        assert fourth["code"] == "rate_limited"
        assert 0 < fourth["retry_after_ms"] <= 3_600_000


async def test_withdrawing_is_told_to_whoever_was_asked(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        request = await ask(at_ana, to=bo.id)
        cancelled = [await at_ana.ask("request.cancel", id=request) for _ in range(2)]
        assert [reply["state"] for reply in cancelled] == ["cancelled", "cancelled"]
        assert cancelled[0]["at"] == cancelled[1]["at"]
        told = await at_bo.hear("request.expired")
        assert (told["id"], told["state"]) == (request, "cancelled")
        assert (await at_bo.ask("request.answer", id=request, accept=True))["code"] == "expired"


async def test_the_community_hears_of_it_on_every_node(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo, cleo, dan = await make_friends(database_url, 4, friends=0)
    async with Database(database_url) as database:
        await database.execute(
            "insert into privacy (user_id, who_may_hug, who_sees_online, who_finds, who_befriends, takes_community_requests)"
            " select u, 'nobody', 'nobody', 'nobody', 'nobody', true from unnest($1::uuid[]) u",
            [ana.id, bo.id, cleo.id],
        )
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        await Wire.log_in(one.url, cleo.access_token) as at_cleo,
        await Wire.log_in(one.url, dan.access_token) as at_dan,
    ):
        request = await ask(at_ana)
        for wire in (at_bo, at_cleo):
            heard = await wire.hear("request.received")
            assert (heard["id"], heard["community"]) == (request, True)
            reply = await wire.ask("request.answer", id=request, accept=True)
            assert reply["state"] == "accepted", reply
        answered = [await at_ana.hear("request.answered") for _ in range(2)]
        assert [(event["hugs"], event["state"]) for event in answered] == [(1, "open"), (2, "open")]
        assert (await at_dan.ask("request.answer", id=request, accept=True))["code"] == "not_found"
        assert [message["type"] for message in (*at_dan.kept(), *at_ana.kept())].count("request.received") == 0


async def test_the_end_is_told_to_both_but_not_to_whoever_has_declined(
    start_hub: StartHub, database_url: str, redis_url: str
) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo, cleo = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        await Wire.log_in(one.url, cleo.access_token) as at_cleo,
    ):
        waiting, declined = await ask(at_ana, to=bo.id), await ask(at_ana, to=cleo.id)
        assert (await at_cleo.ask("request.answer", id=declined, accept=False))["state"] == "declined"
        await until_registered(redis_url, ana, bo, cleo)
        await let_time_pass(database_url)
        async with worker_running(database_url, redis_url):
            told = [await at_ana.hear("request.expired", within_s=WORKER_WITHIN_S) for _ in range(2)]
            assert {event["id"] for event in told} == {waiting, declined}
            assert {event["state"] for event in told} == {"expired"}
            heard = await at_bo.hear("request.expired", within_s=WORKER_WITHIN_S)
            assert (heard["id"], heard["state"]) == (waiting, "expired")
        # What comes after it in the inbox shows that nothing stood before.
        await at_ana.ask("hug.send", id=new_id(), to=cleo.id, kind="warm")
        hug = await at_cleo.hear("hug.received")
        assert not [message for message in at_cleo.kept() if message["type"] == "request.expired"]
        assert hug["seq"] == (await at_cleo.hear("request.received"))["seq"] + 1


async def test_an_emptied_redis_loses_no_end(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    hub = await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana:
        request = await ask(at_ana, to=bo.id)
        head = at_ana.welcome["head"]
    flush(redis_url)
    await let_time_pass(database_url)
    async with worker_running(database_url, redis_url):
        async with Database(database_url) as database, asyncio.timeout(WORKER_WITHIN_S):
            while await database.fetchval(_STATE, request) != "expired":  # noqa: ASYNC110  PostgreSQL tells nobody
                await asyncio.sleep(0.05)
        for person, after in ((ana, head), (bo, head)):
            async with await Wire.log_in(hub.url, person.access_token, after=after) as wire:
                told = await wire.hear("request.expired")
                assert (told["id"], told["state"]) == (request, "expired")
