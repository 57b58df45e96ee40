"""The pipeline of pushes against the slow model: two workers at once, and exactly the pushes that it says, none twice."""

import random
import time as clock
from collections import Counter, defaultdict
from datetime import timedelta

import pytest

from domain.times import from_ms, to_ms
from storage.postgres import Database
from tests.support.push_lives import DND_ENDS_MS, DND_LOOK_MS, END_MS, Life, live, populate
from tests.support.push_model import (
    CONNECTED,
    DO_NOT_DISTURB,
    MINUTE_MS,
    SECOND_MS,
    Expected,
    Happened,
    expect,
)
from tests.support.push_stage import MERGE_MS, PushStage, push_stage
from workers.push.outgoing import Answer, Outgoing, Verdict

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

NEVER = {"acked", "read", "undone", "blocked", "muted", "switched_off", "no_device"}
SEEN = {"acked", "read", "undone"}
FAULTS_END_MS = END_MS + 4 * MINUTE_MS

Pushed = tuple[str, str, str, int, int, int, int]


def minutes_ago(minutes: int) -> int:
    """A whole minute, in Unix ms."""
    return (clock.time_ns() // 60_000_000_000 - minutes) * MINUTE_MS


async def test_everybody_gets_the_pushes_that_the_model_says(database_url: str, redis_url: str) -> None:
    async with push_stage(database_url, redis_url, minutes_ago(10)) as stage:
        lives, devices = await populate(stage, random.Random(7), 1_000)
        async for _ in live(stage, lives):
            await stage.look()
        got = await pushes(stage.database, stage.base_ms, devices)
        fates = await stage.fates()
    deliveries = [outgoing.id for _, outgoing, _ in stage.tries]
    assert len(deliveries) == len(set(deliveries)) == sum(len(each) for each in got.values())
    assert len(deliveries) > 1_000
    assert len(fates) > 9_000
    assert {*fates.values()} == {"sent", *NEVER}
    for life in lives:
        expected = expect(life.person, life.events, merge_ms=MERGE_MS)
        compare(life, expected, got.get(life.person.id, []))
        for event in life.events:
            fate = fates.get((life.person.id, event.seq), "acked")  # who acks at once leaves no trace
            assert (fate == "sent") == (expected.fates[event.seq] == "sent")


def compare(life: Life, expected: Expected, got: list[Pushed]) -> None:
    """Nobody is told of the end of do-not-disturb: it is looked for."""
    late_ms = DND_LOOK_MS if life.presence == DO_NOT_DISTURB else 1
    wanted = sorted(
        (device, each.kind, each.collapse_key, each.covers[0], each.covers[-1], len(each.covers), each.not_before_ms)
        for each in expected.pushes
        for device in each.devices
    )
    assert [each[:-1] for each in sorted(got)] == [each[:-1] for each in wanted], life.person
    for one, other in zip(sorted(got), wanted, strict=True):
        assert other[-1] <= one[-1] < other[-1] + late_ms


async def pushes(database: Database, base_ms: int, devices: dict[str, str]) -> dict[str, list[Pushed]]:
    """By user: to which provider, kind, collapse key, first and last seq, how many events, when."""
    rows = await database.fetch(
        "select user_id, device_id, kind, first_seq, last_seq, created_at, content::json ->> 'collapse_key' as collapse_key,"
        " (content::json -> 'data' ->> 'count')::int as count, state from deliveries"
    )
    found = defaultdict(list)
    for row in rows:
        assert row["state"] == "accepted"
        after_ms = (row["created_at"] - from_ms(base_ms)) // timedelta(milliseconds=1)
        device = devices[str(row["device_id"])]
        found[str(row["user_id"])].append(
            (device, row["kind"], row["collapse_key"], row["first_seq"], row["last_seq"], row["count"], after_ms)
        )
    return found


class Moody:
    """A provider that refuses each push at most twice, with or without an answer."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._failures: Counter[str] = Counter()

    def __call__(self, outgoing: Outgoing) -> Answer:
        if self._failures[outgoing.id] < 2 and self._dice.random() < 0.2:
            self._failures[outgoing.id] += 1
            return Answer(verdict=Verdict.RETRY, is_silent=self._dice.random() < 0.5)
        return Answer(verdict=Verdict.ACCEPTED)


async def test_whatever_dies_or_forgets_nothing_is_lost_or_doubled(database_url: str, redis_url: str) -> None:
    dice = random.Random(11)
    async with push_stage(database_url, redis_url, minutes_ago(15)) as stage:
        stage.answer = Moody(dice)
        lives, _ = await populate(stage, dice, 200)
        async for at_ms in live(stage, lives, FAULTS_END_MS):
            if at_ms < END_MS and dice.random() < 0.4:
                await stage.look_and_die(dice.randrange(2_000))
            else:
                await stage.look()
            if at_ms < END_MS and dice.random() < 0.1:
                await stage.forget()
                for life in lives:  # as hubs do when they find themselves forgotten
                    await life.come(stage)
        fates = await stage.fates()
        sent_at = await sent_times(stage)
        await check_deliveries(stage)
    for life in lives:
        expected = expect(life.person, life.events, merge_ms=MERGE_MS)
        for event in life.events:
            place = life.person.id, event.seq
            check_fate(life, event, expected.fates[event.seq], fates.get(place, "acked"), sent_at.get(place))
    check_tries(stage, lives)


def check_fate(life: Life, event: Happened, expected: str, fate: str, sent_ms: int | None) -> None:
    """Later than the model has it, so that somebody may have seen it meanwhile; but never too early, and never not at all."""
    if expected not in SEEN | {"sent"}:
        assert fate in SEEN | {expected}
    elif fate != "sent":
        assert fate in SEEN
        assert (event.acked_ms, event.read_ms, event.undone_ms) != (None, None, None)
    if sent_ms is None:
        return
    assert event.at_ms <= sent_ms
    assert all(seen is None or sent_ms < seen for seen in (event.acked_ms, event.read_ms, event.undone_ms))
    if event.kind != "account.notice":
        assert not any(start <= sent_ms < end for start, end in life.person.quiet)
        assert life.presence != DO_NOT_DISTURB or sent_ms >= DND_ENDS_MS
        assert life.presence != CONNECTED or sent_ms >= event.at_ms + 10 * SECOND_MS


async def sent_times(stage: PushStage) -> dict[tuple[str, int], int]:
    """When the push of each event was made that one was made of, by user and seq."""
    rows = await stage.database.fetch(
        "select n.user_id, n.seq, min(d.created_at) as at from notifications n join deliveries d using (push_id)"
        " where n.channel = 'push' group by 1, 2"
    )
    return {(str(row["user_id"]), row["seq"]): to_ms(row["at"]) - stage.base_ms for row in rows}


async def check_deliveries(stage: PushStage) -> None:
    """All have ended; each push went to each device once, and none soon after another of its kind."""
    rows = await stage.database.fetch("select * from deliveries order by user_id, device_id, kind, created_at")
    assert len(rows) > 200
    assert {row["state"] for row in rows} == {"accepted", "suppressed"}
    assert len({(row["push_id"], row["device_id"]) for row in rows}) == len(rows)
    before = rows[0]
    for row in rows[1:]:
        is_next = (row["device_id"], row["kind"]) == (before["device_id"], before["kind"])
        if is_next and row["kind"] != "account.notice":
            assert row["created_at"] - before["created_at"] >= timedelta(milliseconds=MERGE_MS)
        before = row


def check_tries(stage: PushStage, lives: list[Life]) -> None:
    """What was taken is not sent again, and nothing is sent of which everything has been acked."""
    acks = {(life.person.id, event.seq): event.acked_ms for life in lives for event in life.events}
    taken: set[str] = set()
    contents: dict[str, Outgoing] = {}
    assert len(stage.tries) > len({outgoing.id for _, outgoing, _ in stage.tries}), "nothing was tried again"
    for at_ms, outgoing, answer in stage.tries:
        assert outgoing.id not in taken
        assert contents.setdefault(outgoing.id, outgoing).content == outgoing.content
        if answer.verdict is Verdict.ACCEPTED:
            taken.add(outgoing.id)
        acked_ms = acks[outgoing.user, int(outgoing.content.data["seq"])]  # the last one that it speaks of
        assert acked_ms is None or at_ms - stage.base_ms < acked_ms
