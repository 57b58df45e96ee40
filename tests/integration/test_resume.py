"""Coming back: on any node, from where the client was, everything once and in order; or honestly from anew."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import asyncpg
import httpx
import pytest

from domain.ids import uuid7
from tests.support.hubs import HubProcess, Person, StartHub, make_friends
from tests.support.wire import MSGPACK, Wire

pytestmark = pytest.mark.integration

_NUMBERS = count(1)


async def hug(wire: Wire, to: Person, number: int = 1) -> list[str]:
    """Send *number* hugs, one after the other; their ids."""
    ids = [uuid7(1_780_000_000_000 + next(_NUMBERS)) for _ in range(number)]
    for hug_id in ids:
        reply = await wire.ask("hug.send", id=hug_id, to=to.id, kind="bear")
        assert reply.get("state") == "accepted", reply
    return ids


async def hear_hugs(wire: Wire, number: int) -> list[tuple[int, str]]:
    """The next *number* hugs as (seq, id)."""
    events = [await wire.hear("hug.received") for _ in range(number)]
    return [(event["seq"], event["id"]) for event in events]


def numbered(ids: Sequence[str], start: int = 1) -> list[tuple[int, str]]:
    return list(enumerate(ids, start))


async def test_on_another_node_from_where_one_was(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(one.url, ana.access_token) as sender:
        wire = await Wire.log_in(one.url, ben.access_token)
        ids = await hug(sender, ben, 3)
        assert await hear_hugs(wire, 3) == numbered(ids)
        epoch = wire.welcome["epoch"]
        wire.cut()
        ids += await hug(sender, ben, 5)
        async with await Wire.log_in(other.url, ben.access_token, after=3, epoch=epoch) as again:
            assert again.welcome["node"] != wire.welcome["node"]
            assert (again.welcome["resumed"], again.welcome["head"]) == (True, 8)
            events = [await again.hear("hug.received", "caught_up") for _ in range(6)]
            assert [event["type"] for event in events] == ["hug.received"] * 5 + ["caught_up"]
            assert [(event["seq"], event.get("id")) for event in events[:5]] == numbered(ids[3:], 4)
            assert events[5]["seq"] == 8
            ids += await hug(sender, ben)
            assert await hear_hugs(again, 1) == [(9, ids[8])]


async def test_without_after_it_starts_at_the_head_and_nothing_is_replayed(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        await hug(sender, ben, 2)
        async with await Wire.log_in(hub.url, ben.access_token) as wire:
            assert (wire.welcome["resumed"], wire.welcome["head"], wire.welcome["acked"]) == (False, 2, 0)
            (live,) = await hug(sender, ben)
            event = await wire.hear("hug.received", "caught_up")
            assert (event["type"], event["seq"], event["id"]) == ("hug.received", 3, live)


@pytest.mark.parametrize("after", [0, 2])
async def test_everything_there_is_to_replay(hub: HubProcess, database_url: str, after: int) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        ids = await hug(sender, ben, 2)
    async with await Wire.log_in(hub.url, ben.access_token, after=after) as wire:
        assert wire.welcome["resumed"] is True
        assert await hear_hugs(wire, 2 - after) == numbered(ids)[after:]
        assert (await wire.hear("caught_up"))["seq"] == 2


async def test_an_empty_inbox_resumes_from_nothing(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    async with await Wire.log_in(hub.url, ana.access_token, after=0) as wire:
        assert wire.welcome["resumed"] is True
        assert (await wire.hear("caught_up"))["seq"] == 0


@pytest.mark.parametrize(
    ("cursor", "why"),
    [
        ({"after": 1, "epoch": "another"}, "another epoch"),
        ({"after": 3, "epoch": "another"}, "another epoch, though at the head"),
        ({"after": 4}, "beyond the head"),
        ({"after": 2**53}, "far beyond the head"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_resumed_is_said_and_nothing_is_replayed(
    hub: HubProcess, database_url: str, cursor: dict[str, Any], why: str
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        await hug(sender, ben, 3)
        async with await Wire.log_in(hub.url, ben.access_token, **cursor) as wire:
            assert (wire.welcome["resumed"], wire.welcome["head"]) == (False, 3), why
            (live,) = await hug(sender, ben)
            event = await wire.hear("hug.received", "caught_up")
            assert (event["seq"], event.get("id")) == (4, live), why


async def test_a_cursor_older_than_the_inbox_keeps_is_never_a_partial_replay(
    hub: HubProcess, database_url: str
) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        ids = await hug(sender, ben, 5)
    connection = await asyncpg.connect(database_url)
    await connection.execute("delete from inbox where user_id = $1 and seq <= 3", ben.id)
    async with await Wire.log_in(hub.url, ben.access_token, after=2) as wire:
        assert (wire.welcome["resumed"], wire.welcome["head"]) == (False, 5)
    async with await Wire.log_in(hub.url, ben.access_token, after=3) as wire:
        assert wire.welcome["resumed"] is True
        assert await hear_hugs(wire, 2) == numbered(ids)[3:]
    await connection.execute("delete from inbox where user_id = $1", ben.id)
    async with await Wire.log_in(hub.url, ben.access_token, after=4) as wire:
        assert wire.welcome["resumed"] is False
    async with await Wire.log_in(hub.url, ben.access_token, after=5) as wire:
        assert wire.welcome["resumed"] is True, "nothing is missing"
    await connection.close()


async def test_more_than_256_unacknowledged_wait_in_the_mailbox(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(hub.url, ana.access_token) as sender,
        await Wire.log_in(hub.url, ben.access_token) as live,
    ):
        ids = await hug(sender, ben, 300)
        assert await hear_hugs(live, 256) == numbered(ids[:256])
        await live.ask("ping")
        assert not [message for message in live.kept() if message["type"] == "hug.received"], "257 must wait"
        assert (await live.ask("ack", seq=10))["seq"] == 10
        assert await hear_hugs(live, 10) == numbered(ids[256:266], 257)
        await live.ask("ack", seq=266)
        assert await hear_hugs(live, 34) == numbered(ids[266:], 267)
        async with await Wire.log_in(hub.url, ben.access_token, device="second", after=0) as replay:
            assert await hear_hugs(replay, 256) == numbered(ids[:256])
            await replay.ask("ping")
            assert not [message for message in replay.kept() if message["type"] in ("hug.received", "caught_up")]
            replay.say(type="ack", seq=256)
            assert await hear_hugs(replay, 44) == numbered(ids[256:], 257)
            assert (await replay.hear("caught_up"))["seq"] == 300


async def test_two_devices_on_two_nodes_each_with_its_own_cursor(start_hub: StartHub, database_url: str) -> None:
    one, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    async with (
        await Wire.log_in(one.url, ana.access_token) as sender,
        await Wire.log_in(one.url, ben.access_token, device="phone") as phone,
    ):
        ids = await hug(sender, ben, 20)
        async with await Wire.log_in(
            other.url, ben.access_token, device="tablet", after=5, subprotocol=MSGPACK
        ) as tablet:
            ids += await hug(sender, ben, 20)
            assert await hear_hugs(phone, 40) == numbered(ids)
            assert await hear_hugs(tablet, 35) == numbered(ids)[5:]


async def test_an_ack_that_was_lost_with_its_connection_can_be_said_again(hub: HubProcess, database_url: str) -> None:
    """Otherwise the sender never hears `hug.delivered`, and the recipient gets a push for what they have seen."""
    ana, ben = await make_friends(database_url, 2)
    async with await Wire.log_in(hub.url, ana.access_token) as sender:
        (hug_id,) = await hug(sender, ben)
        async with await Wire.log_in(hub.url, ben.access_token, after=1) as wire:
            assert (await wire.ask("ack", seq=1))["seq"] == 1
            assert (await sender.hear("hug.delivered"))["id"] == hug_id
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"Authorization": f"Bearer {ana.access_token}"}
        answer = await client.get(f"{hub.url}/v1/hugs/{hug_id}", headers=headers)
    assert answer.json()["state"] == "delivered"
