"""Open arms: shown to who may be hugged, wherever they are, once a second at most, and stored nowhere."""

import time
from datetime import datetime
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"


async def shown_before_a_hug(sender: Wire, recipient: Wire, to: Person) -> list[dict[str, Any]]:
    """The open arms that *recipient* has been shown by now: a hug that is sent after them comes after them."""
    hug = uuid7(time.time_ns() // 1_000_000)
    assert (await sender.ask("hug.send", id=hug, to=to.id, kind="warm"))["type"] == "ok"
    while (await recipient.hear("hug.received"))["id"] != hug:
        pass
    shown = [event for event in recipient.kept() if event["type"] == "hug.preparing"]
    for _ in shown:
        await recipient.hear("hug.preparing")
    return shown


async def test_it_is_shown_on_another_node_and_says_when_it_ends(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token, status="invisible") as at_ana,
        await Wire.log_in(two.url, bo.access_token, status="do_not_disturb") as at_bo,
    ):
        before_ms = time.time_ns() // 1_000_000
        assert (await at_ana.ask("hug.preparing", to=bo.id))["type"] == "ok"
        after_ms = time.time_ns() // 1_000_000
        event = await at_bo.hear("hug.preparing")
        assert event["from"] == {"id": ana.id, "name": ana.name}
        assert "seq" not in event
        until_ms = datetime.fromisoformat(event["until"]).timestamp() * 1000
        assert before_ms <= until_ms - 5_000 <= after_ms


async def test_more_than_one_a_second_is_swallowed_on_all_nodes(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(limits="on"), await start_hub(limits="on")
    ana, bo, cleo = await make_friends(database_url, 3)
    async with (
        await Wire.log_in(one.url, ana.access_token) as here,
        await Wire.log_in(two.url, ana.access_token, device="second") as there,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        await Wire.log_in(one.url, cleo.access_token) as at_cleo,
        httpx.AsyncClient(base_url=two.url, headers={"Authorization": f"Bearer {ana.access_token}"}) as rest,
    ):
        started = time.monotonic()
        for wire in (here, there, here, there):
            assert (await wire.ask("hug.preparing", to=bo.id))["type"] == "ok"
        assert (await rest.post("/v1/hugs/preparing", json={"to": bo.id})).json() == {"type": "ok"}
        shown = await shown_before_a_hug(there, at_bo, bo)
        assert 1 <= len(shown) <= 1 + int(time.monotonic() - started)
        assert (await here.ask("hug.preparing", to=cleo.id))["type"] == "ok", "to each person"
        await at_cleo.hear("hug.preparing")


async def test_who_may_not_hug_may_not_open_arms(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, *others = await make_friends(database_url, 4, friends=1)
    (bo,) = [person for person in others if person.id in ana.friends]
    stranger = next(person for person in others if person is not bo)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as at_ana,
        await Wire.log_in(hub.url, bo.access_token) as at_bo,
    ):
        assert (await at_ana.ask("hug.preparing", to=stranger.id))["code"] == "forbidden"
        assert (await at_ana.ask("hug.preparing", to=ana.id))["code"] == "invalid"
        assert (await at_bo.ask("user.block", user=ana.id))["type"] == "ok"
        blocked = await at_ana.ask("hug.preparing", to=bo.id)
        unknown = await at_ana.ask("hug.preparing", to=NOBODY)
        assert {**blocked, "ref": 0} == {**unknown, "ref": 0}
        assert blocked["code"] == "not_found"
        assert (await at_bo.ask("ping"))["type"] == "ok"
        assert [event for event in at_bo.kept() if event["type"] == "hug.preparing"] == []
