"""What is on, by channel and by category in it."""

import pytest

from domain.preferences import Category, Channel, Preferences

pytestmark = pytest.mark.unit

OTHERS = [category for category in Category if category is not Category.ACCOUNT]


def test_unless_somebody_says_otherwise_there_are_pushes_and_no_mails() -> None:
    for category in OTHERS:
        wants = {channel: Preferences().wants(category, channel) for channel in Channel}
        assert wants == {Channel.PUSH: True, Channel.EMAIL: False, Channel.IN_APP: True}


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({"push": False}, False),
        ({"push": False, "hugs.push": True}, False),  # both must be on
        ({"push": True, "hugs.push": False}, False),
        ({"hugs.push": False}, False),
        ({"push": True, "hugs.push": True}, True),
        ({"hugs.email": False, "email": False, "in_app": False, "requests.push": False}, True),
    ],
)
def test_the_channel_and_the_category_must_be_on(switches: dict[str, bool], expected: bool) -> None:
    assert Preferences(switches=switches).wants(Category.HUGS, Channel.PUSH) is expected


def test_mails_are_switched_on_for_all_categories_at_once() -> None:
    preferences = Preferences(switches={"email": True, "streaks.email": False})
    assert [category for category in OTHERS if not preferences.wants(category, Channel.EMAIL)] == [Category.STREAKS]


def test_what_is_about_the_account_cannot_be_switched_off() -> None:
    switches = {f"{prefix}{channel}": False for channel in Channel for prefix in ("", "account.")}
    for channel in Channel:
        assert Preferences(switches=switches).wants(Category.ACCOUNT, channel)
