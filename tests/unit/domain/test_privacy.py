"""Who may do what to whom."""

from itertools import product

import pytest

from domain.errors import Forbidden, NotFound, Refusal
from domain.privacy import (
    Audience,
    Privacy,
    Relation,
    check_may_ask,
    check_may_befriend,
    check_may_hug,
    may_find,
    may_see_activity,
    may_see_moods,
    may_see_online,
)

pytestmark = pytest.mark.unit

EVERYONE, FRIENDS, NOBODY = Audience.EVERYONE, Audience.FRIENDS, Audience.NOBODY
FIELDS = {
    "who_may_hug": check_may_hug,
    "who_befriends": check_may_befriend,
    "who_may_ask": check_may_ask,
    "who_sees_moods": may_see_moods,
    "who_sees_activity": may_see_activity,
    "who_sees_online": may_see_online,
    "who_finds": may_find,
}


def allows(field: str, relation: Relation) -> bool | Refusal:
    try:
        return FIELDS[field](relation) is not False
    except Refusal as refusal:
        return refusal


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("audience", "is_friend", "expected"),
    [
        (EVERYONE, False, True),
        (EVERYONE, True, True),
        (FRIENDS, False, False),
        (FRIENDS, True, True),
        (NOBODY, False, False),
        (NOBODY, True, False),
    ],
)
def test_each_audience_means_what_it_says(field: str, audience: Audience, is_friend: bool, expected: bool) -> None:
    relation = Relation(exists=True, is_friend=is_friend, privacy=Privacy(**{field: audience}))
    if field == "who_sees_online":
        expected = expected and is_friend  # presence is for friends only
    answer = allows(field, relation)
    assert (answer is True) is expected
    if not expected and field in {"who_may_hug", "who_befriends", "who_may_ask"}:
        assert isinstance(answer, Forbidden)


@pytest.mark.parametrize("field", FIELDS)
def test_a_block_looks_like_nobody_whatever_else_is_true(field: str) -> None:
    nobody = allows(field, Relation(exists=False))
    for audience, is_friend in product(Audience, (False, True)):
        blocked = allows(
            field,
            Relation(exists=True, is_friend=is_friend, is_blocked=True, privacy=Privacy(**{field: audience}), name="B"),
        )
        assert type(blocked) is type(nobody)
        assert str(blocked) == str(nobody)
        if isinstance(nobody, Refusal):
            assert isinstance(blocked, NotFound)


def test_the_defaults() -> None:
    assert Privacy() == Privacy(
        who_may_hug=FRIENDS,
        who_sees_online=FRIENDS,
        who_finds=EVERYONE,
        who_befriends=EVERYONE,
        who_may_ask=FRIENDS,
        who_sees_moods=NOBODY,
        who_sees_activity=FRIENDS,
        shares_receipts=True,
        takes_community_requests=False,
    )
