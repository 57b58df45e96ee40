"""Endpoints of other people: looking up, friends, requests."""

from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from domain.errors import Unavailable
from domain.times import rfc3339
from hub.api.cursors import after_user, decode_cursor, encode_cursor, page_of_users
from hub.api.endpoints import Call, Endpoint
from hub.handlers.friends import FriendHandlers
from hub.handlers.profiles import ProfileHandlers, person_of
from protocol.codes import ErrorCode
from protocol.commands import FriendAnswer, FriendEnd, FriendRequest
from protocol.events import Ok
from protocol.parts import UserRef
from protocol.rest import Page, PageQuery, RequestDirection
from protocol.rest_people import Friend, FriendRequestItem, Person, SearchQuery
from storage.friendships import Friend as FriendRow
from storage.friendships import load_friends, load_requests
from storage.limits import Limit, Limits
from storage.postgres import Database
from storage.search import SearchPosition, search_profiles

SEARCH_BY_USER = Limit("search", 120, 60_000)
OFFLINE = "offline"

Statuses = Callable[[str, Sequence[str]], Awaitable[dict[str, str]]]


class _People:
    """Reads lists; hands commands on to the friend handlers, which the sockets use too."""

    def __init__(
        self,
        database: Database,
        profiles: ProfileHandlers,
        friends: FriendHandlers,
        statuses: Statuses,
        limits: Limits,
    ) -> None:
        self._database = database
        self._profiles = profiles
        self._friends = friends
        self._statuses = statuses
        self._limits = limits

    async def person(self, call: Call) -> Person:
        return await self._profiles.person(call.actor, call.id)

    async def search(self, call: Call) -> Page[Person]:
        query = cast("SearchQuery", call.query)
        position = decode_cursor(query.cursor, SearchPosition)
        await self._limits.take((SEARCH_BY_USER, call.actor.user))
        found = await search_profiles(self._database, call.actor.user, query.search, position, query.limit)
        following = encode_cursor(found.following) if found.following is not None else None
        return Page([person_of(profile) for profile in found.profiles], following)

    async def list_friends(self, call: Call) -> Page[Friend]:
        found = await load_friends(self._database, call.actor.user, *after_user(call))
        visible = [friend.user for friend in found if friend.shows_online]
        statuses: dict[str, str] | None = {}
        try:
            statuses = await self._statuses(call.actor.user, visible) if visible else {}
        except Unavailable:  # without Redis nobody knows; the list is useful all the same
            statuses = None
        return page_of_users(call, found, lambda friend: _friend_of(friend, statuses))

    async def list_requests(self, call: Call) -> Page[FriendRequestItem]:
        return page_of_users(
            call,
            await load_requests(self._database, call.actor.user, *after_user(call)),
            lambda request: FriendRequestItem(
                user=UserRef(request.user, request.name),
                direction=RequestDirection.INCOMING if request.is_incoming else RequestDirection.OUTGOING,
                at=rfc3339(request.at_ms),
            ),
        )

    async def request(self, call: Call) -> Ok:
        return await self._friends.request(call.actor, call.body)

    async def answer(self, call: Call) -> Ok:
        return await self._friends.answer(call.actor, call.body)

    async def end(self, call: Call) -> Ok:
        return await self._friends.end(call.actor, FriendEnd(user=call.id))


def _friend_of(friend: FriendRow, statuses: dict[str, str] | None) -> Friend:
    """*statuses* None: unknown, so that nobody can be said to be offline since then either."""
    status = statuses.get(friend.user, OFFLINE) if statuses is not None and friend.shows_online else OFFLINE
    is_told = statuses is not None and status == OFFLINE
    return Friend(
        user=UserRef(friend.user, friend.name),
        status=status,
        since=rfc3339(friend.since_ms),
        last_seen=rfc3339(friend.last_seen_ms) if is_told and friend.last_seen_ms is not None else None,
    )


def people_endpoints(
    database: Database,
    profiles: ProfileHandlers,
    friends: FriendHandlers,
    statuses: Statuses,
    limits: Limits,
) -> Sequence[Endpoint]:
    """`/v1/users*` and `/v1/friends*`. *statuses*(asker, users): the presence that may be told."""
    people = _People(database, profiles, friends, statuses, limits)
    return (
        Endpoint(
            method="GET",
            path="/v1/users",
            summary="Find people: whose username or name begins so, then those that are spelt alike. A page may be short.",
            group="People",
            handle=people.search,
            query=SearchQuery,
            reply=Page[Person],
            errors=(ErrorCode.RATE_LIMITED,),
        ),
        Endpoint(
            method="GET",
            path="/v1/users/{id}",
            summary="One person.",
            group="People",
            handle=people.person,
            reply=Person,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="GET",
            path="/v1/friends",
            summary="Friends, with their presence.",
            group="Friends",
            handle=people.list_friends,
            query=PageQuery,
            reply=Page[Friend],
        ),
        Endpoint(
            method="DELETE",
            path="/v1/friends/{id}",
            summary="End a friendship, or withdraw the own request (friend.end).",
            group="Friends",
            handle=people.end,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Endpoint(
            method="GET",
            path="/v1/friends/requests",
            summary="Friend requests that wait for an answer, from and to others.",
            group="Friends",
            handle=people.list_requests,
            query=PageQuery,
            reply=Page[FriendRequestItem],
        ),
        Endpoint(
            method="POST",
            path="/v1/friends/requests",
            summary="Ask somebody to be friends (friend.request). Two crossing requests make a friendship.",
            group="Friends",
            handle=people.request,
            body=FriendRequest,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.RATE_LIMITED),
        ),
        Endpoint(
            method="POST",
            path="/v1/friends/requests/answer",
            summary="Accept or silently decline a request (friend.answer).",
            group="Friends",
            handle=people.answer,
            body=FriendAnswer,
            reply=Ok,
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT),
        ),
    )
