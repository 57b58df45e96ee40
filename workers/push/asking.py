"""Asks the rules about notifications, with everything that is true of them now: before a push is made, and before each try."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from domain.notifications import (
    Circumstances,
    Decision,
    Presence,
    Reason,
    Suppress,
    Timing,
    decide,
    is_permitted,
)
from domain.preferences import Channel, Preferences
from domain.privacy import Relation
from domain.times import from_ms, to_ms
from storage.circumstances import Pair, load_muted, load_recipients
from storage.deliveries import Target, load_targets
from storage.notifications import Burst, Pending
from storage.postgres import Database
from storage.push_preferences import load_preferences
from storage.reach import Reach
from workers.push.gist import Gist, gist_of

_NOBODY = Relation(exists=False)
_EXPIRED = Suppress(Reason.EXPIRED)
EMAIL = "email"

BurstKey = tuple[str, str, Channel]


class Asked(Struct, frozen=True, gc=False):
    """A notification and what the rules say. *gist* None: the event itself is gone."""

    pending: Pending
    gist: Gist | None
    decision: Decision


class Answers(Struct, frozen=True):
    """*targets*: of each user, those that this worker has a provider for."""

    asked: list[Asked]
    preferences: Mapping[str, Preferences]
    targets: Mapping[str, Sequence[Target]]

    def reached_by(self, user: str, channel: Channel) -> list[Target]:
        """Where a push, or a mail, to *user* goes."""
        return [each for each in self.targets.get(user, ()) if (each.provider == EMAIL) == (channel is Channel.EMAIL)]


class _Now(Struct, frozen=True):
    """What has been looked up for a batch."""

    ms: int
    answers: Answers
    presence: Mapping[str, Presence]
    muted: Collection[Pair]
    relations: Mapping[Pair, Relation]


class Asking:
    """For one worker: *providers* are those it can send with, *deviceless* the ones among them that need no device."""

    def __init__(
        self, database: Database, reach: Reach, providers: Collection[str], deviceless: Sequence[str], timing: Timing
    ) -> None:
        self._database = database
        self._reach = reach
        self._providers = frozenset(providers)
        self._deviceless = deviceless
        self._timing = timing

    async def ask(
        self, pending: Sequence[Pending], now: datetime, bursts: Mapping[BurstKey, Burst] | None = None
    ) -> Answers:
        """What to do about each of *pending*, in their order. *bursts*: what they are merged with. Raises: Unavailable."""
        users = sorted({each.user for each in pending})
        pairs = [(each.user, each.actor) for each in pending if each.actor is not None]
        now_ms = to_ms(now)
        around = _Now(
            now_ms,
            Answers([], await load_preferences(self._database, users), await self._targets(users)),
            await self._reach.presence(users, now_ms),
            await load_muted(self._database, pairs, now) if pairs else (),
            await load_recipients(self._database, pairs) if pairs else {},
        )
        for each in pending:
            gist = None if each.body is None else gist_of(_event_kind(each.kind), from_ms(each.at_ms), each.body)
            burst = bursts.get((each.user, each.kind, each.channel)) if bursts is not None else None
            decision = _EXPIRED if gist is None else self._decide(each, gist, burst, around)
            around.answers.asked.append(Asked(each, gist, decision))
        return around.answers

    async def _targets(self, users: Sequence[str]) -> dict[str, list[Target]]:
        targets = defaultdict(list)
        for target in await load_targets(self._database, users):
            if target.provider in self._providers:
                targets[target.user].append(target)
        for user in users:
            targets[user] += [Target(user, provider, None, "") for provider in self._deviceless]
        return targets

    def _decide(self, each: Pending, gist: Gist, burst: Burst | None, now: _Now) -> Decision:
        pair = (each.user, each.actor or "")
        relation = now.relations.get(pair, _NOBODY)
        is_open = each.actor is None or is_permitted(
            gist.topic, relation, is_of_request=gist.is_of_request, is_community=gist.is_community
        )
        return decide(
            each.at_ms,
            each.expires_ms,
            gist.category,
            each.channel,
            now.answers.preferences[each.user],
            Circumstances(
                presence=now.presence[each.user],
                has_target=bool(now.answers.reached_by(each.user, each.channel)),
                is_acked=each.is_acked,
                is_read=each.is_read,
                is_undone=each.is_undone,
                is_own_doing=each.is_own_doing,
                is_blocked=relation.is_blocked,
                is_muted=pair in now.muted,
                is_permitted=is_open,
                sent_at_ms=burst.sent_at_ms if burst is not None else None,
                unsure_since_ms=self._reach.unsure_since_ms,
            ),
            now.ms,
            self._timing,
        )


def _event_kind(burst: str) -> str:
    """Of the events in a burst: notifications of one's own have their topic in its name."""
    return "notification" if ":" in burst else burst
