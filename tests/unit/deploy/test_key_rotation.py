"""What is told about keys once everything is sealed anew."""

import pytest

from deploy.key_rotation import KeyUse, explain, is_finished

pytestmark = pytest.mark.unit

NEWEST = KeyUse(id="new", place=0, number=7, is_in_dead_jobs=True, is_waiting=True)


def old(
    *, place: int | None = 1, number: int = 0, is_in_dead_jobs: bool = False, is_waiting: bool | None = False
) -> KeyUse:
    return KeyUse(id="old", place=place, number=number, is_in_dead_jobs=is_in_dead_jobs, is_waiting=is_waiting)


@pytest.mark.parametrize(
    ("use", "is_over", "says"),
    [
        (old(), True, "it may be removed"),
        (old(number=1), False, "still needed"),
        (old(is_waiting=True), False, "wait to be saved"),
        (old(is_in_dead_jobs=True), True, "dead jobs"),
        (old(is_waiting=None), True, "was not looked at"),
        (old(is_in_dead_jobs=True, is_waiting=None), True, "dead jobs"),
        (old(place=None, number=1), False, "cannot be read"),
    ],
)
def test_a_key_may_go_only_when_nothing_needs_it(use: KeyUse, is_over: bool, says: str) -> None:
    assert is_finished([NEWEST, use]) is is_over
    newest, line = explain([NEWEST, use])
    assert "newest" in newest
    assert says in line
    assert ("it may be removed" in line) == (use == old())
