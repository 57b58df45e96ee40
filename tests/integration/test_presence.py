"""Presence of friends over two real nodes: who comes, goes, hides, and comes back within the grace."""

import asyncio

import httpx
import pytest

from tests.support.hubs import Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


async def presence_of(wire: Wire, person: Person, status: str, within_s: float = 30.0) -> dict[str, object]:
    """The next presence of *person* that says *status*."""
    async with asyncio.timeout(within_s):
        while True:
            try:
                event = await wire.hear("presence")
            except TimeoutError:
                continue
            if (event["user"], event["status"]) == (person.id, status):
                return event


async def test_friends_see_each_other_over_nodes(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as at_ana:
        assert at_ana.welcome["friends"] == []
        async with await Wire.log_in(two.url, bo.access_token, status="do_not_disturb"):
            event = await presence_of(at_ana, bo, "do_not_disturb")
            assert event["last_seen"] is None
            async with await Wire.log_in(two.url, ana.access_token) as again:
                assert again.welcome["friends"] == [{"user": bo.id, "status": "do_not_disturb", "last_seen": None}]
        gone = await presence_of(at_ana, bo, "offline")
        assert gone["last_seen"] is not None


async def test_a_change_goes_out_and_the_strongest_device_wins(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(one.url, bo.access_token) as phone,
        await Wire.log_in(two.url, bo.access_token, status="away"),
    ):
        await presence_of(at_ana, bo, "online")
        assert (await phone.ask("presence.set", status="do_not_disturb"))["type"] == "ok"
        await presence_of(at_ana, bo, "do_not_disturb")
        assert (await phone.ask("presence.set", status="invisible"))["type"] == "ok"
        await presence_of(at_ana, bo, "offline")
        async with await Wire.log_in(two.url, ana.access_token) as fresh:
            assert fresh.welcome["friends"] == []


async def test_who_comes_back_within_the_grace_was_never_away(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo, cleo = await make_friends(database_url, 3)
    async with await Wire.log_in(one.url, ana.access_token) as at_ana:
        async with await Wire.log_in(one.url, bo.access_token):
            await presence_of(at_ana, bo, "online")
        async with await Wire.log_in(two.url, bo.access_token) as at_bo:
            # Something that is told after it: by then "offline" would have been heard.
            await presence_of(at_bo, ana, "online") if not at_bo.welcome["friends"] else None
            async with await Wire.log_in(two.url, cleo.access_token):
                await presence_of(at_ana, cleo, "online")
            assert [event for event in at_ana.kept() if event.get("user") == bo.id] == []


async def test_a_killed_node_takes_its_people_offline(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as at_ana:
        async with await Wire.log_in(two.url, bo.access_token):
            await presence_of(at_ana, bo, "online")
            await two.kill()
        await presence_of(at_ana, bo, "offline", within_s=35)


async def test_new_friends_appear_and_former_ones_vanish(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        await presence_of(at_ana, bo, "online")
        assert (await at_ana.ask("friend.end", user=bo.id))["type"] == "ok"
        await presence_of(at_ana, bo, "offline")
        await presence_of(at_bo, ana, "offline")
        assert (await at_bo.hear("friend.ended"))["user"] == ana.id
        assert (await at_ana.ask("friend.request", to=bo.id))["state"] == "requested"
        assert (await at_bo.hear("friend.requested"))["from"]["id"] == ana.id
        assert (await at_bo.ask("friend.answer", from_=ana.id, accept=True))["type"] == "ok"
        await presence_of(at_ana, bo, "online")
        await presence_of(at_bo, ana, "online")


async def test_a_block_ends_hugs_at_once_on_every_node(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
    ):
        hug = {"to": bo.id, "kind": "bear"}
        assert (await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000001", **hug))["type"] == "ok"
        assert (await at_bo.hear("hug.received"))["seq"] == 1
        assert (await at_bo.ask("user.block", user=ana.id))["type"] == "ok"
        await presence_of(at_ana, bo, "offline")
        refused = await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000002", **hug)
        nobody = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
        unknown = await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000003", to=nobody, kind="bear")
        assert {name: refused[name] for name in ("type", "code", "message", "retryable")} == {
            name: unknown[name] for name in ("type", "code", "message", "retryable")
        }
        assert refused["code"] == "not_found"


async def test_a_changed_privacy_reaches_the_other_node(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token),
        httpx.AsyncClient(base_url=two.url, headers={"Authorization": f"Bearer {bo.access_token}"}) as rest,
    ):
        await presence_of(at_ana, bo, "online")
        first = await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000001", to=bo.id, kind="bear")
        assert first["type"] == "ok"
        changed = await rest.patch("/v1/me/privacy", json={"who_may_hug": "nobody", "who_sees_online": "nobody"})
        assert changed.status_code == 200
        await presence_of(at_ana, bo, "offline")
        second = await at_ana.ask("hug.send", id="01981f6e-7d3a-7c21-9a44-000000000002", to=bo.id, kind="bear")
        assert second["code"] == "forbidden"
