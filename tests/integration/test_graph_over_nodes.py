"""What one decides on one node holds for the other's running session on another, within a moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import httpx
import pytest

from domain.ids import uuid7
from storage.postgres import Database
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

LAST_SEEN = "2026-01-31T12:00:00.000Z"


class Side(NamedTuple):
    """Somebody on a node of their own."""

    person: Person
    wire: Wire
    rest: httpx.AsyncClient

    async def hug(self, other: "Side") -> str:
        return await self._outcome("hug.send", id=uuid7(1_780_000_000_000), to=other.person.id, kind="warm")

    async def prepare(self, other: "Side") -> str:
        return await self._outcome("hug.preparing", to=other.person.id)

    async def ask(self, other: "Side") -> str:
        return await self._outcome("request.create", id=uuid7(1_780_000_000_000), to=other.person.id)

    async def _outcome(self, command: str, **fields: Any) -> str:
        reply = await self.wire.ask(command, **fields)
        return str(reply.get("code", "ok"))

    async def choose(self, **privacy: Any) -> None:
        response = await self.rest.patch("/v1/me/privacy", json=privacy)
        assert response.status_code == 200, response.text


@pytest.fixture
async def sides(start_hub: StartHub, database_url: str) -> AsyncIterator[tuple[Side, Side]]:
    """Two friends on two nodes."""
    people = await make_friends(database_url, 2)
    async with AsyncExitStack() as stack:
        sides = []
        for person in people:
            hub = await start_hub()
            wire = await stack.enter_async_context(await Wire.log_in(hub.url, person.access_token))
            headers = {"Authorization": f"Bearer {person.access_token}"}
            rest = await stack.enter_async_context(httpx.AsyncClient(base_url=hub.url, headers=headers))
            sides.append(Side(person, wire, rest))
        yield sides[0], sides[1]


async def soon(act: Callable[[], Awaitable[str]], expected: str) -> None:
    """The change is on its way; once it is there it stays."""
    async with asyncio.timeout(15):
        while await act() != expected:
            pass
    assert {await act() for _ in range(5)} == {expected}


@pytest.mark.parametrize("act", [Side.hug, Side.prepare])
async def test_who_may_hug(sides: tuple[Side, Side], act: Callable[[Side, Side], Awaitable[str]]) -> None:
    ana, ben = sides
    assert await act(ana, ben) == "ok"
    for audience, expected in (("nobody", "forbidden"), ("friends", "ok")):
        await ben.choose(who_may_hug=audience)
        await soon(lambda: act(ana, ben), expected)


async def test_who_may_ask(sides: tuple[Side, Side]) -> None:
    ana, ben = sides
    assert await ana.ask(ben) == "ok"
    for audience, expected in (("nobody", "forbidden"), ("everyone", "ok")):
        await ben.choose(who_may_ask=audience)
        assert await ana.ask(ben) == expected, "asked of the database each time"


async def test_who_sees_activity(start_hub: StartHub, database_url: str) -> None:
    one, two = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        Database(database_url) as database,
        await Wire.log_in(one.url, ana.access_token) as at_ana,
        httpx.AsyncClient(base_url=two.url, headers={"Authorization": f"Bearer {ben.access_token}"}) as rest,
    ):
        await database.execute("insert into last_seen values ($1, $2::text::timestamptz)", ben.id, LAST_SEEN)
        for audience, expected in (("nobody", None), ("everyone", LAST_SEEN)):
            await rest.patch("/v1/me/privacy", json={"who_sees_activity": audience})
            event = await at_ana.hear("presence")
            assert (event["user"], event["status"], event["last_seen"]) == (ben.id, "offline", expected)


async def test_blocks_of_both_directions_and_their_end(sides: tuple[Side, Side]) -> None:
    ana, ben = sides
    assert (await ana.hug(ben), await ben.hug(ana)) == ("ok", "ok")
    for one, other in ((ana, ben), (ben, ana)):
        assert (await one.wire.ask("user.block", user=other.person.id))["state"] == "blocked"
    for one, other in ((ana, ben), (ben, ana)):
        await soon(lambda one=one, other=other: one.hug(other), "not_found")
    assert (await ana.wire.ask("user.unblock", user=ben.person.id))["state"] == "unblocked"
    await soon(lambda: ana.hug(ben), "not_found")
    assert (await ben.wire.ask("user.unblock", user=ana.person.id))["state"] == "unblocked"
    await soon(lambda: ana.hug(ben), "forbidden")  # reachable again, and no friends any more


async def test_a_mute_made_on_one_node_is_listed_on_the_other(sides: tuple[Side, Side]) -> None:
    ana, ben = sides
    assert (await ana.wire.ask("user.mute", user=ben.person.id))["state"] == "muted"
    headers = {"Authorization": f"Bearer {ana.person.access_token}"}
    async with httpx.AsyncClient(base_url=str(ben.rest.base_url), headers=headers) as elsewhere:
        (mute,) = (await elsewhere.get("/v1/mutes")).json()["items"]
        assert mute["user"]["id"] == ben.person.id
        assert await ben.hug(ana) == "ok"
        assert (await ana.wire.hear("hug.received"))["from"]["id"] == ben.person.id, "still delivered"
        assert (await ana.wire.ask("user.unmute", user=ben.person.id))["state"] == "unmuted"
        assert (await elsewhere.get("/v1/mutes")).json()["items"] == []
