"""What somebody wants to be told, where, and when not."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct, field

from domain.quiet_hours import QuietHours


class Channel(StrEnum):
    """Where somebody is told. `in_app` is the notification centre."""

    PUSH = "push"
    EMAIL = "email"
    IN_APP = "in_app"


class Category(StrEnum):
    """What a notification is about, as people switch it on and off. `account` cannot be switched off."""

    HUGS = "hugs"
    REQUESTS = "requests"
    GROUPS = "groups"
    FRIENDS = "friends"
    STREAKS = "streaks"
    INSIGHTS = "insights"
    ACCOUNT = "account"


class Preview(StrEnum):
    """How much a push says on a locked screen: nothing about anybody, or who it is from."""

    GENERIC = "generic"
    NAME = "name"


CHANNELS_ON: Mapping[str, bool] = {
    Channel.PUSH: True,
    Channel.EMAIL: False,
    Channel.IN_APP: True,
}  # unless somebody says otherwise


class Preferences(Struct, frozen=True, kw_only=True):
    """*switches*: what differs from the defaults, by `channel` or `category.channel`."""

    switches: Mapping[str, bool] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    preview: Preview = Preview.GENERIC
    language: str = "en"
    streak_reminders: bool = False

    def wants(self, category: Category, channel: Channel) -> bool:
        """Are the channel and, in it, the category on?"""
        if category is Category.ACCOUNT:
            return True
        return self.switches.get(channel, CHANNELS_ON[channel]) and self.switches.get(f"{category}.{channel}", True)
