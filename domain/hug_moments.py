"""What can happen to a hug once it is sent: it is taken back, it is felt, it meets one that comes the other way."""

from collections.abc import Iterable

import regex

from domain.errors import Conflict, Expired, Invalid, NotFound
from domain.hugs import count_graphemes

UNDO_WITHIN_MS = 10_000
MUTUAL_WITHIN_MS = 5_000
MUTUAL_STARTS_AFTER_MS = 300  # both apps have heard of it by then, and begin together

Meeting = tuple[float, str, str]  # milliseconds between two hugs that could meet, and their ids
REACTION_MESSAGE_MAX_GRAPHEMES = 140

# One emoji (UTS #51, section 1.4.9): a flag, a keycap, or pictures joined by ZWJ, each with skin tone, variation
# selector or tags. Digits are emoji to Unicode and to nobody else.
_PICTURE = (
    r"[[\p{Emoji}\p{Extended_Pictographic}]--[0-9#*\p{RI}]]"
    r"\p{Emoji_Modifier}?\uFE0F?(?:[\U000E0020-\U000E007E]+\U000E007F)?"
)
_EMOJI = regex.compile(rf"(?V1)\p{{RI}}\p{{RI}}|[0-9#*]\uFE0F?\u20E3|{_PICTURE}(?:\u200D{_PICTURE})*")


def no_such_hug() -> NotFound:
    """For what does not exist, is not the asker's, was taken back, or is out of reach through a block: always the same."""
    return NotFound("No such hug.")


def check_undo(*, at_ms: int, is_seen: bool, is_felt: bool, now_ms: int) -> None:
    """May a hug of *at_ms*, not undone yet, be taken back now? Raises: Expired, Conflict.

    *is_seen*: as far as its sender may know it. Otherwise this would tell them what receipts do not.
    """
    if now_ms - at_ms > UNDO_WITHIN_MS:
        raise Expired(f"A hug can be taken back for {UNDO_WITHIN_MS // 1000} seconds. This one stays.")
    if is_felt:
        raise Conflict("This hug has been felt already. It can no longer be taken back.")
    if is_seen:
        raise Conflict("This hug has been seen already. It can no longer be taken back.")


def check_reaction(emoji: str, message: str | None) -> None:
    """Raises: Invalid."""
    if _EMOJI.fullmatch(emoji) is None or count_graphemes(emoji) != 1:
        raise Invalid("A reaction is one emoji. Say more in its message.")
    if message is None or len(message) <= REACTION_MESSAGE_MAX_GRAPHEMES:
        return
    if count_graphemes(message) > REACTION_MESSAGE_MAX_GRAPHEMES:
        raise Invalid(f"The message of a reaction has at most {REACTION_MESSAGE_MAX_GRAPHEMES} characters.")


def pair_off(meetings: Iterable[Meeting]) -> list[tuple[str, str]]:
    """Pairs of hugs that meet: of all *meetings* the nearest first, as long as both are still free.

    No hug is in two pairs. A hug that is left although it has meetings lost them to others of the same call.
    """
    taken: set[str] = set()
    pairs: list[tuple[str, str]] = []
    for _, hug, other in sorted(meetings):
        if hug not in taken and other not in taken:
            taken |= {hug, other}
            pairs.append((hug, other))
    return pairs
