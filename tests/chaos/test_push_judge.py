"""The judge of pushes itself: it has nothing against what is right, and finds each thing that must not happen."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.chaos.push_crew import Member
from tests.chaos.push_facts import Delivery, Facts, Hugged
from tests.chaos.push_judge import (
    Settings,
    judge,
    judge_arrivals,
    judge_broken,
    judge_inboxes,
    judge_patience,
    judge_repeats,
)
from tests.chaos.swarm import Person
from tests.support.push_faults import Push
from tests.support.push_model import CONNECTED, DO_NOT_DISTURB

pytestmark = pytest.mark.chaos

SETTINGS = Settings(merge_ms=6_000, unacked_ms=3_000)
ACCEPTED = [("h1", "ana", "me"), ("h2", "bo", "me"), ("h3", "ana", "me")]


def delivery(number: int, **given: Any) -> Delivery:
    """The first push speaks of one hug, the second of all three."""
    made = {
        "id": f"d{number}",
        "push": f"p{number}",
        "user": "me",
        "provider": "fcm",
        "kind": "hug.received",
        "first": 1,
        "last": 1 if number == 1 else 3,
        "title": "A hug for you" if number == 1 else "Hugs for you",
        "text": "Somebody hugged you." if number == 1 else "You got 3 hugs.",
        "collapse_key": "hug-received",
        "badge": 1 if number == 1 else 3,
        "count": 1 if number == 1 else 3,
        "state": "accepted",
        "reason": None,
        "attempts": 1,
        "created_ms": 1_100 if number == 1 else 7_200,
        "sent_ms": 1_110 if number == 1 else 7_210,
        "accepted_ms": 1_120 if number == 1 else 7_220,
    }
    return Delivery(**(made | given))


def arrival(number: int, **given: Any) -> Push:
    of = delivery(number)
    made = {
        "provider": "fcm",
        "to": "token",
        "id": of.id,
        "collapse_key": of.collapse_key,
        "title": of.title,
        "text": of.text,
        "at_ms": (of.sent_ms or 0) + 5,
        "message": {},
        "answer": 200,
    }
    return Push(**(made | given))


def member(**given: Any) -> Member:
    person = Person("me", "t", ())
    return Member(**({"person": person, "sort": "fcm", "shows_names": False, "devices": {"fcm": "token"}} | given))


def facts(**given: Any) -> Facts:
    made = {
        "at_ms": 60_000,
        "hugs": {
            "me": [
                Hugged(1, "h1", "ana", "Ana", 1_000, None),
                Hugged(2, "h2", "bo", "Bo", 2_000, None),
                Hugged(3, "h3", "ana", "Ana", 7_000, None),
            ]
        },
        "deliveries": [delivery(1), delivery(2)],
        "fates": {("me", seq): ("sent", None) for seq in (1, 2, 3)},
        "tries": [arrival(1), arrival(2)],
        "pushes": [arrival(1), arrival(2)],
        "registered": {("me", "fcm")},
    }
    return Facts(**(made | given))


def everything(found: Facts, whose: Member, accepted: Iterable[tuple[str, str, str]] = ACCEPTED) -> list[str]:
    return [
        *judge_inboxes(list(accepted), found),
        *judge([whose], found, SETTINGS),
        *judge_broken([whose], found),
        *judge_arrivals(found, [whose]),
        *judge_repeats(found, lambda push: push.answer == 0),
        *judge_patience(found, 12),
    ]


def with_second(**given: Any) -> Callable[[], list[str]]:
    """The second push is another one."""
    return lambda: everything(facts(deliveries=[delivery(1), delivery(2, **given)]), member())


def with_facts(**given: Any) -> Callable[[], list[str]]:
    return lambda: everything(facts(**given), member())


def of_member(**given: Any) -> Callable[[], list[str]]:
    return lambda: everything(facts(), member(**given))


def test_what_is_right_is_left_alone() -> None:
    assert everything(facts(), member()) == []
    names = [
        delivery(1, text="\u2068Ana\u2069 hugged you."),
        delivery(2, text="\u2068Ana\u2069 and 1 other hugged you."),
    ]
    assert list(judge([member(shows_names=True)], facts(deliveries=names), SETTINGS)) == []
    unheard = [arrival(1, answer=0), arrival(1), arrival(2)]
    assert everything(facts(tries=unheard, pushes=unheard), member()) == [], "it had to be tried again"
    acked = facts(acks={"me": [(7_205, 3)]})
    assert everything(acked, member()) == [], "the look began before"


WRONG: dict[str, Callable[[], list[str]]] = {
    "is lost": lambda: everything(facts(), member(), [*ACCEPTED, ("h4", "ana", "me")]),
    "nobody was told that": lambda: everything(facts(), member(), ACCEPTED[:2]),
    "a gap in the seqs": with_facts(hugs={"me": [replace(facts().hugs["me"][0], seq=2)]}),
    "and should be sent": with_facts(fates={("me", 1): ("suppressed", "muted")}),
    "and should be muted": of_member(muted={"bo": 0}),
    "it says 3 hugs, and there are 2": of_member(blocked={"bo": 0}),
    "a push went to": of_member(devices={"fcm": "token", "apns": "other"}),
    "it says 'You got 4 hugs.'": with_second(text="You got 4 hugs."),
    "it is called": with_second(title="A hug for you"),
    "badge 2": with_second(badge=2),
    "ms after the one before": with_second(created_ms=7_050),
    "a push in quiet hours": of_member(quiet=[(0, 7_000), (7_100, 7_300)]),
    "not to be disturbed": of_member(presence=[(7_100, DO_NOT_DISTURB)]),
    "says nothing new": with_second(last=1, count=1, title="A hug for you", text="Somebody hugged you.", badge=1),
    "that they might have acked": of_member(presence=[(0, CONNECTED)]),
    "no push speaks of": with_facts(deliveries=[delivery(1)], tries=[arrival(1)], pushes=[arrival(1)]),
    "the last push speaks of": with_second(first=2, count=2, text="You got 2 hugs."),
    "was decided though it was acked": with_facts(acks={"me": [(7_200, 3)]}),
    "was sent though it was acked": lambda: everything(
        facts(
            deliveries=[delivery(1), delivery(2, sent_ms=20_000, accepted_ms=20_100)],
            tries=[arrival(1), arrival(2, at_ms=20_050)],
            acks={"me": [(19_000, 3)]},
        ),
        member(),
    ),
    "came by fcm": with_facts(pushes=[arrival(1)]),
    "after it had taken the news": lambda: everything(
        facts(deliveries=[delivery(1, attempts=2, sent_ms=9_000, accepted_ms=9_100), delivery(2)]), member()
    ),
    "still there": of_member(sort="expired"),
    "is gone": with_facts(registered=set()),
    "is dead (gave_up)": with_second(state="dead", reason="gave_up"),
    "has nothing of d2": with_facts(pushes=[arrival(1)]),
    "went to elsewhere": with_facts(pushes=[arrival(1), arrival(2, to="elsewhere")]),
    "d2 came as": with_facts(pushes=[arrival(1), arrival(2, text="Else.")]),
    "which nobody has decided": with_facts(pushes=[arrival(1), arrival(2), arrival(2, id="d9")]),
    "got d2 2 times": with_facts(pushes=[arrival(1), arrival(2), arrival(2)]),
    "was tried again as something else": with_facts(tries=[arrival(1), arrival(2), arrival(2, collapse_key="other")]),
    "ms too soon": with_facts(tries=[arrival(1), arrival(2, answer=429), arrival(2, at_ms=18_000)]),
    "to one who was not hugged": with_facts(deliveries=[delivery(1), delivery(2), delivery(3, user="other")]),
}


@pytest.mark.parametrize("problem", WRONG)
def test_what_is_wrong_is_told(problem: str) -> None:
    found = WRONG[problem]()
    assert [each for each in found if problem in each], found
