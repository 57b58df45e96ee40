"""Whatever somebody writes, a mail has the headers it should have, and its text is what was written."""

from email import message_from_bytes
from email.headerregistry import Address
from email.policy import SMTP

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from workers.push.email_message import compose
from workers.push.outgoing import Content, Outgoing

pytestmark = pytest.mark.property

HEADERS = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "auto-submitted",
    "precedence",
    "x-auto-response-suppress",
    "mime-version",
    "content-type",
    "content-language",
]
SENDER = Address("HugMood", addr_spec="hugs@app.example")
RECIPIENT = Address(addr_spec="ana@mail.example")
TEXTS = (
    st.text(max_size=200)
    | st.text(alphabet='a \r\n\t:=?<>"\\,;.@-_\u2028\x85\x00\x0bé\u202e\u2068👩', max_size=200)
    | st.lists(
        st.sampled_from(["=?utf-8?q?", "=0d=0a", "Bcc: x@y.example", "?=", " ", "a", "\r\n", "é"]), max_size=30
    ).map("".join)
)


@given(title=TEXTS, body=TEXTS, language=st.sampled_from(["en", "ar"]) | TEXTS)
@example("=?utf-8?q?Hi=0d=0aBcc:_eve@mail.example?=", "", "en")
@example("é" * 60 + "=?utf-8?q?=0d=0aBcc:_eve@mail.example?=", "", "en")
@example("", "", "")
def test_it_is_one_mail_with_its_own_headers(title: str, body: str, language: str) -> None:
    content = Content(
        kind="notice", category="account", title=title, body=body, collapse_key="c", badge=0, language=language
    )
    outgoing = Outgoing(id="an-id", user="a-user", to="ana@mail.example", content=content, ttl_s=60)
    raw = compose(outgoing, SENDER, RECIPIENT, 1_700_000_000).as_bytes()
    assert raw.isascii()
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    mail = message_from_bytes(raw, policy=SMTP)
    assert sorted(name.lower() for name in mail) == sorted(HEADERS)
    assert (mail["To"], mail["From"]) == ("ana@mail.example", "HugMood <hugs@app.example>")
    text, html = mail.iter_parts()
    assert _words(text.get_content()) == (_words(body) or _words(title) or _words("HugMood"))
    assert html.get_content_subtype() == "html"


def _words(text: str) -> str:
    return "".join(regex.sub(r"[\p{Cc}\p{Zl}\p{Zp}\s]+", "", text).split())
