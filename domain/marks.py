"""One-sided marks on another person, which they never see: muted, followed.

Invariant: a mute that has ended is as if it had never been, whether or not its row is still there.
"""

from msgspec import Struct

from domain.errors import Forbidden, Invalid

FOLLOWS_MAX = 5_000
MUTE_MAX_MS = 3_653 * 86_400_000  # ten years


class Mute(Struct, frozen=True, gc=False):
    """*until_ms* None: for good."""

    until_ms: int | None


def check_until(until_ms: int | None, now_ms: int) -> None:
    """May a mute end then? Raises: Invalid."""
    if until_ms is None:
        return
    if until_ms <= now_ms:
        raise Invalid("That time is over. Mute until a later one, or leave `until` out to mute for good.")
    if until_ms > now_ms + MUTE_MAX_MS:
        raise Invalid("A mute lasts at most ten years. Leave `until` out to mute for good.")


def is_muted(mute: Mute | None, now_ms: int) -> bool:
    """Is somebody with this *mute*, or without one, to be notified of nothing now?"""
    return mute is not None and (mute.until_ms is None or mute.until_ms > now_ms)


def check_follows(others: int, limit: int) -> None:
    """May somebody who follows *others* already follow one more? *limit* 0: always. Raises: Forbidden."""
    if limit and others >= limit:
        raise Forbidden(f"You follow {limit:,} people, the most there can be. Follow somebody no more first.")
