"""What each answer of FCM comes to."""

from typing import Any

import msgspec
import pytest

from workers.push.fcm_verdicts import fcm_answer, is_token_refused
from workers.push.outgoing import Verdict
from workers.push.posting import Reply

pytestmark = pytest.mark.unit

FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD = "type.googleapis.com/google.rpc.BadRequest"


def failed(status: int, code: str = "", fields: list[str] | None = None, name: str = "") -> Reply:
    """*code*: of a detail `FcmError`; *fields*: of a detail `BadRequest`; *name*: the `status` of the error."""
    details: list[dict[str, Any]] = [{"@type": FCM, "errorCode": code}] if code else []
    if fields is not None:
        details.append({"@type": BAD, "fieldViolations": [{"field": field, "description": "x"} for field in fields]})
    error = {"code": status, "message": "secret-token is bad", "status": name or "SOMETHING", "details": details}
    return Reply(status, msgspec.json.encode({"error": error}), 7.0)


@pytest.mark.parametrize(
    ("reply", "verdict", "detail"),
    [
        (failed(404, "UNREGISTERED"), Verdict.GONE, "404 UNREGISTERED"),
        (failed(400, "INVALID_ARGUMENT"), Verdict.GONE, "400 INVALID_ARGUMENT"),
        (failed(400, "INVALID_ARGUMENT", ["message.token"]), Verdict.GONE, "400 INVALID_ARGUMENT"),
        (failed(400, "INVALID_ARGUMENT", ["message.android.ttl"]), Verdict.REFUSED, "400 INVALID_ARGUMENT"),
        (failed(400, "INVALID_ARGUMENT", []), Verdict.REFUSED, "400 INVALID_ARGUMENT"),
        (failed(400, "", ["message.data[0].value"], "INVALID_ARGUMENT"), Verdict.REFUSED, "400 INVALID_ARGUMENT"),
        (failed(400, "", ["message.token"], "INVALID_ARGUMENT"), Verdict.REFUSED, "400 INVALID_ARGUMENT"),
        (failed(400), Verdict.REFUSED, "400 SOMETHING"),
        (failed(413), Verdict.REFUSED, "413 SOMETHING"),
        (failed(403, "SENDER_ID_MISMATCH"), Verdict.MISCONFIGURED, "403 SENDER_ID_MISMATCH"),
        (failed(401, "THIRD_PARTY_AUTH_ERROR"), Verdict.MISCONFIGURED, "401 THIRD_PARTY_AUTH_ERROR"),
        (failed(401, name="UNAUTHENTICATED"), Verdict.MISCONFIGURED, "401 UNAUTHENTICATED"),
        (failed(403, name="PERMISSION_DENIED"), Verdict.MISCONFIGURED, "403 PERMISSION_DENIED"),
        (failed(404, name="NOT_FOUND"), Verdict.MISCONFIGURED, "404 NOT_FOUND"),  # the project, not the token
        (failed(429, "QUOTA_EXCEEDED"), Verdict.RETRY, "429 QUOTA_EXCEEDED"),
        (failed(503, "UNAVAILABLE"), Verdict.RETRY, "503 UNAVAILABLE"),
        (failed(500, "INTERNAL"), Verdict.RETRY, "500 INTERNAL"),
        (Reply(429, b"", 7.0), Verdict.RETRY, "429"),
        (Reply(502, b"<html>", 7.0), Verdict.RETRY, "502"),
        (Reply(404, b"<html>", 0.0), Verdict.MISCONFIGURED, "404"),
        (Reply(302, b"", 0.0), Verdict.MISCONFIGURED, "302"),
        (Reply(401, b"\xff\xfe", 0.0), Verdict.MISCONFIGURED, "401"),
        (Reply(400, b"[" * 10_000, 0.0), Verdict.REFUSED, "400"),
    ],
)
def test_each_code_has_its_verdict(reply: Reply, verdict: Verdict, detail: str) -> None:
    answer = fcm_answer(reply)
    assert (answer.verdict, answer.detail) == (verdict, detail)
    assert answer.retry_after_s == (7.0 if verdict is Verdict.RETRY else 0.0)
    assert not answer.is_silent


def test_what_is_accepted_has_a_name() -> None:
    answer = fcm_answer(Reply(200, b'{"name":"projects/p/messages/m1"}', 0.0))
    assert (answer.verdict, answer.ref) == (Verdict.ACCEPTED, "projects/p/messages/m1")
    assert fcm_answer(Reply(200, b"<html>", 0.0)).verdict is Verdict.MISCONFIGURED


def test_a_new_access_token_helps_only_where_ours_was_refused() -> None:
    assert is_token_refused(Reply(401, b"<html>", 0.0))
    assert is_token_refused(failed(401, name="UNAUTHENTICATED"))
    assert not is_token_refused(failed(401, "THIRD_PARTY_AUTH_ERROR"))
    assert not is_token_refused(failed(403, "SENDER_ID_MISMATCH"))


def test_no_text_of_theirs_is_told() -> None:
    reply = Reply(400, b'{"error":{"status":"the token secret-token is bad"}}', 0.0)
    assert fcm_answer(reply).detail == "400"


def test_what_is_about_our_credentials_is_about_every_push() -> None:
    answers = [
        failed(401, name="UNAUTHENTICATED"),
        failed(403, name="PERMISSION_DENIED"),
        failed(404, name="NOT_FOUND"),
    ]
    assert all(fcm_answer(reply).is_of_all for reply in answers)
    assert not fcm_answer(failed(403, "SENDER_ID_MISMATCH")).is_of_all, "of one token"
    assert not fcm_answer(failed(400, name="INVALID_ARGUMENT")).is_of_all, "of one push"
