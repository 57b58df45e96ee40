"""A new name reaches the sessions that are open, wherever they are."""

from itertools import count

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

_NUMBERS = count(1)


async def name_in_a_hug(sender: Wire, recipient: Wire, to: Person) -> str:
    """Under which name a hug arrives that is sent now."""
    hug = uuid7(1_780_000_000_000 + next(_NUMBERS))
    assert (await sender.ask("hug.send", id=hug, to=to.id, kind="warm"))["type"] == "ok"
    event = await recipient.hear("hug.received")
    assert event["id"] == hug
    name: str = event["from"]["name"]
    return name


async def test_hugs_carry_the_new_name_on_every_node(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as here,
        await Wire.log_in(two.url, ana.access_token, device="second") as there,
        await Wire.log_in(two.url, bo.access_token) as at_bo,
        httpx.AsyncClient(base_url=one.url, headers={"Authorization": f"Bearer {ana.access_token}"}) as rest,
    ):
        assert await name_in_a_hug(there, at_bo, bo) == ana.name
        assert (await rest.patch("/v1/me", json={"name": "Anouk"})).json()["name"] == "Anouk"
        assert await name_in_a_hug(here, at_bo, bo) == "Anouk", "the node that was told"
        # The other node is told by mail, which is on its way.
        names = {await name_in_a_hug(there, at_bo, bo)}
        while "Anouk" not in names:
            names.add(await name_in_a_hug(there, at_bo, bo))
        assert names <= {ana.name, "Anouk"}
        assert await name_in_a_hug(there, at_bo, bo) == "Anouk", "and never the old one again"


async def test_a_refused_name_changes_nothing(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as at_ana,
        await Wire.log_in(hub.url, bo.access_token) as at_bo,
        httpx.AsyncClient(base_url=hub.url, headers={"Authorization": f"Bearer {ana.access_token}"}) as rest,
    ):
        assert (await rest.patch("/v1/me", json={"name": "\u200b"})).status_code == 400
        assert await name_in_a_hug(at_ana, at_bo, bo) == ana.name
