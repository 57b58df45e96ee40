"""How two people become friends and cease to be: pure transitions, seen from the one who acts.

Invariant: whatever the order in which the two act, they agree: what is `REQUESTED` to the one is
`INCOMING` to the other, and everything else is the same to both. Every act done twice is one act.
"""

from enum import StrEnum

from msgspec import Struct

from domain.errors import Conflict, Forbidden, NotFound, RateLimited

FRIENDS_MAX = 1_000
REQUESTS_A_DAY_MAX = 20
DAY_MS = 86_400_000


class Friendship(StrEnum):
    """What another user is to the one who asks."""

    NONE = "none"
    REQUESTED = "requested"
    INCOMING = "incoming"
    FRIENDS = "friends"


class FriendLimits(Struct, frozen=True):
    """0 means without limit."""

    friends: int = FRIENDS_MAX
    requests_a_day: int = REQUESTS_A_DAY_MAX


NO_LIMITS = FriendLimits(friends=0, requests_a_day=0)

_MIRRORED = {Friendship.REQUESTED: Friendship.INCOMING, Friendship.INCOMING: Friendship.REQUESTED}


def mirrored(friendship: Friendship) -> Friendship:
    """The same friendship as the other one sees it."""
    return _MIRRORED.get(friendship, friendship)


def after_request(before: Friendship) -> Friendship:
    """Asking somebody who has asked already makes friends of both."""
    if before is Friendship.NONE:
        return Friendship.REQUESTED
    if before is Friendship.INCOMING:
        return Friendship.FRIENDS
    return before


def after_answer(before: Friendship, *, accept: bool) -> Friendship:
    """Accepting or declining what the other has asked.

    Raises: NotFound if there is nothing to accept; Conflict if it was accepted before and is now declined.
    """
    if accept:
        if before in {Friendship.INCOMING, Friendship.FRIENDS}:
            return Friendship.FRIENDS
        raise NotFound("There is no friend request of this user. It may have been withdrawn.")
    if before is Friendship.FRIENDS:
        raise Conflict("You are friends already. To end that, end the friendship.")
    return Friendship.NONE if before is Friendship.INCOMING else before


def after_end(before: Friendship) -> Friendship:
    """Ending a friendship or withdrawing the own request; what the other has asked stays."""
    return before if before is Friendship.INCOMING else Friendship.NONE


def check_room(own_friends: int, other_friends: int, limit: int) -> None:
    """May these two become friends, having so many already? Raises: Forbidden."""
    if not limit:
        return
    if own_friends >= limit:
        raise Forbidden(f"You have {limit:,} friends, the most there can be. End a friendship first.")
    if other_friends >= limit:
        raise Forbidden("This user cannot have more friends at the moment.")


def check_requests(made: int, since_ms: int, limit: int, now_ms: int) -> None:
    """*made* requests since *since_ms*, this one included. Raises: RateLimited."""
    if limit and made > limit:
        message = f"At most {limit} friend requests a day. Try again later."
        raise RateLimited(message, max(1, since_ms + DAY_MS - now_ms))
