"""Taking hugs back and saying how they were felt, over two hubs at once."""

import asyncio
from itertools import count
from typing import Any

import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

_NUMBERS = count(1)


async def send(wire: Wire, to: Person) -> str:
    hug = uuid7(1_780_000_000_000 + next(_NUMBERS))
    reply = await wire.ask("hug.send", id=hug, to=to.id, kind="bear")
    assert reply.get("state") == "accepted", reply
    return hug


async def one_hug(hub: HubProcess, person: Person, hug: str) -> dict[str, Any]:
    """`GET /v1/hugs/{id}`; empty if there is none."""
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {person.access_token}"}
        response = await client.get(f"{hub.url}/v1/hugs/{hug}", headers=headers)
    assert response.status_code in {200, 404}
    return dict(response.json()) if response.status_code == 200 else {}


async def test_seen_or_taken_back_but_never_both(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    outcomes: set[str] = set()
    async with (
        await Wire.log_in(one.url, ana.access_token) as hers,
        await Wire.log_in(other.url, ben.access_token) as his,
    ):
        for number in range(60):
            hug = await send(hers, ben)
            await his.hear("hug.received")
            # Now the one a little earlier, now the other.
            commands = [hers.ask("hug.undo", id=hug), his.ask("hug.seen", ids=[hug])]
            tasks = [asyncio.create_task(command) for command in (commands if number % 2 else commands[::-1])]
            replies = await asyncio.gather(*tasks)
            undo = replies[0 if number % 2 else 1]
            state = (await one_hug(one, ana, hug))["state"]
            outcomes.add(state)
            if undo["type"] == "ok":
                assert (undo["state"], state) == ("undone", "undone")
                assert (await his.hear("hug.undone"))["id"] == hug
                assert await one_hug(other, ben, hug) == {}
            else:
                assert (undo["code"], undo["retryable"], state) == ("conflict", False, "seen")
                assert (await hers.hear("hug.seen"))["id"] == hug
                assert (await one_hug(other, ben, hug))["state"] == "seen"
        assert not [event for event in hers.kept() if event["type"] == "hug.seen"]
        assert not [event for event in his.kept() if event["type"] == "hug.undone"]
    assert outcomes == {"seen", "undone"}, "the race was none"


async def test_taken_back_at_once_on_two_devices_is_told_once(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as phone,
        await Wire.log_in(other.url, ana.access_token, device="tablet") as tablet,
        await Wire.log_in(other.url, ben.access_token) as his,
    ):
        for _ in range(20):
            hug = await send(phone, ben)
            replies = await asyncio.gather(*(wire.ask("hug.undo", id=hug.upper()) for wire in (phone, tablet)))
            told = await his.hear("hug.undone")
            assert {(r["id"], r["state"], r["at"]) for r in replies} == {(hug, "undone", told["at"])}
            assert (told["id"], told["from"]) == (hug, {"id": ana.id, "name": ana.name})
        assert (await his.ask("ping"))["type"] == "ok"
        assert not [event for event in his.kept() if event["type"] == "hug.undone"]


async def test_a_reaction_is_told_once_and_replaced(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as hers,
        await Wire.log_in(other.url, ben.access_token) as phone,
        await Wire.log_in(one.url, ben.access_token, device="tablet") as tablet,
    ):
        hug = await send(hers, ben)
        both = await asyncio.gather(*(wire.ask("hug.react", hug=hug, emoji="🤗") for wire in (phone, tablet)))
        first = await hers.hear("hug.felt")
        assert {(reply["id"], reply["state"], reply["at"]) for reply in both} == {(hug, "felt", first["at"])}
        reply = await phone.ask("hug.react", hug=hug, emoji="❤️", message="needed that")
        second = await hers.hear("hug.felt")
        assert second == {
            "type": "hug.felt",
            "seq": first["seq"] + 1,
            "at": reply["at"],
            "id": hug,
            "from": {"id": ben.id, "name": ben.name},
            "emoji": "❤️",
            "message": "needed that",
        }
        expected = {"emoji": "❤️", "message": "needed that", "at": reply["at"]}
        assert (await one_hug(one, ana, hug))["reaction"] == (await one_hug(other, ben, hug))["reaction"] == expected
        refused = await hers.ask("hug.undo", id=hug)
        assert (refused["type"], refused["code"]) == ("error", "conflict")
        assert not [event for event in hers.kept() if event["type"] == "hug.felt"]
