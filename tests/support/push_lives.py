"""Made-up people and what happens to them in six minutes, for the pipeline of pushes and for the slow model of it."""

import random
from collections.abc import AsyncIterator, Iterator

from domain.preferences import Preferences
from domain.presence import Rank
from domain.quiet_hours import QuietHours
from domain.times import from_ms
from tests.support.people import make_users
from tests.support.push_model import CONNECTED, DO_NOT_DISTURB, MINUTE_MS, OFFLINE, SECOND_MS, Happened, Person
from tests.support.push_stage import PROVIDERS, PushStage

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

    async def come(self, stage: PushStage) -> None:
        """They are as present as they are meant to be now."""
        if self.presence == CONNECTED:
            await stage.come(self.person.id, Rank.ONLINE)
        elif self.presence == DO_NOT_DISTURB and stage.now_ms < stage.base_ms + DND_ENDS_MS:
            await stage.come(self.person.id, Rank.DO_NOT_DISTURB)

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


async def _settle(stage: PushStage, life: Life, actors: list[str]) -> dict[str, str]:
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
    await life.come(stage)
    return {await stage.register(person.id, provider): provider for provider in life.providers}


async def populate(stage: PushStage, dice: random.Random, people: int) -> tuple[list[Life], dict[str, str]]:
    """So many people in the database; and the ids of all their devices, with the providers' names."""
    actors, users = await make_users(stage.database, ACTORS), await make_users(stage.database, people)
    lives = [Life(dice, user, actors) for user in users]
    return lives, {device: name for life in lives for device, name in (await _settle(stage, life, actors)).items()}


async def live(stage: PushStage, lives: list[Life], until_ms: int = END_MS) -> AsyncIterator[int]:
    """Everything happens; at each tick, which is yielded, it is up to the test to have the workers look."""
    everything = [(life.person.id, event) for life in lives for event in life.events]
    for at_ms in range(0, until_ms, TICK_MS):
        stage.now_ms = stage.base_ms + at_ms
        await stage.happen([(user, event) for user, event in everything if event.at_ms == at_ms])
        await stage.ack([(user, event.seq) for user, event in everything if event.acked_ms == at_ms])
        await stage.read([(user, event.seq) for user, event in everything if event.read_ms == at_ms])
        await stage.undo([(user, event.seq) for user, event in everything if event.undone_ms == at_ms])
        if at_ms == DND_ENDS_MS:
            await stage.go([life.person.id for life in lives if life.presence == DO_NOT_DISTURB])
        yield at_ms
