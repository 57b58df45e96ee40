"""The query and the replies of REST about requests for hugs; making and answering them takes the commands themselves."""

from typing import Annotated

from msgspec import Meta, Struct, field

from domain.hug_requests import RequestState
from protocol.fields import Time
from protocol.parts import UserRef
from protocol.rest import Cursor, Query, RequestDirection


class HugRequestQuery(Query, frozen=True):
    """Which requests, newest first."""

    direction: RequestDirection | None = None
    state: RequestState | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    cursor: Cursor | None = None


class HugRequestItem(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A request for a hug. Without `to` it was asked of the community. `hug`: the own one in answer; `hugs`: how many came.

    Whoever has asked sees it open until it is answered, withdrawn or its time is up.
    """

    id: str
    direction: RequestDirection
    from_: UserRef = field(name="from")
    community: bool
    state: RequestState
    at: Time
    expires_at: Time
    to: UserRef | None = None
    message: str | None = None
    settled_at: Time | None = None
    hugs: int | None = None
    hug: str | None = None
