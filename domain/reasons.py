"""Why somebody was not disturbed, or not yet, in words."""

from collections.abc import Mapping
from enum import StrEnum

from domain.notifications import Reason


class Trouble(StrEnum):
    """Why a delivery that was decided upon has not got through, or not yet."""

    PROVIDER_AWAY = "provider_away"
    RETRY = "retry"
    SUPERSEDED = "superseded"
    GAVE_UP = "gave_up"
    NO_ANSWER = "no_answer"
    TOKEN_GONE = "token_gone"  # noqa: S105  no password
    REFUSED = "refused"
    MISCONFIGURED = "misconfigured"
    UNREADABLE_TOKEN = "unreadable_token"  # noqa: S105  no password


WORDS: Mapping[str, str] = {
    Reason.ACKED: "a device has it already",
    Reason.READ: "it was read already",
    Reason.UNDONE: "it was taken back",
    Reason.EXPIRED: "it was worth nothing any more",
    Reason.BLOCKED: "its sender is blocked",
    Reason.MUTED: "its sender is muted",
    Reason.PRIVACY: "the privacy settings do not let it happen any more",
    Reason.OWN_DOING: "it is what they have done themselves",
    Reason.SWITCHED_OFF: "the channel or the category is switched off",
    Reason.NO_DEVICE: "no device is registered, or no address is known",
    Reason.QUIET_HOURS: "quiet hours",
    Reason.DO_NOT_DISTURB: "do not disturb",
    Reason.CONNECTED: "somebody is connected and may see it yet",
    Reason.MAIL_LATER: "a mail is written only if it is not seen by then",
    Reason.PRESENCE_UNKNOWN: "it is not known whether anybody is connected",
    Reason.MERGING: "it is merged with others of its kind",
    Trouble.PROVIDER_AWAY: "the provider does not answer anybody",
    Trouble.RETRY: "it is tried again",
    Trouble.SUPERSEDED: "a newer push says it, too",
    Trouble.GAVE_UP: "five tries have failed",
    Trouble.NO_ANSWER: "workers have died over it too often",
    Trouble.TOKEN_GONE: "the provider does not know the device any more",
    Trouble.REFUSED: "the provider refuses this push",
    Trouble.MISCONFIGURED: "the provider refuses our credentials or settings",
    Trouble.UNREADABLE_TOKEN: "the token of the device cannot be decrypted",
}


def in_words(reason: str | None) -> str | None:
    """*reason* as it is stored, for people; what is neither of these stays as it is."""
    return WORDS.get(reason, reason) if reason is not None else None
