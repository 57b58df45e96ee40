"""Queries and replies of REST about group hugs."""

from typing import Annotated

from msgspec import Meta, Struct

from domain.groups import GroupState, Membership
from protocol.fields import Time
from protocol.parts import UserRef
from protocol.rest import Cursor, Query


class GroupQuery(Query, frozen=True):
    """Which of one's group hugs, the newest first: those in this state, or all."""

    state: GroupState | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class GroupMember(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Somebody in a group hug. `joined_at`: of the present or last stay."""

    user: UserRef
    membership: Membership
    joined_at: Time | None = None
