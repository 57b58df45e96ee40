"""Whoever logs moods must see each that is lost, rejected, or not theirs; and what is stored must be what was logged."""

import uuid
from collections import Counter
from datetime import date, timedelta

import msgspec
import pytest

from domain.ids import uuid7_ms
from loadtest.clients.moods import AGAIN_AFTER_S, Diarist, make_patterns
from loadtest.server.stored_moods import Kept, judge_kept
from protocol.codec import Codec, decode_command
from protocol.commands import MoodLog
from protocol.frames import FrameParser
from tests.unit.loadtest.test_roommates import Transport

pytestmark = pytest.mark.unit

NOW_MS = 1_767_000_000_000


class Desk:
    """Somebody who is connected, and the latencies they tell."""

    def __init__(self, number: int = 7) -> None:
        self.latencies: list[float] = []
        self.diarist = Diarist(number, make_patterns(NOW_MS, 20), self.latencies.append)
        self.transport = Transport()
        self.diarist.connection_made(self.transport)

    def log(self, count: int, intended: float = 1.0) -> None:
        for _ in range(count):
            self.diarist.log(intended)

    def commands(self) -> list[MoodLog]:
        """What was written, as the server reads it."""
        self.diarist.flush()
        frames = FrameParser(1 << 20).feed(self.transport.written)
        commands = [decode_command(payload, Codec.JSON) for _, payload in frames]
        return [command for command in commands if isinstance(command, MoodLog)]

    def hear(self, *messages: bytes, now: float = 10.0) -> None:
        for message in messages:
            self.diarist.event(message, now)

    def answered(self) -> None:
        """Every command is queued."""
        for ref in range(self.diarist.said):
            self.hear(b'{"type":"ok","ref":%d,"id":"x","state":"queued"}' % ref)


def saved(mood_id: bytes | str) -> bytes:
    return b'{"type":"mood.saved","id":"%b"}' % (mood_id if isinstance(mood_id, bytes) else mood_id.encode())


async def test_what_is_logged_is_what_a_server_takes() -> None:
    desk = Desk()
    desk.log(50)
    commands = desk.commands()
    assert len({command.id for command in commands}) == 50
    for number, command in enumerate(commands):
        assert command.id.encode() == desk.diarist.id_of(number)
        assert uuid.UUID(command.id).version == 7
        assert uuid7_ms(command.id) > NOW_MS
        assert (len(command.tags or ()), len(command.factors or {})) == (2, 3)
        assert command.note
        assert command.intensity is not None
        assert command.felt_at is not None
    days = Counter(command.felt_at.date() for command in commands if command.felt_at)
    assert 3 <= len(days) <= 5
    assert len({command.timezone for command in commands}) == 1


async def test_no_two_people_make_the_same_id() -> None:
    desks = [Desk(number) for number in range(40)]
    for desk in desks:
        desk.log(25)
    assert len({command.id for desk in desks for command in desk.commands()}) == 1_000


async def test_each_is_timed_from_the_intended_moment_and_once() -> None:
    desk = Desk()
    desk.log(2, intended=4.0)
    desk.answered()
    desk.hear(saved(desk.diarist.id_of(1)), now=6.0)
    desk.hear(saved(desk.diarist.id_of(1)), saved(desk.diarist.id_of(0)), now=9.0)
    assert desk.latencies == [2.0, 5.0]
    assert desk.diarist.told_again == 1
    assert desk.diarist.ended() == []


async def test_what_is_not_told_as_saved_is_sent_again_as_it_was_and_is_missed_in_the_end() -> None:
    desk = Desk()
    desk.log(3)
    desk.answered()
    desk.hear(saved(desk.diarist.id_of(1)))
    sent = desk.diarist.waiting[0]
    assert desk.diarist.late(sent + AGAIN_AFTER_S - 1) == []
    assert desk.diarist.late(sent + AGAIN_AFTER_S + 1) == [0, 2]
    desk.diarist.log_again(0)
    first, *_, again = desk.commands()
    assert msgspec.structs.replace(again, ref=first.ref) == first
    assert desk.diarist.logged == 3
    desk.answered()
    assert "2 moods of one person were never told as saved" in desk.diarist.ended()


async def test_one_that_is_logged_once_more_is_no_second_latency_and_waits_for_its_answer() -> None:
    desk = Desk()
    desk.log(1)
    desk.hear(saved(desk.diarist.id_of(0)))
    desk.diarist.log_again(0)
    assert list(desk.diarist.waiting) == [0]
    desk.hear(saved(desk.diarist.id_of(0)))
    assert (len(desk.latencies), desk.diarist.told_again, desk.diarist.waiting) == (1, 1, {})


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (saved("01a1fe41-d211-7000-8000-000007000000"), "told as saved that was never logged here"),
        (b'{"type":"mood.rejected","id":"x","code":"conflict","message":"no"}', "rejected: conflict: no"),
        (b'{"type":"mood.deleted","id":"x"}', "deleted"),
        (b'{"type":"error","code":"invalid","message":"no","ref":0}', "invalid: no"),
    ],
)
async def test_every_broken_promise_is_seen(message: bytes, says: str) -> None:
    desk = Desk()
    desk.log(1)
    desk.hear(message)
    assert says in desk.diarist.problems[0]


async def test_the_next_number_is_not_logged_yet() -> None:
    desk = Desk()
    desk.log(2)
    stranger = desk.diarist.id_of(0)[:-1] + b"2"
    desk.hear(saved(stranger))
    assert desk.diarist.problems == ["a mood was told as saved that was never logged here"]


async def test_milestones_are_acknowledged_and_come_once() -> None:
    desk = Desk()
    milestone = b'{"seq":%d,"type":"streak.milestone","at":"2026-01-31T12:00:00.000Z","days":3}'
    desk.hear(milestone % 4, b'{"type":"streak.updated","current":3}')
    assert b'{"type":"ack","seq":4}' in desk.transport.written
    assert (desk.diarist.milestones, desk.diarist.streaks, desk.diarist.problems) == ([3], 1, [])
    desk.hear(milestone % 5)
    assert desk.diarist.problems == ["the milestone of 3 days was told twice"]


TODAY = date(2026, 1, 31)
DAYS = frozenset(TODAY - timedelta(days=ago) for ago in (0, 1, 3))
GOOD = Kept(rows=5, ids=5, dates=DAYS, current=2, longest=2, reckoned_for=TODAY)


def judged(now: Kept, logged: int = 5, before: Kept | None = None) -> list[str]:
    return judge_kept({"ana": logged}, {"ana": before} if before else {}, {"ana": now})


def test_what_is_stored_once_with_its_streak_is_good() -> None:
    assert judged(GOOD) == []
    assert judge_kept({"ana": 0}, {}, {}) == []
    assert judged(Kept(3, 3, frozenset()), logged=3) == []  # all of them too old to count


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (msgspec.structs.replace(GOOD, rows=4, ids=4), "ana logged 5 moods, and 4 rows with 4 ids are stored"),
        (msgspec.structs.replace(GOOD, rows=6), "6 rows with 5 ids"),
        (msgspec.structs.replace(GOOD, current=3), "of ana are (3, 2), and the rows say (2, 2)"),
        (msgspec.structs.replace(GOOD, longest=1), "of ana are (2, 1), and the rows say (2, 2)"),
        (msgspec.structs.replace(GOOD, reckoned_for=None), "ana has dates that count, and no streak"),
    ],
)
def test_what_is_lost_doubled_or_counted_wrongly_is_seen(now: Kept, says: str) -> None:
    assert [says in problem for problem in judged(now)] == [True]


def test_nothing_stored_at_all_is_seen() -> None:
    assert judge_kept({"ana": 2}, {}, {}) == ["ana logged 2 moods, and 0 rows with 0 ids are stored"]


def test_of_who_had_moods_before_only_the_new_ones_are_counted() -> None:
    before = Kept(rows=3, ids=3, dates=frozenset({TODAY}), current=9, longest=9, reckoned_for=TODAY)
    now = msgspec.structs.replace(GOOD, rows=8, ids=8, current=9, longest=9)
    assert judged(now, before=before) == []
    assert judged(now, logged=4, before=before) == ["ana logged 4 moods, and 5 rows with 5 ids are stored"]
