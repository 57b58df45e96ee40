"""What becomes of a request for a hug: pure transitions, and what each side may see of them.

Invariant: until its time is up, a request that was declined is to its asker exactly what an open one is: in
what they see, in what they may still do, and in what they are told at the end.
"""

from enum import StrEnum

from msgspec import Struct

from domain.errors import Conflict, Expired, RateLimited

DIRECT_MS = 24 * 3_600_000
COMMUNITY_MS = 6 * 3_600_000
COMMUNITY_HUGS_MAX = 10
HOUR_MS = 3_600_000
REQUESTS_AN_HOUR_MAX = 10
COMMUNITY_OPEN_MAX = 3
OPEN_MAX = 50  # of one asker; a size, so it holds always


class RequestState(StrEnum):
    """How a request stands. `DECLINED`, of direct ones only, is over to the recipient and open to the asker."""

    OPEN = "open"
    FULFILLED = "fulfilled"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class Deed(StrEnum):
    """What one receiver has done about a request."""

    NOTHING = "nothing"
    HUGGED = "hugged"
    DECLINED = "declined"


class HugRequest(Struct, frozen=True, gc=False):
    """A request as it is stored; *expires_ms* in Unix ms."""

    is_community: bool
    state: RequestState
    hugs: int
    expires_ms: int


class RequestLimits(Struct, frozen=True):
    """0 means without limit."""

    an_hour: int = REQUESTS_AN_HOUR_MAX
    community_open: int = COMMUNITY_OPEN_MAX


NO_REQUEST_LIMITS = RequestLimits(an_hour=0, community_open=0)

_UNSETTLED = {RequestState.OPEN, RequestState.DECLINED}
_OVER = {
    RequestState.FULFILLED: "has been answered",
    RequestState.DECLINED: "has been declined",
    RequestState.EXPIRED: "has expired",
    RequestState.CANCELLED: "was withdrawn",
}


def expires_ms(created_ms: int, *, is_community: bool) -> int:
    """Until when a request may be answered."""
    return created_ms + (COMMUNITY_MS if is_community else DIRECT_MS)


def state_at(request: HugRequest, now_ms: int) -> RequestState:
    """How *request* stands now, whether or not its end has been written down yet."""
    return after_time(request, now_ms).state


def shown_to_asker(request: HugRequest, now_ms: int) -> RequestState:
    """What the asker may know: nothing of declining."""
    state = state_at(request, now_ms)
    return RequestState.OPEN if state is RequestState.DECLINED else state


def shown_to_receiver(request: HugRequest, deed: Deed, now_ms: int) -> RequestState:
    """What a receiver sees: what they have declined stays so."""
    return RequestState.DECLINED if deed is Deed.DECLINED else state_at(request, now_ms)


def after_hug(request: HugRequest, deed: Deed, now_ms: int) -> HugRequest:
    """A receiver, who so far has done *deed*, hugs. The first hug settles a direct request, the tenth one of the community.

    Raises: Expired if it is over; Conflict if they have answered otherwise. Who has hugged already is not asked again.
    """
    if deed is Deed.HUGGED:
        return request
    if deed is Deed.DECLINED:
        raise Conflict("You have declined this request. A hug without it may still be welcome.")
    _check_open(request, now_ms)
    hugs = request.hugs + 1
    is_enough = hugs >= (COMMUNITY_HUGS_MAX if request.is_community else 1)
    return _replaced(request, RequestState.FULFILLED if is_enough else RequestState.OPEN, hugs)


def after_decline(request: HugRequest, deed: Deed, now_ms: int) -> HugRequest:
    """A receiver declines: that ends a direct request, and is nothing to one of the community.

    Raises: Expired if it is over; Conflict if they have hugged.
    """
    if deed is Deed.DECLINED:
        return request
    if deed is Deed.HUGGED:
        raise Conflict("You have answered this request with a hug.")
    _check_open(request, now_ms)
    return request if request.is_community else _replaced(request, RequestState.DECLINED, request.hugs)


def after_cancel(request: HugRequest, now_ms: int) -> HugRequest:
    """The asker wants it no more. Raises: Expired if it is over for another reason."""
    state = shown_to_asker(request, now_ms)
    if state is RequestState.CANCELLED:
        return request
    if state is not RequestState.OPEN:
        raise Expired(f"There is nothing left to withdraw: this request {_OVER[state]}.")
    return _replaced(request, RequestState.CANCELLED, request.hugs)


def after_time(request: HugRequest, now_ms: int) -> HugRequest:
    """What was not settled by its time has expired, declined or not."""
    if request.state in _UNSETTLED and now_ms >= request.expires_ms:
        return _replaced(request, RequestState.EXPIRED, request.hugs)
    return request


class Asked(Struct, frozen=True):
    """What somebody has asked for of late. Times in Unix ms, None where there is nothing to be the first of.

    *open* are all that look open to the asker, declined ones among them.
    """

    within_hour: int
    first_within_hour_ms: int | None
    open: int
    first_expires_ms: int | None
    community_open: int
    first_community_expires_ms: int | None


def check_may_ask_again(asked: Asked, limits: RequestLimits, now_ms: int, *, is_community: bool) -> None:
    """May who has *asked* so much ask once more? Raises: RateLimited."""
    if asked.open >= OPEN_MAX:
        _refuse(
            f"You have {OPEN_MAX} open requests, the most there can be. Withdraw one first.",
            asked.first_expires_ms,
            now_ms,
        )
    if is_community and limits.community_open and asked.community_open >= limits.community_open:
        message = f"At most {limits.community_open} open requests to the community. Withdraw one, or wait for its end."
        _refuse(message, asked.first_community_expires_ms, now_ms)
    if limits.an_hour and asked.within_hour >= limits.an_hour:
        first_ms = asked.first_within_hour_ms if asked.first_within_hour_ms is not None else now_ms
        _refuse(f"At most {limits.an_hour} requests for hugs an hour. Try again later.", first_ms + HOUR_MS, now_ms)


def _refuse(message: str, until_ms: int | None, now_ms: int) -> None:
    raise RateLimited(message, max(1, until_ms - now_ms) if until_ms is not None else 1)


def _check_open(request: HugRequest, now_ms: int) -> None:
    state = state_at(request, now_ms)
    if state is not RequestState.OPEN:
        raise Expired(f"This request is over: it {_OVER[state]}.")


def _replaced(request: HugRequest, state: RequestState, hugs: int) -> HugRequest:
    return HugRequest(request.is_community, state, hugs, request.expires_ms)
