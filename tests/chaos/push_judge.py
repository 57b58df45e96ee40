"""What must be true of everybody's pushes, held against the facts: each function tells what is not.

Reality looks a little later than the slow model, so a push may speak of more than the model's, and there may be fewer; what
must be in it, what must not, and when it may come at the earliest are exact.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import combinations

from msgspec import Struct

from tests.chaos.push_crew import BROKEN, Member
from tests.chaos.push_facts import Delivery, Facts, Hugged
from tests.support.push_faults import Push
from tests.support.push_model import CONNECTED, DO_NOT_DISTURB, OFFLINE, SENT, Happened, expect

TOO_MANY = 429
FRESH_MS = 2_000  # what was decided less than that ago is not asked about again
WAITING = "waiting"
ISOLATE, END = "\u2068", "\u2069"


class Settings(Struct, frozen=True):
    """As the servers were told."""

    merge_ms: int
    unacked_ms: int


class Case(Struct, frozen=True):
    """One member, with what concerns them. *pushes*: the deliveries of each push, in order of time."""

    member: Member
    hugs: Sequence[Hugged]
    pushes: Sequence[Sequence[Delivery]]
    fates: Mapping[int, str]  # by seq, as the model says

    @property
    def told(self) -> list[int]:
        """The seqs that a push may speak of."""
        return [hug.seq for hug in self.hugs if self.fates[hug.seq] in {SENT, "acked"}]

    @property
    def unacked(self) -> list[int]:
        """Those that one must have spoken of."""
        acked = {hug.seq for hug in self.hugs if hug.acked_ms is not None}
        return [seq for seq in self.told if seq not in acked]


def make_case(member: Member, facts: Facts, settings: Settings) -> Case:
    """*member* and the slow model's word."""
    hugs = facts.hugs.get(member.id, [])
    events = [Happened(seq=hug.seq, at_ms=hug.at_ms, actor=hug.sender, acked_ms=hug.acked_ms) for hug in hugs]
    found = expect(member.as_model(), events, merge_ms=settings.merge_ms, unacked_ms=settings.unacked_ms)
    pushes: dict[str, list[Delivery]] = defaultdict(list)
    for delivery in facts.deliveries:
        if delivery.user == member.id:
            pushes[delivery.push].append(delivery)
    fates = dict(found.fates)
    for push in reversed(found.pushes):  # of what is sent, when it is for the first time
        fates |= dict.fromkeys(push.covers, SENT if push.not_before_ms <= facts.at_ms else WAITING)
    return Case(member, hugs, sorted(pushes.values(), key=lambda push: push[0].created_ms), fates)


def judge(members: Sequence[Member], facts: Facts, settings: Settings) -> list[str]:
    """Everything that is wrong with anybody's pushes, but for how often they reached the providers."""
    problems = []
    for member in (member for member in members if member.sort not in BROKEN):
        case = make_case(member, facts, settings)
        found = [
            *judge_fates(case, facts),
            *judge_texts(case),
            *judge_times(case, facts, settings),
            *judge_coverage(case),
            *judge_acks(case, facts),
            *judge_devices(case, facts),
        ]
        problems += [f"{member.sort} {member.id}: {problem}" for problem in found]
    users = {member.id for member in members}
    strays = [delivery for delivery in facts.deliveries if delivery.user not in users]
    return problems + [f"a push to one who was not hugged: {delivery}" for delivery in strays]


def judge_inboxes(accepted: Collection[tuple[str, str, str]], facts: Facts) -> Iterator[str]:
    """*accepted*: id, sender and recipient of hugs. Each is in its recipient's inbox, once, and no other is anywhere."""
    stored = Counter((hug.id, hug.sender, user) for user, hugs in facts.hugs.items() for hug in hugs)
    yield from (f"hug {hug} is lost" for hug in accepted if hug not in stored)
    yield from (f"hug {hug} stands in an inbox {number} times" for hug, number in stored.items() if number > 1)
    yield from (f"nobody was told that hug {hug} is accepted" for hug in stored if hug not in accepted)
    for user, hugs in facts.hugs.items():
        if [hug.seq for hug in hugs] != list(range(1, len(hugs) + 1)):
            yield f"{user}: a gap in the seqs"


def judge_fates(case: Case, facts: Facts) -> Iterator[str]:
    """What is stored of each hug is the reason that the model gives."""
    for hug in case.hugs:
        expected = case.fates[hug.seq]
        state, reason = facts.fates.get((case.member.id, hug.seq), ("", None))
        if expected == SENT:
            is_right = state == SENT or hug.acked_ms is not None
        elif expected == "acked":  # it may have been pushed before
            is_right = state in {"", SENT} or reason == "acked"
        elif expected in {WAITING, "expired"}:  # an hour or a day from now
            is_right = state == "waiting" and reason in {"quiet_hours", "do_not_disturb"}
        else:
            is_right = (state, reason) == ("suppressed", expected)
        if not is_right:
            yield f"hug {hug.seq} is {state} ({reason}), and should be {expected}"


def judge_texts(case: Case) -> Iterator[str]:
    """Each device gets one delivery of each push; numbers, names, badge and key are right."""
    by_seq = {hug.seq: hug for hug in case.hugs}
    for push in case.pushes:
        if sorted(each.provider for each in push) != sorted(case.member.devices):
            yield f"a push went to {[each.provider for each in push]}"
        for each in push:
            covered = [seq for seq in case.told if each.first <= seq <= each.last]
            sure = [seq for seq in case.unacked if each.first <= seq <= each.last]
            if not len(sure) <= each.count <= len(covered):
                yield f"it says {each.count} hugs, and there are {len(covered)} from {each.first} to {each.last}"
            elif each.count == len(covered) and each.text != _text(case.member, [by_seq[seq] for seq in covered]):
                yield f"it says {each.text!r} of {each.count} hugs from {each.first} to {each.last}"
            if each.title != ("A hug for you" if each.count == 1 else "Hugs for you"):
                yield f"it is called {each.title!r}, of {each.count} hugs"
            if each.collapse_key != "hug-received" or not each.count <= each.badge <= len(case.hugs):
                yield f"key {each.collapse_key}, badge {each.badge}, of {len(case.hugs)} hugs"


def _text(member: Member, hugs: Sequence[Hugged]) -> str:
    count, senders = len(hugs), {hug.sender for hug in hugs}
    actor, others = f"{ISOLATE}{hugs[-1].name}{END}", len(senders) - 1
    if not member.shows_names:
        return "Somebody hugged you." if count == 1 else f"You got {count:,} hugs."
    if not others:
        return f"{actor} hugged you." if count == 1 else f"{actor} hugged you {count:,} times."
    return f"{actor} and {others} other{'s' if others > 1 else ''} hugged you."


def judge_times(case: Case, facts: Facts, settings: Settings) -> Iterator[str]:
    """No push sooner than the window after the one before, in quiet hours, in DND, or while the connected may ack."""
    sent_ms, last = -math.inf, 0
    for push in case.pushes:
        each = push[0]
        if each.created_ms < sent_ms + settings.merge_ms:
            yield f"a push {each.created_ms - sent_ms:.0f} ms after the one before"
        if any(start_ms <= each.created_ms < end_ms for start_ms, end_ms in case.member.quiet):
            yield "a push in quiet hours"
        # A look has the time of its beginning, and asks for presence a moment later.
        ids = {delivery.id for delivery in push}
        came_ms = min((at.at_ms for at in facts.tries if at.id in ids), default=each.created_ms)
        if _presence(case.member, came_ms) == DO_NOT_DISTURB:
            yield f"a push at {came_ms} while they are not to be disturbed: {case.member.presence}"
        news = [hug.at_ms for hug in case.hugs if last < hug.seq <= each.last and hug.seq in case.told]
        if not news:
            yield f"a push that says nothing new, up to {each.last}"
        elif (
            _presence(case.member, each.created_ms) == CONNECTED
            and case.member.sort != "stopped"
            and each.created_ms < min(news) + settings.unacked_ms
        ):
            yield f"a push {each.created_ms - min(news)} ms after a hug that they might have acked"
        sent_ms, last = each.created_ms, each.last


def _presence(member: Member, at_ms: int) -> str:
    return max((change for change in member.presence if change[0] <= at_ms), default=(0, OFFLINE))[1]


def judge_coverage(case: Case) -> Iterator[str]:
    """What nobody has acked is spoken of, up to the last hug."""
    spoken = {seq for push in case.pushes for seq in range(push[0].first, push[0].last + 1)}
    if missing := [seq for seq in case.unacked if seq not in spoken]:
        yield f"no push speaks of {missing[:5]}"
    if case.pushes and case.unacked:
        last = case.pushes[-1][0]
        acked = [hug.seq for hug in case.hugs if hug.acked_ms is not None]
        if last.last < case.unacked[-1] or (not acked and last.first > case.unacked[0]):
            yield f"the last push speaks of {last.first} to {last.last}, of {case.unacked[0]} to {case.unacked[-1]}"


def judge_acks(case: Case, facts: Facts) -> Iterator[str]:
    """Nothing was sent, or decided, after all of it was acked."""
    sent_ms: dict[str, list[int]] = defaultdict(list)
    for each_try in facts.tries:
        sent_ms[each_try.id].append(each_try.at_ms)
    for push in case.pushes:
        for each in push:
            if facts.acked_by(case.member.id, each.created_ms) >= each.last:
                yield f"a push up to {each.last} was decided though it was acked"
            if each.sent_ms is None or each.sent_ms - each.created_ms < FRESH_MS:
                continue
            was_sent = any(moment_ms >= each.sent_ms for moment_ms in sent_ms[each.id])
            if was_sent and facts.acked_by(case.member.id, each.sent_ms) >= each.last:
                yield f"a push up to {each.last} was sent though it was acked"


def judge_devices(case: Case, facts: Facts) -> Iterator[str]:
    """Each device was brought all that nobody has acked, and no old news in place of newer ones."""
    arrived = {push.id for push in facts.pushes}
    for provider in case.member.devices:
        mine = [each for push in case.pushes for each in push if each.provider == provider]
        spoken = {seq for each in mine if each.id in arrived for seq in range(each.first, each.last + 1)}
        if missing := [seq for seq in case.unacked if seq not in spoken]:
            yield f"nothing of {missing[:5]} came by {provider}"
        for old, new in combinations(mine, 2):
            if old.state == "accepted" and (new.accepted_ms or math.inf) < (old.sent_ms or 0):
                yield (
                    f"{provider} was sent {old.id}, up to {old.last}, {(old.sent_ms or 0) - (new.accepted_ms or 0)} ms "
                    f"after it had taken the news up to {new.last}"
                )


def judge_broken(members: Sequence[Member], facts: Facts) -> Iterator[str]:
    """Tokens are gone if their provider says that they are dead, and otherwise none is."""
    for member in members:
        for provider in member.devices:
            is_gone = member.sort in BROKEN and BROKEN[member.sort][2]
            if ((member.id, provider) in facts.registered) is is_gone:
                yield f"the token of {member.sort} {member.id} is {'still there' if is_gone else 'gone'}"
    broken = {member.id for member in members if member.sort in BROKEN}
    for each in facts.deliveries:
        is_over = each.state == "accepted" or (each.state == "suppressed" and each.reason in {"acked", "superseded"})
        if each.state == "accepted" if each.user in broken else not is_over:
            yield f"{each.provider} {each.id} is {each.state} ({each.reason})"


def judge_arrivals(facts: Facts, members: Sequence[Member]) -> Iterator[str]:
    """What was accepted reached the right device as it is stored; nothing else did."""
    devices = {(member.id, provider): to for member in members for provider, to in member.devices.items()}
    arrived: dict[str, list[Push]] = defaultdict(list)
    for push in facts.pushes:
        arrived[push.id].append(push)
    for each in facts.deliveries:
        came = arrived.pop(each.id, [])
        if each.state == "accepted" and not came:
            yield f"{each.provider} has nothing of {each.id}"
        for push in came:
            if push.to != devices[each.user, each.provider] or push.provider != each.provider:
                yield f"{each.id} went to {push.to}"
            if (push.title, push.text, push.collapse_key) != (each.title, each.text, each.collapse_key):
                yield f"{each.id} came as {push.title!r}, {push.text!r}, {push.collapse_key!r}"
    yield from (f"{push[0].provider} got {push_id}, which nobody has decided" for push_id, push in arrived.items())


def judge_patience(facts: Facts, retry_after_s: int) -> Iterator[str]:
    """Nothing is tried again sooner than its provider has asked for."""
    asked_ms: dict[str, int] = {}
    for push in sorted(facts.tries, key=lambda push: push.at_ms):
        if push.at_ms < asked_ms.get(push.id, 0):
            yield f"{push.provider} was tried again {asked_ms[push.id] - push.at_ms} ms too soon with {push.id}"
        if push.answer == TOO_MANY:
            asked_ms[push.id] = push.at_ms + retry_after_s * 1000


def judge_repeats(facts: Facts, is_unheard: Callable[[Push], bool]) -> Iterator[str]:
    """Nothing comes to a device again whose sender may know that it had come; what is tried again is the same."""
    tries: dict[str, list[Push]] = defaultdict(list)
    for push in facts.tries:
        tries[push.id].append(push)
    for push_id, same in tries.items():
        if len({(push.to, push.collapse_key, push.title, push.text) for push in same}) > 1:
            yield f"{push_id} was tried again as something else: {same}"
    arrived: dict[str, list[Push]] = defaultdict(list)
    for push in sorted(facts.pushes, key=lambda push: push.at_ms):
        arrived[push.id].append(push)
    for push_id, same in arrived.items():
        if not all(is_unheard(push) for push in same[:-1]):
            yield f"{same[0].provider} got {push_id} {len(same)} times: {[(push.at_ms, push.answer) for push in same]}"
