"""Who may do what to whom: audiences, and what one user is to another.

Invariant: whatever a block forbids is refused in exactly the words of "no such user", so that nobody
can tell the two apart.
"""

from enum import StrEnum

from msgspec import Struct

from domain.errors import Forbidden, NotFound


class Audience(StrEnum):
    """The answer to each question of privacy."""

    EVERYONE = "everyone"
    FRIENDS = "friends"
    NOBODY = "nobody"


class Privacy(Struct, frozen=True, gc=False):
    """What a user has chosen; the defaults are those of somebody who never chose."""

    who_may_hug: Audience = Audience.FRIENDS
    who_sees_online: Audience = Audience.FRIENDS
    who_finds: Audience = Audience.EVERYONE
    who_befriends: Audience = Audience.EVERYONE
    who_may_ask: Audience = Audience.FRIENDS  # for a hug
    who_sees_moods: Audience = Audience.NOBODY
    who_sees_activity: Audience = Audience.FRIENDS  # when they were last seen
    shares_receipts: bool = True
    takes_community_requests: bool = False


class Relation(Struct, frozen=True, gc=False):
    """What another user is to the one who asks. *privacy* and *name* are the other's."""

    exists: bool
    is_friend: bool = False
    is_blocked: bool = False  # in either direction
    has_answered: bool = False  # the other has hugged the one who asks, ever
    privacy: Privacy = Privacy()
    name: str = ""


def no_such_user() -> NotFound:
    """For who does not exist, was deleted, or is out of reach through a block: always the same."""
    return NotFound("No such user.")


def check_reachable(relation: Relation) -> None:
    """Raises: NotFound."""
    if not relation.exists or relation.is_blocked:
        raise no_such_user()


def is_within(audience: Audience, *, is_friend: bool) -> bool:
    """Is somebody who is, or is not, a friend part of *audience*?"""
    return audience is Audience.EVERYONE or (audience is Audience.FRIENDS and is_friend)


def check_may_hug(relation: Relation) -> None:
    """May the one who asks hug the other? Raises: NotFound, Forbidden."""
    check_reachable(relation)
    audience = relation.privacy.who_may_hug
    if is_within(audience, is_friend=relation.is_friend):
        return
    if audience is Audience.FRIENDS:
        raise Forbidden("Only friends may hug this user. Send a friend request first.")
    raise Forbidden("This user takes no hugs at the moment.")


def check_may_ask(relation: Relation) -> None:
    """May the one who asks ask the other for a hug? Raises: NotFound, Forbidden."""
    check_reachable(relation)
    audience = relation.privacy.who_may_ask
    if is_within(audience, is_friend=relation.is_friend):
        return
    if audience is Audience.FRIENDS:
        raise Forbidden("Only friends may ask this user for a hug. Send a friend request first.")
    raise Forbidden("This user takes no hug requests at the moment.")


def check_may_befriend(relation: Relation) -> None:
    """May the one who asks send the other a friend request? Raises: NotFound, Forbidden."""
    check_reachable(relation)
    if not is_within(relation.privacy.who_befriends, is_friend=relation.is_friend):
        raise Forbidden("This user takes no friend requests.")


def may_see_online(relation: Relation) -> bool:
    """Presence is for friends only, whatever the other chose beyond that."""
    is_visible = is_within(relation.privacy.who_sees_online, is_friend=relation.is_friend)
    return relation.exists and relation.is_friend and not relation.is_blocked and is_visible


def may_see_activity(relation: Relation) -> bool:
    """May the one who asks learn when the other did what? `last_seen` takes `may_see_online` as well."""
    is_open = is_within(relation.privacy.who_sees_activity, is_friend=relation.is_friend)
    return relation.exists and not relation.is_blocked and is_open


def may_see_moods(relation: Relation) -> bool:
    """May the one who asks see the moods that the other shares?"""
    is_open = is_within(relation.privacy.who_sees_moods, is_friend=relation.is_friend)
    return relation.exists and not relation.is_blocked and is_open


def may_find(relation: Relation) -> bool:
    """Does the other appear in a search of the one who asks?"""
    is_open = is_within(relation.privacy.who_finds, is_friend=relation.is_friend)
    return relation.exists and not relation.is_blocked and is_open
