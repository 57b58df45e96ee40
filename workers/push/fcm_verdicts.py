"""What an answer of FCM means. A status alone says little: only a detail of the type `FcmError` speaks of the token."""

import re

import msgspec
from msgspec import Struct, field

from workers.push.outgoing import Answer, Verdict
from workers.push.posting import Reply

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
_OURS = frozenset({"SENDER_ID_MISMATCH", "THIRD_PARTY_AUTH_ERROR"})
_LATER = frozenset({"QUOTA_EXCEEDED", "UNAVAILABLE", "INTERNAL"})
_REFUSED = frozenset({400, 413})  # of this push; any other 4xx is about us


class _Violation(Struct):
    field: str = ""


class _Detail(Struct):
    type: str = field(default="", name="@type")
    code: str = field(default="", name="errorCode")
    violations: list[_Violation] = field(default_factory=list, name="fieldViolations")


class _Error(Struct):
    status: str = ""
    details: list[_Detail] = field(default_factory=list)


class _Failed(Struct):
    error: _Error = field(default_factory=_Error)


class _Sent(Struct):
    name: str


_SENT = msgspec.json.Decoder(_Sent)
_FAILED = msgspec.json.Decoder(_Failed)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def is_token_refused(reply: Reply) -> bool:
    """Is it our access token that it does not like? Such an answer may be HTML."""
    return reply.status == 401 and _fcm_code(_error(reply)) != "THIRD_PARTY_AUTH_ERROR"


def fcm_answer(reply: Reply) -> Answer:
    """The verdict on one push."""
    if reply.status == 200:
        return _accepted(reply)
    error = _error(reply)
    code = _fcm_code(error)
    detail = f"{reply.status} {_word(code or error.status)}".rstrip()
    if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _is_about_token(error)):
        return Answer(verdict=Verdict.GONE, detail=detail)
    if code in _OURS:
        return Answer(verdict=Verdict.MISCONFIGURED, detail=detail)
    if code in _LATER or reply.status in {408, 429} or reply.status >= 500:
        return Answer(
            verdict=Verdict.RETRY,
            detail=detail,
            retry_after_s=reply.retry_after_s,
            is_throttled=reply.status == 429,
        )
    if reply.status in _REFUSED:
        return Answer(verdict=Verdict.REFUSED, detail=detail)
    return Answer(verdict=Verdict.MISCONFIGURED, detail=detail, is_of_all=True)


def _accepted(reply: Reply) -> Answer:
    try:
        return Answer(verdict=Verdict.ACCEPTED, detail="200", ref=_SENT.decode(reply.body).name)
    except _UNREADABLE:
        return Answer(verdict=Verdict.MISCONFIGURED, detail="200, but not from FCM")


def _error(reply: Reply) -> _Error:
    try:
        return _FAILED.decode(reply.body).error
    except _UNREADABLE:
        return _Error()


def _fcm_code(error: _Error) -> str:
    return next((detail.code for detail in error.details if detail.type == _FCM_ERROR), "")


def _is_about_token(error: _Error) -> bool:
    """Not if a `BadRequest` beside it names anything else: then it is what we sent."""
    return all(
        violation.field == "message.token"
        for detail in error.details
        if detail.type == _BAD_REQUEST
        for violation in detail.violations or [_Violation()]
    )


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Z_]{1,64}", text) else ""
