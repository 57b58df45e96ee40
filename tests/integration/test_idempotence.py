"""Sending one id twice, also at once over two nodes, is one hug with one answer."""

import asyncio
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

NOW_MS = 1_780_000_000_000


def new_hug(to: Person, number: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": uuid7(NOW_MS + number), "to": to.id, "kind": "bear", **more}


async def history(url: str, person: Person) -> list[dict[str, Any]]:
    """Everything one has received, newest first."""
    hugs: list[dict[str, Any]] = []
    parameters = {"direction": "received", "limit": "100"}
    async with httpx.AsyncClient(trust_env=False) as client:
        while True:
            headers = {"Authorization": f"Bearer {person.access_token}"}
            page = (await client.get(f"{url}/v1/hugs", params=parameters, headers=headers)).json()
            hugs += page["items"]
            if page["next"] is None:
                return hugs
            parameters["cursor"] = page["next"]


def without_ref(reply: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in reply.items() if name != "ref"}


async def test_one_after_the_other_on_one_connection(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as sender,
        await Wire.log_in(hub.url, ben.access_token) as recipient,
    ):
        hug = new_hug(ben)
        first = await sender.ask("hug.send", **hug)
        assert first["state"] == "accepted"
        for repeated in (hug, hug | {"id": hug["id"].upper()}, hug | {"kind": "quick", "message": "another"}):
            assert without_ref(await sender.ask("hug.send", **repeated)) == without_ref(first)
        marker = new_hug(ben, 1)
        await sender.ask("hug.send", **marker)
        events = [await recipient.hear("hug.received") for _ in range(2)]
        assert [(event["seq"], event["id"], event["kind"]) for event in events] == [
            (1, hug["id"], "bear"),
            (2, marker["id"], "bear"),
        ]


async def test_again_after_a_lost_connection_and_on_another_node(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    hug = new_hug(ben)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        first = await sender.ask("hug.send", **hug)
    async with await Wire.log_in(other.url, ana.access_token) as sender:
        assert without_ref(await sender.ask("hug.send", **hug)) == without_ref(first)
    assert [item["id"] for item in await history(one.url, ben)] == [hug["id"]]


async def test_at_once_on_one_connection(hub: HubProcess, database_url: str) -> None:
    """Both copies may land in one commit."""
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as sender,
        await Wire.log_in(hub.url, ben.access_token) as recipient,
    ):
        hug, marker = new_hug(ben), new_hug(ben, 1)
        for ref in range(1, 9):
            sender.say(type="hug.send", ref=100 + ref, **hug)
        answers = [await sender.reply_to(100 + ref) for ref in range(1, 9)]
        assert {answer["at"] for answer in answers} == {answers[0]["at"]}
        await sender.ask("hug.send", **marker)
        assert [(await recipient.hear("hug.received"))["id"] for _ in range(2)] == [hug["id"], marker["id"]]


async def test_at_once_over_two_nodes(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token, device="phone") as phone,
        await Wire.log_in(other.url, ana.access_token, device="tablet") as tablet,
        await Wire.log_in(other.url, ben.access_token) as recipient,
    ):
        hugs = [new_hug(ben, number) for number in range(200)]
        answers = await asyncio.gather(_send_all(phone, hugs), _send_all(tablet, hugs))
        assert [without_ref(answer) for answer in answers[0]] == [without_ref(answer) for answer in answers[1]]
        events = [await _hear_and_ack(recipient) for _ in hugs]
        assert [event["seq"] for event in events] == list(range(1, 201))
        assert {event["id"] for event in events} == {hug["id"] for hug in hugs}
        assert (await recipient.ask("ping"))["type"] == "ok"
        assert not [message for message in recipient.kept() if message["type"] == "hug.received"]
    assert sorted(item["id"] for item in await history(one.url, ben)) == sorted(hug["id"] for hug in hugs)


async def _send_all(wire: Wire, hugs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All at once, answers in order of the hugs."""
    for ref, hug in enumerate(hugs, 1_000):
        wire.say(type="hug.send", ref=ref, **hug)
    return [await wire.reply_to(ref) for ref in range(1_000, 1_000 + len(hugs))]


async def _hear_and_ack(wire: Wire) -> dict[str, Any]:
    event = await wire.hear("hug.received")
    wire.say(type="ack", seq=event["seq"])
    return event


async def test_at_once_from_two_senders_only_one_owns_the_id(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben, eve = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as honest,
        await Wire.log_in(other.url, eve.access_token) as thief,
    ):
        hugs = [new_hug(ben, number) for number in range(50)]
        pairs = zip(*await asyncio.gather(_send_all(honest, hugs), _send_all(thief, hugs)), strict=True)
        for pair in pairs:
            assert sorted(answer["type"] for answer in pair) == ["error", "ok"]
            (error,) = (answer for answer in pair if answer["type"] == "error")
            assert (error["code"], error["retryable"]) == ("conflict", False)
    assert len(await history(one.url, ben)) == 50


async def test_by_socket_and_by_rest(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    hug = new_hug(ben, message="well done!")
    async with await Wire.log_in(hub.url, ana.access_token) as sender, httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {ana.access_token}"}
        by_rest, by_socket = await asyncio.gather(
            client.post(f"{hub.url}/v1/hugs", json=hug, headers=headers), sender.ask("hug.send", **hug)
        )
        assert by_rest.json()["at"] == by_socket["at"]
        again = await client.post(f"{hub.url}/v1/hugs", json={"type": "hug.send", **hug}, headers=headers)
        assert again.json()["at"] == by_socket["at"]
    assert [item["id"] for item in await history(hub.url, ben)] == [hug["id"]]


async def test_other_commands_are_idempotent_by_their_meaning(hub: HubProcess, database_url: str) -> None:
    ana, ben, _ = await make_friends(database_url, 3, friends=0)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as asker,
        await Wire.log_in(hub.url, ben.access_token) as asked,
    ):
        first = await asker.ask("friend.request", to=ben.id)
        assert first["state"] == "requested"
        assert without_ref(await asker.ask("friend.request", to=ben.id)) == without_ref(first)
        assert (await asked.ask("friend.answer", from_=ana.id, accept=True))["state"] == "accepted"
        assert (await asked.ask("friend.answer", from_=ana.id, accept=True))["state"] == "accepted"
        assert (await asker.ask("friend.request", to=ben.id))["state"] == "accepted"
        await asker.ask("hug.send", **new_hug(ben))
        events = [await asked.hear("friend.requested", "friend.accepted", "hug.received") for _ in range(3)]
        assert [(event["seq"], event["type"]) for event in events] == [
            (1, "friend.requested"),
            (2, "friend.accepted"),
            (3, "hug.received"),
        ]
