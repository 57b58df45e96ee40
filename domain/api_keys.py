"""What the key of an app owner's server may open."""

from enum import StrEnum

NAME_MAX = 64


class Scope(StrEnum):
    """One thing that a key may be good for."""

    NOTIFICATIONS_SEND = "notifications.send"
