"""The ephemeral scenarios must see each promise that a hub can break: the hub here breaks one at a time."""

import json
from collections.abc import Callable

import pytest

from loadtest.scenarios import presence, room, unicast
from tests.support.lying_hub import Command, Line, LyingHub, lying_hub, opened, orders

pytestmark = pytest.mark.integration

Lie = Callable[[LyingHub, Line, Command], None]
USERS = [f"01a1fe41-d211-7000-a4d9-00000000000{number}" for number in range(4)]


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on the way for long here."""
    for scenario in (presence, room, unicast):
        monkeypatch.setattr(scenario, "SETTLE_S", 0.3)
    monkeypatch.setattr(room, "QUIET_S", 0.1)
    monkeypatch.setattr(presence, "QUIET_S", 0.1)
    monkeypatch.setattr(presence, "CHANGE_GAP_S", 0.1)


def numbered(command: Command) -> int:
    """The how-manieth command of its sender it is."""
    return int(command["ref"])


# Unicast


def show(hub: LyingHub, line: Line, command: Command) -> None:
    name = f'"from":{{"id":"{line.user}","name":"Ana"}}'
    hub.lines[command["to"]].say(f'{{"type":"hug.preparing",{name},"until":"2026-01-31T12:00:05.000Z"}}')


def honest_unicast(hub: LyingHub, line: Line, command: Command) -> None:
    line.ok(command)
    show(hub, line, command)


async def unicasts(lie: Lie) -> unicast.UnicastLoad:
    """What became of 20 events of one pair, half of which count."""
    async with lying_hub(lie) as hub:
        load = unicast.UnicastLoad(orders("unicast", hub.url, USERS[:2], rate=100.0, burst=1, pairs=1))
        async with opened(load):
            await load.drive(0.1)
            load.measured_from = 0.0
            await load.drive(0.1)
            await load.settle()
    return load


async def test_a_unicast_that_is_honest() -> None:
    load = await unicasts(honest_unicast)
    assert load.problems == load.notes == []
    assert load.counts == {"sent": 20, "answered": 20, "delivered": 20}
    assert load.histograms["unicast"].total >= 10


async def test_a_lost_event_is_noted_and_takes_the_latencies_behind_it_along() -> None:
    def lie(hub: LyingHub, line: Line, command: Command) -> None:
        line.ok(command)
        if numbered(command) != 12:
            show(hub, line, command)

    load = await unicasts(lie)
    assert load.problems == []
    assert load.counts == {"sent": 20, "answered": 20, "delivered": 19}
    assert load.notes[0].startswith("1 events of 1 pairs were lost")
    assert load.histograms["ok"].total == 10
    assert load.histograms["unicast"].total == 2


async def test_an_event_that_nobody_sent_is_a_problem() -> None:
    def lie(hub: LyingHub, line: Line, command: Command) -> None:
        honest_unicast(hub, line, command)
        if numbered(command) == 19:
            show(hub, line, command)

    assert (await unicasts(lie)).problems == ["an event came that was never sent"]


async def test_missing_answers_and_connections_are_problems() -> None:
    def lie(hub: LyingHub, line: Line, command: Command) -> None:
        show(hub, line, command)
        if numbered(command) == 19:
            hub.lines[USERS[1]].hang_up()

    problems = (await unicasts(lie)).problems
    assert problems[0] == "20 commands of one member were never answered"
    assert problems[1].startswith("a connection ended during the run")


# Rooms


def tell(hub: LyingHub, command: Command, count: int, but: str = "") -> None:
    for line in hub.lines.values():
        if line.user != but:
            line.say(f'{{"type":"group.pulse","id":"{command["id"]}","count":{count},"strength":0.5,"members":4}}')


async def squeezes(lie: Lie, rate: float = 50.0) -> room.RoomLoad:
    """What became of ten squeezes, at 50/s, of one room."""

    def on_command(hub: LyingHub, line: Line, command: Command) -> None:
        line.ok(command)
        if command["type"] == "group.squeeze":
            lie(hub, line, command)

    async with lying_hub(on_command) as hub:
        options = {"first_room": room.new_room_id(), "rooms": 1, "members": 4, "pattern": "spaced", "rate": rate}
        load = room.RoomLoad(orders("room", hub.url, USERS, **options))
        async with opened(load):
            await load.join()
            await load.begin()
            await load.drive(10 / rate)
            load.expect(load.squeezed())
            await load.settle()
    return load


async def test_a_room_that_is_honest() -> None:
    load = await squeezes(lambda hub, _line, command: tell(hub, command, 1))
    assert load.problems == []
    assert (load.counts["squeezes"], load.counts["pulses"]) == (10, 40)


async def test_merged_pulses_add_up() -> None:
    waiting: list[Command] = []

    def merge(hub: LyingHub, _line: Line, command: Command) -> None:
        waiting.append(command)
        if len(waiting) == 5:
            tell(hub, command, len(waiting))
            waiting.clear()

    load = await squeezes(merge)
    assert load.problems == []
    assert load.counts["pulses"] == 8


@pytest.mark.parametrize("count", [0, 2])
async def test_a_squeeze_that_is_not_told_to_everybody_or_too_often_is_a_problem(count: int) -> None:
    told: list[str] = []

    def lie(hub: LyingHub, _line: Line, command: Command) -> None:
        told.append("")
        tell(hub, command, 1, but=USERS[3] if len(told) == 4 else "")
        if len(told) == 4 and count:
            hub.lines[USERS[3]].say(f'{{"type":"group.pulse","id":"{command["id"]}","count":2,"strength":1}}')

    heard = 9 + count
    assert (await squeezes(lie)).problems == [
        f"1 members did not hear [10] squeezes, but for example [{heard}]",
    ]


async def test_more_than_ten_pulses_a_second_are_a_problem() -> None:
    def lie(hub: LyingHub, _line: Line, command: Command) -> None:
        tell(hub, command, 0)
        tell(hub, command, 1)

    load = await squeezes(lie)
    assert load.problems == ["40 pulses came although there were 10 in a second"]


# Presence


def honest_presence(hub: LyingHub, line: Line, command: Command) -> None:
    line.ok(command)
    for friend in hub.lines.values():
        if friend is not line:
            friend.say(
                f'{{"type":"presence","user":"{line.user}","status":{json.dumps(command["status"])},"last_seen":null}}'
            )


async def changes(lie: Lie) -> presence.PresenceLoad:
    """What became of ten changes of four users."""
    async with lying_hub(lie) as hub:
        load = presence.PresenceLoad(orders("presence", hub.url, USERS, users=4, rate=50.0))
        async with opened(load):
            load.measured_from = 0.0
            await load.drive(0.2)
            load.expect(load.statuses())
            await load.settle()
    return load


async def test_a_presence_that_is_honest() -> None:
    load = await changes(honest_presence)
    assert load.problems == []
    assert load.counts == {"changes": 10, "answered": 10, "seen": 30}
    assert load.histograms["presence"].total == 30


async def test_only_the_latest_status_must_arrive() -> None:
    def late(hub: LyingHub, line: Line, command: Command) -> None:
        if numbered(command) == 0 and line.user in USERS[:2]:
            line.ok(command)  # they change twice more
        else:
            honest_presence(hub, line, command)

    load = await changes(late)
    assert load.problems == []
    assert load.counts["seen"] == 24


async def test_a_friend_who_is_not_seen_as_they_are_is_a_problem() -> None:
    def lie(hub: LyingHub, line: Line, command: Command) -> None:
        if line.user == USERS[0] and numbered(command) == 2:
            line.ok(command)
        else:
            honest_presence(hub, line, command)

    # Three changes lead back to where it began; the other three users still see the second.
    assert (await changes(lie)).problems == ["a friend is seen do_not_disturb instead of online"] * 3


async def test_who_comes_later_learns_from_the_welcome() -> None:
    def silent(_hub: LyingHub, line: Line, command: Command) -> None:
        line.ok(command)

    problems = (await changes(silent)).problems
    # The first to come was told of nobody, the last of everybody; nobody heard of any change.
    seen = {problem.partition(" instead")[0] for problem in problems}
    assert seen == {"a friend is seen offline", "a friend is seen online"}
