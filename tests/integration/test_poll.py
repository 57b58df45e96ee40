"""The long poll: at once what there is, otherwise the next event as soon as it is there; and acknowledging by REST."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from openapi_spec_validator import validate

from tests.integration.test_events import hug, now_ms
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=40) as client:
        yield client


async def ask(http: httpx.AsyncClient, hub: HubProcess, person: Person, **query: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    return await http.get(f"{hub.url}/v1/poll", params=query, headers=headers)


async def poll(http: httpx.AsyncClient, hub: HubProcess, person: Person, **query: Any) -> dict[str, Any]:
    response = await ask(http, hub, person, **query)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids_of(answer: dict[str, Any]) -> list[tuple[int, str]]:
    return [(event["seq"], event["id"]) for event in answer["events"]]


async def waiting(http: httpx.AsyncClient, hub: HubProcess, number: int = 1) -> None:
    """Until *number* polls wait on *hub*."""
    while f"hugmood_polls {number}.0" not in (await http.get(hub.metrics_url)).text:
        pass


async def test_what_there_is_comes_at_once_in_pages_and_counts_as_acknowledged(
    hub: HubProcess, http: httpx.AsyncClient, database_url: str
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        ids = await hug(sender, ben, 130)
        first = await poll(http, hub, ben, after=0)
        assert ids_of(first) == list(enumerate(ids[:100], 1))
        assert (first["after"], first["head"], first["resumed"]) == (100, 130, True)
        assert first["events"][0]["type"] == "hug.received"
        few = await poll(http, hub, ben, after=first["after"], limit=3, epoch=first["epoch"])
        assert ids_of(few) == list(enumerate(ids[100:103], 101))
        delivered = [(await sender.hear("hug.delivered"))["id"] for _ in range(100)]
        assert set(delivered) == set(ids[:100])
        rest = await poll(http, hub, ben, after=few["after"], wait=0)
        assert ids_of(rest) == list(enumerate(ids[103:], 104))
        nothing = await poll(http, hub, ben, after=rest["after"], wait=0)
        assert (nothing["events"], nothing["after"], nothing["resumed"]) == ([], 130, True)


async def test_an_answer_ends_with_the_event_that_passes_64_kib(
    hub: HubProcess, http: httpx.AsyncClient, database_url: str
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        ids = [await hug(sender, ben, message="👨‍👩‍👧‍👦" * 160) for _ in range(40)]  # about 4 KB each
        seqs: list[int] = []
        answers = 0
        while len(seqs) < len(ids):
            answer = await poll(http, hub, ben, after=len(seqs))
            texts = [json.dumps(event, ensure_ascii=False).encode() for event in answer["events"]]
            assert sum(map(len, texts)) < 72 * 1024
            seqs += [event["seq"] for event in answer["events"]]
            answers += 1
        assert seqs == list(range(1, 41))
        assert answers > 1


async def test_whoever_waits_is_woken_by_a_hug_on_another_node(
    start_hub: StartHub, http: httpx.AsyncClient, database_url: str
) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        polls = [asyncio.create_task(poll(http, other, ben, after=0)) for _ in range(2)]
        await waiting(http, other, 2)
        began = time.monotonic()
        ids = await hug(sender, ben)
        answers = await asyncio.gather(*polls)
        assert time.monotonic() - began < 20, "the poll was not woken, it ended by itself"
        for answer in answers:
            assert ids_of(answer) == [(1, ids[0])]
            assert (answer["after"], answer["head"]) == (1, 1)
        # Nothing is lost between two polls, nor doubled.
        ids += await hug(sender, ben, 3)
        assert ids_of(await poll(http, other, ben, after=1)) == list(enumerate(ids[1:], 2))


async def test_a_cursor_that_means_nothing_here_is_said_at_once(
    hub: HubProcess, http: httpx.AsyncClient, database_url: str
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        await hug(sender, ben, 2)
        for cursor in ({}, {"after": 3}, {"after": 1, "epoch": "another"}):
            answer = await poll(http, hub, ben, **cursor)
            assert (answer["events"], answer["after"], answer["head"]) == ([], 2, 2)
            assert answer["resumed"] is False
        ids = await hug(sender, ben)
        assert ids_of(await poll(http, hub, ben, after=2)) == [(3, ids[0])]


async def test_bad_tokens_and_parameters(hub: HubProcess, http: httpx.AsyncClient, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    for query in ({"after": "x"}, {"after": -1}, {"wait": 26}, {"wait": -1}, {"limit": 0}, {"limit": 101}, {"more": 1}):
        response = await ask(http, hub, ana, **query)
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), query
    for header in ("Bearer a.b.c", "Basic YTpi"):
        response = await http.get(f"{hub.url}/v1/poll", headers={"Authorization": header})
        assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_whoever_polls_is_online_also_between_two_polls(
    start_hub: StartHub, http: httpx.AsyncClient, database_url: str
) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        task = asyncio.create_task(poll(http, other, ben, after=0, status="away"))
        seen = await sender.hear("presence")
        assert (seen["user"], seen["status"]) == (ben.id, "away")
        for number in range(3):
            await hug(sender, ben)
            assert len((await task)["events"]) == 1
            task = asyncio.create_task(poll(http, other, ben, after=number + 1, status="away"))
        await waiting(http, other)
        assert [message for message in sender.kept() if message["type"] == "presence"] == []
        task.cancel()


async def test_a_drain_ends_polls_with_an_answer(
    start_hub: StartHub, http: httpx.AsyncClient, database_url: str
) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    waits = asyncio.create_task(poll(http, other, ben, after=0))
    while 'hugmood_openings_total{result="resumed"} 1.0' not in (await http.get(other.metrics_url)).text:
        pass  # what is still opening has no cursor yet to answer with, and gets 503
    assert await other.stop() == 0
    answer = await waits
    assert (answer["events"], answer["after"], answer["resumed"]) == ([], 0, True)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        ids = await hug(sender, ben)
    assert ids_of(await poll(http, one, ben, after=0, epoch=answer["epoch"])) == [(1, ids[0])]


async def test_a_log_in_that_is_ended_ends_its_poll(start_hub: StartHub, http: httpx.AsyncClient) -> None:
    one, other = await start_hub(), await start_hub()
    login = (await http.post(f"{one.url}/v1/auth/anonymous", json={"name": "Ana"})).json()
    person = Person(login["user"]["id"], "Ana", login["access_token"], [])
    waits = asyncio.create_task(ask(http, other, person, after=0))
    await waiting(http, other)
    await http.post(f"{one.url}/v1/auth/logout", json={"refresh_token": login["refresh_token"]})
    response = await waits
    assert (response.status_code, response.json()["code"]) == (401, "unauthenticated")


async def test_a_token_that_ends_ends_the_poll(hub: HubProcess, http: httpx.AsyncClient, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    short = Person(ana.id, ana.name, ana.token(now_ms(), ttl_s=3), [])
    response = await ask(http, hub, short, after=0)
    assert (response.status_code, response.json()["code"]) == (401, "expired")


async def test_whoever_hangs_up_has_left_at_once(hub: HubProcess, http: httpx.AsyncClient, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1, friends=0)
    waits = asyncio.create_task(ask(http, hub, ana, after=0))
    await waiting(http, hub)
    waits.cancel()
    await waiting(http, hub, 0)
    assert "hugmood_users 0.0" in (await http.get(hub.metrics_url)).text


async def test_acknowledging_by_rest(hub: HubProcess, http: httpx.AsyncClient, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)

    async def ack(seq: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {ben.access_token}"}
        return await http.post(f"{hub.url}/v1/ack", json={"seq": seq}, headers=headers)

    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        ids = await hug(sender, ben, 3)
        answer = await ack(2)
        assert (answer.status_code, answer.json()) == (200, {"type": "ok", "seq": 2})
        assert {(await sender.hear("hug.delivered"))["id"] for _ in range(2)} == set(ids[:2])
        while (await ack(1)).json()["seq"] != 2:  # cumulative, as soon as it is written
            pass
        for wrong in (4, -1, "2"):
            refused = await ack(wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "invalid")


async def test_the_document_describes_them(hub: HubProcess, http: httpx.AsyncClient) -> None:
    document = (await http.get(f"{hub.url}/openapi.json")).json()
    validate(document)
    events = document["paths"]["/v1/events"]["get"]
    assert list(events["responses"]["200"]["content"]) == ["text/event-stream"]
    assert ("Last-Event-ID", "header") in [(p["name"], p["in"]) for p in events["parameters"]]
    assert {"after", "wait"} <= {p["name"] for p in document["paths"]["/v1/poll"]["get"]["parameters"]}
    assert "seq" in document["components"]["schemas"]["Ack"]["properties"]
    assert "/v1/poll" in (await http.get(f"{hub.url}/docs")).text
