"""Our client against a server that drops, drains, repeats, skips and refuses: the app notices nothing of it."""

import asyncio
from typing import Any

import pytest

from domain.errors import TooLarge
from protocol.client import Client, ClientClosed, CommandRefused, Event, OutboxFull, TokenRefused, Unknown
from protocol.commands import Status
from protocol.cursor import Cursor, MemoryCursor
from protocol.events import HugReceived, Presence, Welcome
from tests.support.scripted_hub import ScriptedHub, Stage

pytestmark = pytest.mark.integration


def client_of(hub: ScriptedHub, **options: Any) -> Client:
    return Client(hub.url, **({"token": "t1", "device": "test"} | options))


async def take(client: Client, count: int) -> list[Event]:
    """The next *count* events, each of them dealt with."""
    events: list[Event] = []
    async for event in client.events():
        events.append(event)
        if len(events) == count:
            break
    return events


def seqs(events: list[Event]) -> list[int | None]:
    return [event.seq for event in events if isinstance(event, (HugReceived, Unknown))]


async def hold(stage: Stage) -> None:
    """Keep the connection until the client closes it, answering nothing."""
    async for _ in stage.socket:
        pass


async def test_says_hello_as_what_it_is() -> None:
    heard: list[dict[str, Any]] = []

    async def scene(stage: Stage) -> None:
        heard.append(await stage.welcome(head=4))
        await hold(stage)

    async with ScriptedHub(scene) as hub, client_of(hub, status=Status.AWAY) as client:
        welcome = await client.opened()
        assert welcome.head == 4
    assert heard == [{"type": "hello", "device": "test", "token": "t1", "status": "away"}]


async def test_resumes_after_a_cut_without_gap_or_repetition() -> None:
    hellos: list[dict[str, Any]] = []

    async def first(stage: Stage) -> None:
        hellos.append(await stage.welcome(head=10))
        for seq in (11, 12, 13):
            await stage.hug(seq)
        await stage.hear("ack")
        stage.cut()

    async def second(stage: Stage) -> None:
        hellos.append(await stage.welcome(head=15, resumed=True))
        for seq in range(hellos[1]["after"] + 1, 16):
            await stage.hug(seq)
        await stage.say("caught_up", seq=15)
        await stage.hug(15)
        await stage.hug(16)
        await hold(stage)

    async with ScriptedHub(first, second) as hub, client_of(hub) as client:
        events = await take(client, 6)
    assert seqs(events) == [11, 12, 13, 14, 15, 16]
    assert "after" not in hellos[0]
    assert hellos[1]["epoch"] == "e1"
    assert 11 <= hellos[1]["after"] <= 13


async def test_a_gap_is_answered_by_resuming() -> None:
    afters: list[int] = []

    async def first(stage: Stage) -> None:
        await stage.welcome()
        await stage.hug(1)
        await stage.hug(3)
        await hold(stage)

    async def second(stage: Stage) -> None:
        afters.append((await stage.welcome(head=3, resumed=True))["after"])
        for seq in range(afters[0] + 1, 4):
            await stage.hug(seq)
        await hold(stage)

    async with ScriptedHub(first, second) as hub, client_of(hub) as client:
        assert seqs(await take(client, 3)) == [1, 2, 3]


async def test_unknown_events_keep_the_order_of_the_known_ones() -> None:
    async def scene(stage: Stage) -> None:
        await stage.welcome()
        await stage.hug(1)
        await stage.say("hug.teleported", seq=2, where="moon")
        await stage.say("weather", sky="pink")
        await stage.hug(3)
        await hold(stage)

    async with ScriptedHub(scene) as hub, client_of(hub) as client:
        events = await take(client, 4)
    assert seqs(events) == [1, 2, None, 3]
    assert isinstance(events[1], Unknown)
    assert events[1].fields["where"] == "moon"


async def test_acknowledges_at_the_latest_after_sixteen_events() -> None:
    acks: list[int] = []
    all_heard = asyncio.Event()

    async def scene(stage: Stage) -> None:
        await stage.welcome()
        for seq in range(1, 18):  # the seventeenth: the app asks for it, so it is done with sixteen
            await stage.hug(seq)
        acks.append((await stage.hear("ack"))["seq"])
        all_heard.set()
        await hold(stage)

    async with ScriptedHub(scene) as hub, client_of(hub) as client:
        await take(client, 17)
        await all_heard.wait()
    assert acks[0] >= 1
    assert acks[0] <= 17


async def test_what_the_app_has_not_dealt_with_is_not_acknowledged() -> None:
    store = MemoryCursor()
    last_words: list[dict[str, Any]] = []

    async def scene(stage: Stage) -> None:
        await stage.welcome(head=5)
        await stage.hug(6)
        await stage.hug(7)
        last_words.append(await stage.hear("ack"))
        await stage.hear_nothing_more()

    async def crash_at_seven(hub: ScriptedHub) -> None:
        async with client_of(hub, cursor=store) as client:
            async for event in client.events():
                if isinstance(event, HugReceived) and event.seq == 7:
                    raise ZeroDivisionError

    async with ScriptedHub(scene) as hub:
        with pytest.raises(ZeroDivisionError):
            await crash_at_seven(hub)
        await hub.done.wait()
    assert last_words[0]["seq"] == 6
    assert store.cursor == Cursor("e1", 6), "after a restart, 7 comes again"


async def test_begins_from_a_stored_cursor_and_says_when_that_was_not_possible() -> None:
    resets: list[Welcome] = []

    async def scene(stage: Stage) -> None:
        hello = await stage.hear("hello")
        assert (hello["after"], hello["epoch"]) == (41, "old")
        await stage.say(
            "welcome",
            session="s",
            user={"id": "me", "name": "Me"},
            node="n",
            epoch="new",
            head=3,
            acked=0,
            resumed=False,
            server_time="t",
            heartbeat_ms=25000,
            limits={"message_bytes": 16384, "commands_in_flight": 16, "unacked_events": 256},
            friends=[],
        )
        await stage.hug(4)
        await hold(stage)

    store = MemoryCursor(Cursor("old", 41))
    async with ScriptedHub(scene) as hub, client_of(hub, cursor=store, on_reset=resets.append) as client:
        assert seqs(await take(client, 1)) == [4]
    assert [reset.head for reset in resets] == [3]
    assert store.cursor == Cursor("new", 4)


async def test_a_command_is_repeated_with_its_id_until_it_is_answered() -> None:
    hugs: list[dict[str, Any]] = []

    async def cut_before_the_answer(stage: Stage) -> None:
        await stage.welcome()
        hugs.append(await stage.hear("hug.send"))
        stage.cut()

    async def briefly_unavailable(stage: Stage) -> None:
        await stage.welcome(resumed=True)
        hugs.append(await stage.hear("hug.send"))
        await stage.say(
            "error", ref=hugs[-1]["ref"], code="unavailable", message="m", retryable=True, retry_after_ms=30
        )
        hugs.append(await stage.hear("hug.send"))
        await stage.ok(hugs[-1], id=hugs[-1]["id"], state="accepted", at="t")
        await hold(stage)

    async with ScriptedHub(cut_before_the_answer, briefly_unavailable) as hub, client_of(hub) as client:
        ok = await client.hug("ana", "bear", "well done!", style={"sparkle": 3})
    assert ok.id == hugs[0]["id"]
    assert hugs[0] == hugs[1] == hugs[2]
    assert hugs[0]["message"] == "well done!"
    assert hugs[0]["style"] == {"sparkle": 3}


async def test_commands_given_while_offline_wait_and_keep_their_order() -> None:
    heard: list[str] = []

    async def scene(stage: Stage) -> None:
        await stage.welcome()
        for _ in range(3):
            command = await stage.hear("hug.send")
            heard.append(command["message"])
            await stage.ok(command)
        await hold(stage)

    async with ScriptedHub(scene) as hub:
        client = client_of(hub)
        early = [asyncio.create_task(client.hug("ana", "bear", word)) for word in ("one", "two", "three")]
        await asyncio.sleep(0)  # the tasks begin; nothing is connected yet
        assert not any(task.done() for task in early)
        async with client:
            await asyncio.gather(*early)
    assert heard == ["one", "two", "three"]


async def test_no_more_commands_in_flight_than_the_hub_allows() -> None:
    async def scene(stage: Stage) -> None:
        await stage.welcome(limits={"message_bytes": 16384, "commands_in_flight": 2, "unacked_events": 256})
        first, second = await stage.hear("ping"), await stage.hear("ping")
        await stage.say("presence", user="marker", status="online", last_seen=None)
        await stage.ok(second)
        third = await stage.hear("ping")
        await stage.ok(first)
        await stage.ok(third)
        await hold(stage)

    async with ScriptedHub(scene) as hub, client_of(hub) as client:
        pings = [asyncio.create_task(client.ping()) for _ in range(3)]
        (marker,) = await take(client, 1)
        assert isinstance(marker, Presence)
        assert not any(ping.done() for ping in pings)
        await asyncio.gather(*pings)


async def test_a_refusal_reaches_the_app() -> None:
    async def scene(stage: Stage) -> None:
        await stage.welcome()
        command = await stage.hear("hug.send")
        await stage.say("error", ref=command["ref"], code="not_found", message="No such user.", retryable=False)
        command = await stage.hear("hug.send")
        await stage.say(
            "error", ref=command["ref"], code="rate_limited", message="m", retryable=True, retry_after_ms=86_400_000
        )
        await hold(stage)

    async with ScriptedHub(scene) as hub, client_of(hub) as client:
        with pytest.raises(CommandRefused, match="No such user") as refused:
            await client.hug("nobody", "bear")
        assert refused.value.code == "not_found"
        with pytest.raises(CommandRefused) as refused:
            await client.hug("ana", "bear")
        assert refused.value.retry_after_ms == 86_400_000, "a day is for the app to wait, not for us"


async def test_the_queue_is_bounded_and_what_is_too_large_is_refused_here() -> None:
    async with ScriptedHub() as hub, client_of(hub, commands_max=2) as client:
        waiting = [asyncio.create_task(client.ping()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(OutboxFull):
            await client.ping()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(TooLarge):
            await client.hug("ana", "bear", "x" * 20_000)


async def test_a_drain_is_waited_out_as_told() -> None:
    lost: list[tuple[int, float]] = []

    async def first(stage: Stage) -> None:
        await stage.welcome()
        await stage.bye(4200, retry_after_ms=80)

    async def second(stage: Stage) -> None:
        await stage.welcome(resumed=True)
        await hold(stage)

    welcomes: asyncio.Queue[Welcome] = asyncio.Queue()
    async with (
        ScriptedHub(first, second) as hub,
        client_of(
            hub,
            on_welcome=welcomes.put_nowait,
            on_lost=lambda farewell, wait_s: lost.append((farewell.code, wait_s)),
        ),
    ):
        await welcomes.get()
        assert (await welcomes.get()).resumed
        assert hub.opened_at[1] - hub.opened_at[0] >= 0.08
    assert lost == [(4200, 0.08)]


@pytest.mark.parametrize("code", [4000, 4003, 4007, 1002, 1007])
async def test_stops_when_the_hub_says_so(code: int) -> None:
    async def scene(stage: Stage) -> None:
        await stage.welcome()
        await stage.hear("ping")
        await stage.bye(code, reconnect=False)

    async with ScriptedHub(scene) as hub, client_of(hub) as client:
        with pytest.raises(ClientClosed) as closed:
            await client.ping()
        assert closed.value.code == code
        with pytest.raises(ClientClosed):
            await take(client, 1)
        with pytest.raises(ClientClosed):
            await client.ping()
        assert hub.connections == 1


async def test_gets_a_new_token_when_the_old_one_is_no_good() -> None:
    tokens = iter(["t2", "t3"])
    heard: list[str] = []

    async def expired(stage: Stage) -> None:
        heard.append((await stage.hear("hello"))["token"])
        await stage.bye(4300)

    async def accepted(stage: Stage) -> None:
        heard.append((await stage.welcome())["token"])
        await hold(stage)

    async def refresh() -> str:
        return next(tokens)

    async with ScriptedHub(expired, expired, accepted) as hub, client_of(hub, on_token=refresh) as client:
        await client.opened()
    assert heard == ["t1", "t2", "t3"]


async def test_without_a_new_token_it_stops() -> None:
    async def invalid(stage: Stage) -> None:
        await stage.hear("hello")
        await stage.bye(4301)

    async def refuse() -> str:
        raise TokenRefused("logged out")

    async with ScriptedHub(invalid) as hub, client_of(hub, on_token=refuse) as client:
        with pytest.raises(ClientClosed, match="logged out"):
            await client.opened()
    async with ScriptedHub(invalid) as hub, client_of(hub) as client:
        with pytest.raises(ClientClosed) as closed:
            await client.opened()
        assert closed.value.code == 4301


async def test_a_token_callback_that_fails_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    attempts = 0

    async def invalid(stage: Stage) -> None:
        await stage.hear("hello")
        await stage.bye(4300)

    async def accepted(stage: Stage) -> None:
        assert (await stage.welcome())["token"] == "t2"
        await hold(stage)

    async def refresh() -> str:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("the log-in server is away")
        return "t2"

    async with ScriptedHub(invalid, accepted) as hub, client_of(hub, on_token=refresh) as client:
        await client.opened()
    assert attempts == 2


async def test_refreshes_the_token_of_an_open_connection() -> None:
    refreshed = asyncio.Event()

    async def scene(stage: Stage) -> None:
        await stage.welcome()
        await stage.say("session.expiring", expires_at="t")
        command = await stage.hear("auth.refresh")
        assert command["token"] == "t2"
        await stage.ok(command, expires_at="t")
        refreshed.set()
        await hold(stage)

    async def refresh() -> str:
        return "t2"

    async with ScriptedHub(scene) as hub, client_of(hub, on_token=refresh):
        await refreshed.wait()


async def test_a_status_outlives_the_connection() -> None:
    async def first(stage: Stage) -> None:
        await stage.welcome()
        await stage.ok(await stage.hear("presence.set"), state="invisible")
        stage.cut()

    async def second(stage: Stage) -> None:
        hello = await stage.welcome(resumed=True)
        assert hello["status"] == "invisible"
        await hold(stage)

    welcomes: asyncio.Queue[Welcome] = asyncio.Queue()
    async with ScriptedHub(first, second) as hub, client_of(hub, on_welcome=welcomes.put_nowait) as client:
        await welcomes.get()
        await client.set_status(Status.INVISIBLE)
        await welcomes.get()


async def test_a_wrong_address_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="no address of a hub"):
        Client("ftp://x", token="t", device="d")


async def test_leaving_ends_the_events_and_what_was_not_answered() -> None:
    async def scene(stage: Stage) -> None:
        await stage.welcome()
        await stage.hear("ping")
        await hold(stage)

    async with ScriptedHub(scene) as hub:
        async with client_of(hub) as client:
            await client.opened()
            ping = asyncio.create_task(client.ping())
            listening = asyncio.create_task(_all(client))
            await asyncio.sleep(0)
        assert await listening == []
        with pytest.raises(ClientClosed, match="closed by the app"):
            await ping
        assert hub.connections == 1


async def _all(client: Client) -> list[Event]:
    return [event async for event in client.events()]
