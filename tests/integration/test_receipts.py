"""Delivered and seen, over two nodes: told where both share receipts and the recipient is not invisible."""

import asyncio
from itertools import count, product
from typing import Any

import asyncpg
import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

_NUMBERS = count(1)


async def rest(hub: HubProcess, person: Person, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with httpx.AsyncClient(base_url=hub.url, headers=headers) as http:
        response = await http.request(method, path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def hug(wire: Wire, to: Person) -> str:
    hug_id = uuid7(1_780_000_000_000 + next(_NUMBERS))
    assert (await wire.ask("hug.send", id=hug_id, to=to.id, kind="bear"))["type"] == "ok"
    return hug_id


async def acked(database_url: str, person: Person, seq: int) -> None:
    """Until the ack of *person* is written."""
    connection = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(15):
            sql = "select acked_seq from inbox_heads where user_id = $1"
            while await connection.fetchval(sql, person.id) < seq:  # noqa: ASYNC110  another process writes it
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def trace(hub: HubProcess, person: Person, hug_id: str) -> list[tuple[str, str | None]]:
    """What became of a hug and on which device, as *person* may know it."""
    steps = (await rest(hub, person, "GET", f"/v1/hugs/{hug_id}/trace"))["steps"]
    return [(step["what"], step.get("device")) for step in steps if not step["what"].startswith(("push", "waiting"))]


@pytest.mark.parametrize(
    ("sender_shares", "recipient_shares", "is_invisible"), list(product([True, False], [True, False], [False, True]))
)
async def test_who_is_told(
    start_hub: StartHub, database_url: str, sender_shares: bool, recipient_shares: bool, is_invisible: bool
) -> None:
    one, two = await start_hub(), await start_hub()
    ana, bo, cleo = await make_friends(database_url, 3)
    for person, shares in ((ana, sender_shares), (bo, recipient_shares)):
        await rest(one, person, "PATCH", "/v1/me/privacy", {"shares_receipts": shares})
    status = "invisible" if is_invisible else "online"
    async with (
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        await Wire.log_in(two.url, bo.access_token, status=status) as at_bo,
        await Wire.log_in(one.url, bo.access_token, device="laptop") as laptop,
        await Wire.log_in(two.url, cleo.access_token) as at_cleo,
    ):
        hug_id = await hug(at_ana, bo)
        # Acked on a device that does not hide, while another one on another node does.
        seq = (await laptop.hear("hug.received"))["seq"]
        assert (await laptop.ask("ack", seq=seq))["type"] == "ok"
        await acked(database_url, bo, seq)
        assert (await at_bo.ask("hug.seen", ids=[hug_id]))["type"] == "ok"
        # What is sent after it comes after it: by then the receipts would have been heard.
        last = await hug(at_cleo, ana)
        assert (await at_ana.hear("hug.received"))["id"] == last
        told = [event["type"] for event in at_ana.kept() if event["type"] in ("hug.delivered", "hug.seen")]

        may_know = sender_shares and recipient_shares and not is_invisible
        assert told == (["hug.delivered", "hug.seen"] if may_know else [])
        record = await rest(one, ana, "GET", f"/v1/hugs/{hug_id}")
        assert record["state"] == ("seen" if may_know else "accepted")
        assert ("delivered_at" in record, "seen_at" in record) == (may_know, may_know)
        listed = (await rest(one, ana, "GET", "/v1/hugs?direction=sent"))["items"]
        assert listed == [record]
        assert (await rest(two, bo, "GET", f"/v1/hugs/{hug_id}"))["state"] == "seen", "to the one who has seen it"
        assert await trace(two, bo, hug_id) == [("accepted", None), ("acked", "laptop"), ("seen", None)]
        theirs = [("accepted", None), *([("delivered", None), ("seen", None)] if may_know else [])]
        assert await trace(one, ana, hug_id) == theirs


async def test_who_comes_back_with_it_has_acked_it(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, bo = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana:
        first, second = await hug(at_ana, bo), await hug(at_ana, bo)
    await rest(hub, bo, "GET", "/v1/poll?after=1&device=watch&wait=0")
    await acked(database_url, bo, 1)
    assert await trace(hub, bo, first) == [("accepted", None), ("acked", "watch")]
    assert await trace(hub, bo, second) == [("accepted", None)]
    await rest(hub, bo, "POST", "/v1/ack", {"seq": 2})
    await acked(database_url, bo, 2)
    assert await trace(hub, bo, second) == [("accepted", None), ("acked", None)], "nobody said which device it was"


async def test_what_changed_does_not_betray_what_is_not_told(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, bo = await make_friends(database_url, 2)
    await rest(hub, bo, "PATCH", "/v1/me/privacy", {"shares_receipts": False})
    async with await Wire.log_in(hub.url, ana.access_token) as at_ana:
        hug_id = await hug(at_ana, bo)
        async with await Wire.log_in(hub.url, bo.access_token) as at_bo:
            assert (await at_bo.ask("hug.seen", ids=[hug_id]))["type"] == "ok"
        seen_at = (await rest(hub, bo, "GET", f"/v1/hugs/{hug_id}"))["seen_at"]
        assert (await rest(hub, ana, "GET", f"/v1/hugs?changed_since={seen_at}"))["items"] == []
        assert len((await rest(hub, bo, "GET", f"/v1/hugs?changed_since={seen_at}"))["items"]) == 1
