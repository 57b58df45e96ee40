"""What a provider is given and what it answers: the interface between the pipeline and the modules of this folder."""

from collections.abc import Mapping
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct, field


class Content(Struct, frozen=True, kw_only=True):
    """What a push says and how. Stored with each delivery, so that a second try is the same push.

    *data*: ids for the app, plain strings; never a mood note. *collapse_key*: at most 32 of A-Z, a-z, 0-9, _ and -; what
    came with it before is replaced on the device. *badge*: all that is unread. *is_urgent*: it should ring.
    """

    kind: str
    category: str
    title: str
    body: str
    collapse_key: str
    badge: int
    language: str = "en"
    is_urgent: bool = True
    data: Mapping[str, str] = field(default_factory=dict)


class Outgoing(Struct, frozen=True, kw_only=True):
    """One try of one delivery. *id*: a UUID, the same on every try. *to*: the token, the subscription as JSON, the address, or "".

    *user*: whose it is. *ttl_s*: how long it is worth something from now on.
    """

    id: str
    user: str
    to: str
    content: Content
    ttl_s: int


class Verdict(StrEnum):
    """What an answer means (push.md, verdicts)."""

    ACCEPTED = "accepted"
    RETRY = "retry"  # later, the same again
    GONE = "gone"  # the token is dead: it may be removed
    REFUSED = "refused"  # this push cannot be sent, however often it is tried
    MISCONFIGURED = "misconfigured"  # the operator's: an alarm, the token stays


class Answer(Struct, frozen=True, kw_only=True):
    """*detail*: for people and logs, without secrets, such as `410 Unregistered`. *retry_after_s*: not sooner than that.

    *gone_since_ms*: Unix ms since when the token is dead, if the provider says. *is_silent*: there was no answer at all, so
    it may have been sent nevertheless. *is_throttled*: too many, perhaps for this one device only.
    *is_of_all*: with MISCONFIGURED: no push gets through until the operator has mended it. *ref*: the provider's own id.
    """

    verdict: Verdict
    detail: str = ""
    ref: str | None = None
    retry_after_s: float = 0.0
    gone_since_ms: int | None = None
    is_silent: bool = False
    is_throttled: bool = False
    is_of_all: bool = False


class Provider(Protocol):
    """One credential of one provider. `async with` it around all use; it keeps its connections."""

    name: str  # as in deliveries.provider
    in_flight_max: int

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, outgoing: Outgoing) -> Answer:
        """Try once. Never takes longer than `SEND_MAX_S`, and raises nothing but CancelledError."""
        ...


SEND_MAX_S = 15.0
