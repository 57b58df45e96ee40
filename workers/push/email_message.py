"""A mail about a notification: the same text plain and as simple HTML.

Invariant: nothing that people wrote can become a header or markup; the Message-ID is that of the delivery on every try.
"""

import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from html import escape

from babel import Locale, UnknownLocaleError

from workers.push.outgoing import Outgoing

# How an encoded word (RFC 2047) begins. The email package decodes those that it is given: one may hold a line break, and
# with it a header.
ENCODED_WORD = "=?"

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_BREAKS = re.compile(r"\r\n|[\r\n\u2028\u2029]")
_PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}">
<meta charset="utf-8">
<title>{title}</title>
<body dir="{direction}" style="font-family: sans-serif; font-size: 16px; line-height: 1.5">
<p><strong>{title}</strong></p>
<p>{body}</p>
</body>
</html>
"""


def compose(outgoing: Outgoing, sender: Address, recipient: Address, now_s: float) -> EmailMessage:
    """The mail of *outgoing*. *now_s*: Unix time, its date."""
    content = outgoing.content
    language = content.language if _TAG.fullmatch(content.language) else "en"
    title = _one_line(content.title) or "HugMood"
    lines = [_one_line(line) for line in _BREAKS.split(content.body)]
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = title.replace(ENCODED_WORD, "= ?")
    message["Date"] = formatdate(now_s)
    message["Message-ID"] = f"<{_one_line(outgoing.id)}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message["Precedence"] = "bulk"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content("\n".join(lines if any(lines) else [title]) + "\n", cte="quoted-printable")
    page = _PAGE.format(
        language=language,
        direction=_direction(language),
        title=escape(title),
        body="<br>\n".join(escape(line) for line in lines),
    )
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    message["Content-Language"] = language  # last: `add_alternative` moves all of Content-* into the first part
    return message


def _one_line(text: str) -> str:
    return _CONTROLS.sub(" ", text).strip()


def _direction(language: str) -> str:
    try:
        return Locale.parse(language, sep="-").text_direction
    except (ValueError, UnknownLocaleError):
        return "ltr"
