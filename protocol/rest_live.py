"""Queries and replies of the addresses that stand in for a socket: the stream of events, and the long poll."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from protocol.commands import Status
from protocol.fields import Seq, Word
from protocol.rest import Query

POLLED_MAX = 100
POLLED_BYTES = 64 * 1024  # beyond it, no further event is put into an answer
WAIT_MAX_S = 25

_After = Annotated[Seq, Meta(description="The last `seq` the client holds; left out: from the head on.")]
_Epoch = Annotated[Word, Meta(description="`epoch` that came with that `seq`.")]


class EventsQuery(Query, frozen=True):
    """The same as in `hello`. The header `Last-Event-ID`, where there is one, goes before `after`."""

    after: _After | None = None
    epoch: _Epoch | None = None
    device: Word = "events"
    status: Status = Status.ONLINE


class PollQuery(Query, frozen=True):
    """The same as in `hello`; `wait` in seconds."""

    after: _After | None = None
    epoch: _Epoch | None = None
    wait: Annotated[int, Meta(ge=0, le=WAIT_MAX_S)] = WAIT_MAX_S
    limit: Annotated[int, Meta(ge=1, le=POLLED_MAX)] = POLLED_MAX
    device: Word = "poll"
    status: Status = Status.ONLINE


class Polled(Struct, frozen=True):
    """Durable events in order, each with its `seq`. `after` is what to ask with next."""

    events: list[Any]
    after: int
    epoch: str
    resumed: bool
    head: int
