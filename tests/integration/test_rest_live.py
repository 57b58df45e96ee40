"""REST on one hub, sockets on another: what is changed here is heard, and holds, there."""

from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

NOW_MS = 1_780_000_000_000


async def call(hub: HubProcess, person: Person, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """A call that must succeed."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False, headers=headers) as client:
        response = await client.request(method, path, json=body)
    assert response.is_success, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def hug(wire: Wire, to: Person) -> str:
    """The state or the error code that a hug is answered with."""
    reply = await wire.ask("hug.send", id=uuid7(NOW_MS), to=to.id, kind="warm")
    return str(reply.get("state") or reply["code"])


async def test_friends_by_rest_can_hug_at_once_and_see_each_other(start_hub: StartHub, database_url: str) -> None:
    rest, hub = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2, friends=0)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as ana_wire,
        await Wire.log_in(hub.url, ben.access_token, status="away") as ben_wire,
    ):
        assert await hug(ana_wire, ben) == "forbidden"
        await call(rest, ana, "POST", "/v1/friends/requests", {"to": ben.id})
        requested = await ben_wire.hear("friend.requested")
        assert (requested["seq"], requested["from"]) == (1, {"id": ana.id, "name": ana.name})
        await call(rest, ben, "POST", "/v1/friends/requests/answer", {"from": ana.id, "accept": True})
        accepted = await ana_wire.hear("friend.accepted")
        assert (accepted["seq"], accepted["user"]) == (1, {"id": ben.id, "name": ben.name})
        assert (await ben_wire.hear("friend.accepted"))["seq"] == 2
        presence = await ana_wire.hear("presence")
        assert (presence["user"], presence["status"]) == (ben.id, "away")
        assert await hug(ana_wire, ben) == "accepted"
        (friend,) = (await call(rest, ana, "GET", "/v1/friends"))["items"]
        assert friend["status"] == "away"


async def test_a_block_by_rest_holds_on_other_hubs_at_once(start_hub: StartHub, database_url: str) -> None:
    rest, hub = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ben.access_token) as ben_wire,
        await Wire.log_in(rest.url, ana.access_token) as ana_wire,
    ):
        assert await hug(ben_wire, ana) == "accepted"
        await ana_wire.hear("hug.received")
        await call(rest, ana, "POST", "/v1/blocks", {"user": ben.id})
        while (await ben_wire.hear("presence"))["status"] != "offline":
            pass  # Ana comes, and goes for good
        assert await hug(ben_wire, ana) == "not_found"
        assert await hug(ana_wire, ben) == "not_found"
        unknown = await ben_wire.ask("friend.request", to=uuid7(NOW_MS))
        blocked = await ben_wire.ask("friend.request", to=ana.id)
        assert {**blocked, "ref": 0} == {**unknown, "ref": 0}
        (received,) = (await call(rest, ana, "GET", "/v1/hugs?direction=received"))["items"]
        assert received["from"]["name"] == ben.name


async def test_a_stranger_hears_nothing_of_being_blocked_and_unblocked(start_hub: StartHub, database_url: str) -> None:
    rest, hub = await start_hub(), await start_hub()
    ana, ben, eve = await make_friends(database_url, 3, friends=0)
    await call(rest, ben, "PATCH", "/v1/me/privacy", {"who_may_hug": "everyone"})
    async with (
        await Wire.log_in(hub.url, ben.access_token) as ben_wire,
        await Wire.log_in(rest.url, ana.access_token),
    ):
        await call(rest, ana, "POST", "/v1/blocks", {"user": ben.id})
        await call(rest, ana, "DELETE", f"/v1/blocks/{ben.id}")
        # What would have been told goes the same way before this hug.
        await call(rest, eve, "POST", "/v1/hugs", {"id": uuid7(NOW_MS), "to": ben.id, "kind": "warm"})
        assert (await ben_wire.hear("hug.received"))["seq"] == 1
        assert ben_wire.kept() == []


async def test_privacy_by_rest_holds_on_other_hubs(start_hub: StartHub, database_url: str) -> None:
    rest, hub = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ben.access_token) as ben_wire,
        await Wire.log_in(rest.url, ana.access_token),
    ):
        assert await hug(ben_wire, ana) == "accepted"
        await call(rest, ana, "PATCH", "/v1/me/privacy", {"who_may_hug": "nobody", "who_sees_online": "nobody"})
        while (await ben_wire.hear("presence"))["status"] != "offline":
            pass
        assert await hug(ben_wire, ana) == "forbidden"
        (friend,) = (await call(rest, ben, "GET", "/v1/friends"))["items"]
        assert friend["status"] == "offline"


async def test_what_logs_in_by_rest_opens_a_session_and_what_logged_out_does_not(hub: HubProcess) -> None:
    async with httpx.AsyncClient(base_url=hub.url, trust_env=False) as client:
        body = {"email": "ana@example.org", "username": "ana", "password": "correct horse"}
        first = (await client.post("/v1/auth/register", json=body)).json()
        again = (await client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
        for tokens in (first, again):
            async with await Wire.log_in(hub.url, tokens["access_token"]) as wire:
                assert wire.welcome["user"] == {"id": first["user"]["id"], "name": "ana"}
        await client.post("/v1/auth/logout", json={"refresh_token": again["refresh_token"]})
    async with await Wire.open(hub.url) as wire:
        wire.say(type="hello", token=again["access_token"], device="wire")
        assert (await wire.ended()).code == 4007
