"""Why somebody was not disturbed, or not yet, in words."""

from collections.abc import Mapping

from domain.notifications import Reason

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
}


def in_words(reason: str | None) -> str | None:
    """*reason* as it is stored, for people; what is no `Reason` stays as it is."""
    return WORDS.get(reason, reason) if reason is not None else None
