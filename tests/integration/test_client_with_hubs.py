"""Our client with real hubs: what an app sees while hubs come and go."""

import asyncio
import time
from typing import Any

import pytest

from domain.ids import uuid7
from protocol import events
from protocol.client import Client, ClientClosed, CommandRefused, Event
from protocol.codec import Codec
from protocol.commands import (
    FriendAnswer,
    FriendRequest,
    GroupCreate,
    GroupJoin,
    GroupSqueeze,
    HugPreparing,
    Status,
)
from protocol.cursor import Cursor, MemoryCursor
from protocol.events import (
    FriendAccepted,
    FriendRequested,
    HugDelivered,
    HugReceived,
    HugSeen,
    HugSent,
    Presence,
    Welcome,
)
from protocol.group_events import GroupCompleted, GroupInvited, GroupPulse, GroupStarted
from tests.support.hubs import HubProcess, Person, StartHub, make_friends

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def client_of(hub: HubProcess, person: Person, **options: Any) -> Client:
    return Client(hub.url, **({"token": person.access_token, "device": "test"} | options))


async def first(client: Client, kind: type[Any], **fields: Any) -> Any:
    """The next event of that kind with those fields; what comes before it is dealt with and forgotten."""
    async for event in client.events():
        if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
            return event
    raise AssertionError("the events have ended")


@pytest.mark.parametrize("codec", list(Codec), ids=str)
async def test_a_hug_with_all_its_echoes(hub: HubProcess, database_url: str, codec: Codec) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with client_of(hub, ana, codec=codec) as sender, client_of(hub, ben, codec=codec) as recipient:
        assert (await recipient.opened()).user.id == ben.id
        await first(recipient, Presence, user=ana.id)
        async with client_of(hub, ana, codec=codec, device="tablet") as tablet:
            await tablet.opened()
            ok = await sender.hug(ben.id, "bear", "well done!", style={"sparkle": [1, 2.5, None]})
            sent = await first(tablet, HugSent)
            assert (sent.id, sent.to, sent.message) == (ok.id, ben.id, "well done!")
        hug = await first(recipient, HugReceived)
        assert (hug.id, hug.from_.id, hug.message, hug.style, hug.seq) == (
            ok.id,
            ana.id,
            "well done!",
            {"sparkle": [1, 2.5, None]},
            1,
        )
        asking = asyncio.create_task(first(recipient, HugReceived))  # asks for more: it is done with the first
        assert (await first(sender, HugDelivered)).id == ok.id
        await recipient.seen([hug.id])
        assert (await first(sender, HugSeen)).id == ok.id
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_everybody_in_a_room_hears_what_belongs_to_it(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    async with client_of(hub, ana) as host, client_of(hub, ben, codec=Codec.MSGPACK) as guest:
        room = uuid7(time.time_ns() // 1_000_000)
        await host.opened()
        await guest.opened()
        made = await host.command(GroupCreate(id=room, name="Sunday", invite=[ben.id]))
        assert (made.ids, made.group and made.group.state) == ([ben.id], "gathering")
        invited = await first(guest, GroupInvited)
        assert (invited.id, invited.from_.id, invited.seq) == (room, ana.id, 1)
        joined = await guest.command(GroupJoin(id=room))
        assert joined.group is not None
        assert [member.id for member in joined.group.members] == [ana.id, ben.id]
        await first(host, GroupStarted, id=room)
        await guest.command(HugPreparing(to=ana.id))
        assert (await first(host, events.HugPreparing)).from_.id == ben.id
        await guest.command(GroupSqueeze(id=room, strength=0.5))
        pulse = await first(host, GroupPulse, count=1)
        assert (pulse.id, pulse.strength, pulse.members) == (room, 0.5, 2)
        await host.command(GroupSqueeze(id=room, strength=1))
        for client in (host, guest):
            completed = await first(client, GroupCompleted, id=room)
            assert (completed.how, completed.count) == ("squeeze", 2)


async def test_friends_and_presence(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2, friends=0)
    async with client_of(hub, ana) as asker, client_of(hub, ben, status=Status.AWAY) as asked:
        await asyncio.gather(asker.opened(), asked.opened())
        with pytest.raises(CommandRefused) as refused:
            await asker.hug(ben.id, "bear")
        assert refused.value.code == "forbidden"
        assert (await asker.command(FriendRequest(to=ben.id))).state == "requested"
        assert (await first(asked, FriendRequested)).from_.id == ana.id
        await asked.command(FriendAnswer(from_=ana.id, accept=True))
        assert (await first(asker, FriendAccepted)).user.id == ben.id
        assert (await asker.hug(ben.id, "bear")).state == "accepted"


async def test_hubs_are_killed_and_restarted_and_the_app_notices_nothing(
    start_hub: StartHub, database_url: str
) -> None:
    hub, other = await start_hub(), await start_hub()
    ana, ben = await make_friends(database_url, 2)
    lost: list[int] = []
    received: list[Event] = []
    welcomes: asyncio.Queue[Welcome] = asyncio.Queue()
    noting = {"on_lost": lambda farewell, _: lost.append(farewell.code), "on_welcome": welcomes.put_nowait}
    async with client_of(hub, ana) as sender, client_of(hub, ben, **noting) as recipient:
        await asyncio.gather(sender.opened(), recipient.opened())
        hugs = [asyncio.create_task(_hug_slowly(sender, ben, number)) for number in range(60)]
        listening = asyncio.create_task(_collect(recipient, received, 60))
        for restart in (hub.kill, hub.stop, hub.kill):
            await welcomes.get()
            await asyncio.sleep(0.3)  # some hugs on each connection
            await restart()
            await hub.start()
        oks = await asyncio.gather(*hugs)
        await listening
    assert other.is_alive()
    assert len(lost) >= 3
    assert 4200 in lost, "the drain was told"
    ids = [event.id for event in received if isinstance(event, HugReceived)]
    assert sorted(ids) == sorted(str(ok.id) for ok in oks)
    assert [event.seq for event in received if isinstance(event, HugReceived)] == list(range(1, 61))


async def _hug_slowly(client: Client, to: Person, number: int) -> Any:
    await asyncio.sleep(number * 0.05)
    return await client.hug(to.id, "bear", f"number {number}")


async def _collect(client: Client, received: list[Event], number: int) -> None:
    async for event in client.events():
        if isinstance(event, HugReceived):
            received.append(event)
            if len(received) == number:
                return


async def test_a_cursor_of_an_earlier_run_goes_on_where_it_was(hub: HubProcess, database_url: str) -> None:
    ana, ben = await make_friends(database_url, 2)
    store = MemoryCursor()
    async with client_of(hub, ana) as sender:
        async with client_of(hub, ben, cursor=store) as recipient:
            await recipient.opened()
            one = await sender.hug(ben.id, "bear")
            assert (await first(recipient, HugReceived)).id == one.id
        assert store.cursor is not None
        assert store.cursor.seq == 1
        two, three = await sender.hug(ben.id, "bear"), await sender.hug(ben.id, "warm")
        async with client_of(hub, ben, cursor=store) as recipient:
            assert (await first(recipient, HugReceived)).id == two.id
            assert (await first(recipient, HugReceived)).id == three.id
        resets: list[int] = []
        stale = MemoryCursor(Cursor("another epoch", 1))
        async with client_of(hub, ben, cursor=stale, on_reset=lambda welcome: resets.append(welcome.head)) as recipient:
            await recipient.opened()
        assert resets == [3]


async def test_a_token_that_ends_is_replaced_without_losing_the_connection(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    now_ms = time.time_ns() // 1_000_000
    asked: list[float] = []

    async def refresh() -> str:
        asked.append(time.monotonic())
        return ana.token(now_ms, 600)

    lost: list[int] = []
    short = ana.token(now_ms, 4)
    async with client_of(
        hub, ana, token=short, on_token=refresh, on_lost=lambda farewell, _: lost.append(farewell.code)
    ) as client:
        await client.opened()
        async with asyncio.timeout(10):
            while time.time_ns() // 1_000_000 < now_ms + 6_000:
                await client.ping()
                await asyncio.sleep(0.2)
    assert len(asked) == 1
    assert lost == [], "the token was refreshed on the open connection"


async def test_an_expired_token_at_the_start(hub: HubProcess, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    now_ms = time.time_ns() // 1_000_000

    async def refresh() -> str:
        return ana.access_token

    async with client_of(hub, ana, token=ana.token(now_ms - 60_000, 10), on_token=refresh) as client:
        assert (await client.opened()).user.id == ana.id
    async with client_of(hub, ana, token=ana.token(now_ms, 600, secret=b"x" * 32)) as client:
        with pytest.raises(ClientClosed) as closed:
            await client.opened()
        assert closed.value.code == 4301


async def test_commands_given_before_there_is_a_hub(start_hub: StartHub, database_url: str) -> None:
    hub = await start_hub()
    ana, ben = await make_friends(database_url, 2)
    await hub.kill()
    async with client_of(hub, ana) as client:
        hugs = [asyncio.create_task(client.hug(ben.id, "bear")) for _ in range(40)]
        await asyncio.sleep(0.3)
        assert not any(hug.done() for hug in hugs)
        await hub.start()
        oks = await asyncio.gather(*hugs)
        again = await client.hug(ben.id, "bear", hug_id=oks[0].id)
        assert (again.id, again.at) == (oks[0].id, oks[0].at)
        fresh = uuid7(time.time_ns() // 1_000_000)
        assert (await client.hug(ben.id, "bear", hug_id=fresh)).id == fresh
