"""All handlers of a node in one place: what sockets and REST alike carry commands out with."""

from msgspec import Struct

from hub.handlers.accounts import AccountHandlers
from hub.handlers.devices import DeviceHandlers
from hub.handlers.friends import FriendHandlers
from hub.handlers.groups import GroupHandlers
from hub.handlers.hugs import HugHandlers
from hub.handlers.marks import MarkHandlers
from hub.handlers.moments import MomentHandlers
from hub.handlers.mood_changes import MoodChangeHandlers
from hub.handlers.moods import MoodHandlers
from hub.handlers.notices import NoticeHandlers
from hub.handlers.notifications import NotificationHandlers
from hub.handlers.preferences import PreferenceHandlers
from hub.handlers.profiles import ProfileHandlers
from hub.handlers.requests import RequestHandlers
from hub.handlers.streaks import StreakHandlers


class Handlers(Struct, frozen=True, kw_only=True):
    """One of each."""

    accounts: AccountHandlers
    profiles: ProfileHandlers
    friends: FriendHandlers
    marks: MarkHandlers
    hugs: HugHandlers
    moments: MomentHandlers
    requests: RequestHandlers
    groups: GroupHandlers
    moods: MoodHandlers
    streaks: StreakHandlers
    mood_changes: MoodChangeHandlers
    preferences: PreferenceHandlers
    notifications: NotificationHandlers
    notices: NoticeHandlers
    devices: DeviceHandlers
