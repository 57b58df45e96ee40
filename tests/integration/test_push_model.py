"""The pipeline of pushes against the slow model: two workers at once, and exactly the pushes that it says, none twice."""

import random
import time as clock
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.preferences import Preferences
from domain.presence import Rank
from domain.quiet_hours import QuietHours
from domain.times import from_ms
from storage.postgres import Database
from tests.support.people import make_users
from tests.support.push_model import CONNECTED, DO_NOT_DISTURB, MINUTE_MS, OFFLINE, SECOND_MS, Happened, Person, expect
from tests.support.push_stage import MERGE_MS, PROVIDERS, PushStage, push_stage

pytestmark = pytest.mark.integration

PEOPLE = 1_000
ACTORS = 4
TICK_MS = 5 * SECOND_MS
EVENTS_UNTIL_MS, DEEDS_UNTIL_MS = 2 * MINUTE_MS, 150 * SECOND_MS
DND_ENDS_MS, DND_LOOK_MS = 3 * MINUTE_MS, 30 * SECOND_MS
QUIET_ENDS_MS, END_MS = 4 * MINUTE_MS, 6 * MINUTE_MS
KINDS = [
    "hug.received",
    "hug.received",
    "hug.received",
    "hug.felt",
    "friend.requested",
    "group.started",
    "account.notice",
]
NEVER = ["acked", "read", "undone", "blocked", "muted", "switched_off", "no_device"]


class Life:
    """One person and what happens to them, made up."""

    def __init__(self, dice: random.Random, user: str, actors: list[str]) -> None:
        self.presence = dice.choice([OFFLINE, OFFLINE, CONNECTED, CONNECTED, DO_NOT_DISTURB])
        self.providers = dice.choice([[], ["fcm"], ["fcm"], ["webpush"], list(PROVIDERS)])
        quiet = [(0, QUIET_ENDS_MS)] if dice.random() < 0.25 else []
        presence = {
            OFFLINE: [],
            CONNECTED: [(0, CONNECTED)],
            DO_NOT_DISTURB: [(0, DO_NOT_DISTURB), (DND_ENDS_MS, OFFLINE)],
        }[self.presence]
        self.person = Person(
            id=user,
            devices=dict.fromkeys(self.providers, 0),
            off=frozenset(dice.choice([[], [], [], ["hugs"], ["friends"], ["push"]])),
            quiet=quiet,
            presence=presence,
            muted={actor: 0 for actor in actors if dice.random() < 0.1},
            blocked={actor: 0 for actor in actors if dice.random() < 0.05},
        )
        self.events = list(self._events(dice, actors))

    def _events(self, dice: random.Random, actors: list[str]) -> Iterator[Happened]:
        ticks = EVENTS_UNTIL_MS // TICK_MS
        times = sorted(dice.randrange(ticks) * TICK_MS for _ in range(dice.randint(0, 20)))
        acks = [dice.randrange(DEEDS_UNTIL_MS // TICK_MS) * TICK_MS for _ in range(2)]
        acks_late = self.presence == CONNECTED and dice.random() < 0.7
        for seq, at_ms in enumerate(times, 1):
            kind = dice.choice(KINDS)
            acked_ms = min((ack_ms for ack_ms in acks if ack_ms >= at_ms), default=None) if acks_late else None
            undone = kind == "hug.received" and dice.random() < 0.1
            yield Happened(
                seq=seq,
                at_ms=at_ms,
                kind=kind,
                actor=dice.choice(actors) if kind not in {"group.started", "account.notice"} else "",
                acked_ms=acked_ms,
                read_ms=at_ms + TICK_MS * dice.randint(1, 5) if dice.random() < 0.1 else None,
                undone_ms=at_ms + TICK_MS * dice.randint(1, 5) if undone else None,
            )


async def settle(stage: PushStage, life: Life, actors: list[str]) -> dict[str, str]:
    """Puts somebody into the database; the ids of their devices, with the providers' names."""
    person, database = life.person, stage.database
    for actor in actors:
        low, high = sorted((person.id, actor))
        await database.execute("insert into friendships values ($1, $2, 'accepted', $1, now())", low, high)
    for actor in person.muted:
        await database.execute("insert into mutes values ($1, $2, null, now())", person.id, actor)
    for actor in person.blocked:
        await database.execute("insert into blocks values ($1, $2, now())", person.id, actor)
    if person.off or person.quiet:
        begins, ends = (from_ms(stage.base_ms + moment) for moment in (-60 * MINUTE_MS, QUIET_ENDS_MS))
        quiet = QuietHours(begins.time(), ends.time(), "UTC") if person.quiet else None
        switches = {"push" if each == "push" else f"{each}.push": False for each in person.off}
        await stage.prefer(person.id, Preferences(switches=switches, quiet_hours=quiet))
    if life.presence != OFFLINE:
        await stage.come(person.id, Rank.ONLINE if life.presence == CONNECTED else Rank.DO_NOT_DISTURB)
    return {await stage.register(person.id, provider): provider for provider in life.providers}


async def live(stage: PushStage, lives: list[Life]) -> None:
    """Everything happens, and both workers look at every tick."""
    everything = [(life.person.id, event) for life in lives for event in life.events]
    for at_ms in range(0, END_MS, TICK_MS):
        stage.now_ms = stage.base_ms + at_ms
        await stage.happen([(user, event) for user, event in everything if event.at_ms == at_ms])
        await stage.ack([(user, event.seq) for user, event in everything if event.acked_ms == at_ms])
        await stage.read([(user, event.seq) for user, event in everything if event.read_ms == at_ms])
        await stage.undo([(user, event.seq) for user, event in everything if event.undone_ms == at_ms])
        if at_ms == DND_ENDS_MS:
            await stage.go([life.person.id for life in lives if life.presence == DO_NOT_DISTURB])
        await stage.look(at_ms)


async def test_everybody_gets_the_pushes_that_the_model_says(database_url: str, redis_url: str) -> None:
    dice = random.Random(7)
    base_ms = (clock.time_ns() // 60_000_000_000 - 10) * MINUTE_MS
    async with push_stage(database_url, redis_url, base_ms) as stage:
        actors, users = await make_users(stage.database, ACTORS), await make_users(stage.database, PEOPLE)
        lives = [Life(dice, user, actors) for user in users]
        devices = {device: name for life in lives for device, name in (await settle(stage, life, actors)).items()}
        await live(stage, lives)

        got = await pushes(stage.database, stage.base_ms, devices)
        fates = await stage.fates()
        deliveries = [outgoing.id for _, outgoing in stage.sent]
        assert len(deliveries) == len(set(deliveries)) == sum(len(each) for each in got.values())
        assert len(deliveries) > PEOPLE
        assert len(fates) > 9_000
        assert {*fates.values()} == {"sent", *NEVER}
        for life in lives:
            found = expect(life.person, life.events, merge_ms=MERGE_MS)
            late_ms = DND_LOOK_MS if life.presence == DO_NOT_DISTURB else 1
            expected = [
                (
                    device,
                    push.kind,
                    push.collapse_key,
                    push.covers[0],
                    push.covers[-1],
                    len(push.covers),
                    push.not_before_ms,
                )
                for push in found.pushes
                for device in push.devices
            ]
            mine = got.get(life.person.id, [])
            assert sorted(each[:-1] for each in mine) == sorted(each[:-1] for each in expected), life.person
            for each, wanted in zip(sorted(mine), sorted(expected), strict=True):
                assert wanted[-1] <= each[-1] < wanted[-1] + late_ms
            for event in life.events:
                fate = fates.get((life.person.id, event.seq), "acked")
                assert (fate == "sent") == (found.fates[event.seq] == "sent")


Pushed = tuple[str, str, str, int, int, int, int]


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
