"""Which mail servers and senders may be set, and that nothing secret is shown."""

import pytest

from workers.push.email_settings import SENDER_FORM, URL_FORM, EmailSettings, Tls

pytestmark = pytest.mark.unit

SENDER = "hugs@app.example"


@pytest.mark.parametrize(
    ("url", "port", "tls"),
    [
        ("smtp://mail.example", 587, Tls.IF_OFFERED),
        ("smtp://mail.example:25/", 25, Tls.IF_OFFERED),
        ("smtp://user:s%20cret@mail.example", 587, Tls.REQUIRED),
        ("smtp://user:s%20cret@localhost:25", 25, Tls.IF_OFFERED),
        ("smtp://user:s%20cret@127.0.0.1:25?tls=none", 25, Tls.NEVER),
        ("smtp://[::1]:25?tls=none", 25, Tls.NEVER),
        ("smtps://user:s%20cret@mail.example", 465, Tls.FROM_THE_START),
    ],
)
def test_good_servers(url: str, port: int, tls: Tls) -> None:
    settings = EmailSettings.load(url, SENDER)
    assert (settings.port, settings.tls) == (port, tls)
    assert settings.password == ("s cret" if "user" in url else None)
    assert "cret" not in repr(settings)
    assert "user" not in repr(settings)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example",
        "http://mail.example",
        "smtp://",
        "smtp://mail.example:0",
        "smtp://mail.example:99999",
        "smtp://mail.example:x",
        "smtp://mail.example?tls=none",
        "smtps://localhost?tls=none",
        "smtp://mail.example?tls=off",
        "smtp://mail.example/inbox",
        "smtp://mail.example#x",
        "smtp://u:a%0d%0aQUIT@mail.example",
        "smtp://u:%ff@mail.example",
        "smtp://ma il.example",
        "smtp://[::1",
    ],
)
def test_bad_servers_are_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        EmailSettings.load(url, SENDER)
    assert caught.value.args == (URL_FORM,)


def test_senders() -> None:
    assert (
        str(EmailSettings.load("smtp://localhost", "  HugMood <hugs@app.example> ").sender)
        == "HugMood <hugs@app.example>"
    )
    assert str(EmailSettings.load("smtp://localhost", SENDER).sender) == SENDER


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "hugs",
        "Hug\nMood <hugs@app.example>",
        "a@b.example, c@d.example",
        "<>",
        "x <y>",
        "=?utf-8?q?=0d=0aBcc:_x?= <hugs@app.example>",
    ],
)
def test_bad_senders(sender: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        EmailSettings.load("nowhere", sender)
    assert caught.value.args == (URL_FORM, SENDER_FORM)
