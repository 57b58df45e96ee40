"""The mail provider against a mail server, over real connections."""

import socket
from collections.abc import AsyncIterator

import pytest

from tests.support.certificates import client_context, make_authority, server_context
from tests.support.fake_smtp import CUT, SILENCE, FakeSmtp
from workers.push.email import EmailProvider
from workers.push.email_settings import EmailSettings
from workers.push.outgoing import Answer, Content, Outgoing, Verdict

pytestmark = pytest.mark.integration

SENDER = "HugMood <hugs@app.example>"
ACCEPTED = Answer(verdict=Verdict.ACCEPTED, detail="250")


def outgoing(
    to: str = "ana@mail.example", title: str = "A hug for you", body: str = "Ben hugged you.", language: str = "en"
) -> Outgoing:
    content = Content(
        kind="hug.received",
        category="hugs",
        title=title,
        body=body,
        collapse_key="hugs",
        badge=3,
        language=language,
    )
    return Outgoing(id="0190f5fe-7c00-7a00-8000-000000000001", user="a-user", to=to, content=content, ttl_s=60)


@pytest.fixture
async def fake() -> AsyncIterator[FakeSmtp]:
    async with FakeSmtp().serving() as serving:
        yield serving


def provider(fake: FakeSmtp, within_s: float = 14.0) -> EmailProvider:
    return EmailProvider(EmailSettings.load(f"smtp://127.0.0.1:{fake.port}?tls=none", SENDER), within_s=within_s)


async def test_a_mail_is_plain_text_and_html_with_the_headers_of_a_machine(fake: FakeSmtp) -> None:
    async with provider(fake) as made:
        assert await made.send(outgoing()) == ACCEPTED
        assert await made.send(outgoing()) == ACCEPTED
    (to, mail), (_, again) = fake.mails
    assert (to, mail["To"], mail["From"]) == ("ana@mail.example", "ana@mail.example", SENDER)
    assert (mail["Subject"], mail["Content-Language"]) == ("A hug for you", "en")
    assert mail["Message-ID"] == again["Message-ID"] == "<0190f5fe-7c00-7a00-8000-000000000001@app.example>"
    assert mail["Date"]
    assert (mail["Auto-Submitted"], mail["Precedence"], mail["X-Auto-Response-Suppress"]) == (
        "auto-generated",
        "bulk",
        "All",
    )
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content() == "Ben hugged you.\r\n"
    assert 'dir="ltr"' in html.get_content()
    assert len(fake.connections) == 1


async def test_arabic_runs_from_right_to_left(fake: FakeSmtp) -> None:
    async with provider(fake) as made:
        assert (
            await made.send(outgoing(title="عناق لك", body="وصلك عناق من \u2068Ana\u2069.", language="ar")) == ACCEPTED
        )
    ((_, mail),) = fake.mails
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert mail["Subject"] == "عناق لك"
    assert text.get_content() == "وصلك عناق من \u2068Ana\u2069.\r\n"
    assert '<html lang="ar" dir="rtl">' in html.get_content()
    assert fake.raw[0].isascii()


async def test_nothing_that_people_wrote_becomes_a_header_or_markup(fake: FakeSmtp) -> None:
    evil = "Hi\r\nBcc: eve@mail.example\r\n\r\n<script>x</script>\u2028Cc: eve@mail.example\x85Cc: eve@mail.example"
    async with provider(fake) as made:
        assert (
            await made.send(outgoing(title=evil, body=f"{evil}\r\n.\r\nMAIL FROM:<x>", language="en\r\nX: y"))
            == ACCEPTED
        )
        assert await made.send(outgoing()) == ACCEPTED
    (to, mail), _ = fake.mails
    assert to == "ana@mail.example"
    assert {"bcc", "cc", "x"}.isdisjoint({name.lower() for name in mail})
    assert "\n" not in mail["Subject"]
    html = mail.get_body(("html",))
    assert html is not None
    assert "<script" not in html.get_content()
    assert not mail.defects


@pytest.mark.parametrize(
    "to",
    [
        "",
        "ana",
        "ana@mail.example\r\nRCPT TO:<eve@mail.example>",
        "ana@mail.example, eve@mail.example",
        "<eve@mail.example>ana@mail.example",
        "a>b@mail.example",
        '"a@mail.example',
        "ana@mail.example>\nDATA",
        "(@mail.example",
        "änn@mail.example",
        "=?utf-8?q?ana=0d=0abcc:eve?=@mail.example",
        "a=?utf-8?q?ana=0d=0abcc:eve?=@mail.example",
    ],
)
async def test_what_is_no_address_is_refused(fake: FakeSmtp, to: str) -> None:
    async with provider(fake) as made:
        answer = await made.send(outgoing(to=to))
    assert answer.verdict is Verdict.REFUSED
    assert fake.connections == []


@pytest.mark.parametrize(
    ("step", "said", "verdict", "detail"),
    [
        ("RCPT", "550 5.1.1 <ana@mail.example> unknown", Verdict.REFUSED, "550 5.1.1"),
        ("RCPT", "450 4.2.1 Later", Verdict.RETRY, "450 4.2.1"),
        ("RCPT", "421 4.7.0 Too many", Verdict.RETRY, "421 4.7.0"),
        ("DATA", "554 No", Verdict.REFUSED, "554"),
        ("DATA", "451 4.3.0 Later", Verdict.RETRY, "451 4.3.0"),
        ("MAIL", "550 5.7.1 Not this sender", Verdict.MISCONFIGURED, "550 5.7.1"),
        ("MAIL", "451 4.7.1 Greylisted", Verdict.RETRY, "451 4.7.1"),
    ],
)
async def test_verdicts(fake: FakeSmtp, step: str, said: str, verdict: Verdict, detail: str) -> None:
    fake.plan(step, said)
    async with provider(fake) as made:
        assert await made.send(outgoing()) == Answer(
            verdict=verdict, detail=detail, is_of_all=verdict is Verdict.MISCONFIGURED
        )
        assert await made.send(outgoing()) == ACCEPTED
    assert len(fake.mails) == 1
    assert len(fake.connections) == (2 if said.startswith("421") else 1)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_a_connection_that_is_cut_is_tried_again(fake: FakeSmtp, step: str) -> None:
    fake.plan(step, CUT)
    async with provider(fake) as made:
        answer = await made.send(outgoing())
        assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, True)
        assert await made.send(outgoing()) == ACCEPTED


async def test_a_server_that_never_answers_is_given_up_and_its_connection_too(fake: FakeSmtp) -> None:
    fake.plan("RCPT", SILENCE)
    async with provider(fake, within_s=0.3) as made:
        assert (await made.send(outgoing())).verdict is Verdict.RETRY
    async with provider(fake) as made:
        assert await made.send(outgoing()) == ACCEPTED


async def test_a_kept_connection_that_the_server_has_ended_is_made_anew(fake: FakeSmtp) -> None:
    async with provider(fake) as made:
        assert await made.send(outgoing()) == ACCEPTED
        fake.cut()
        assert await made.send(outgoing()) == ACCEPTED
    assert len(fake.connections) == 2


async def test_a_server_that_is_away_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with EmailProvider(EmailSettings.load(f"smtp://127.0.0.1:{port}", SENDER)) as made:
        answer = await made.send(outgoing())
    assert (answer.verdict, answer.is_silent) == (Verdict.RETRY, False)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_password_goes_over_tls(scheme: str) -> None:
    authority = make_authority()
    context = server_context(authority)
    contexts = {"starttls": context} if scheme == "smtp" else {"smtps": context}
    async with FakeSmtp("us er", "p@ss:w").serving(**contexts) as fake:
        settings = EmailSettings.load(f"{scheme}://us%20er:p%40ss%3Aw@127.0.0.1:{fake.port}", SENDER)
        async with EmailProvider(settings, client_context(authority)) as made:
            assert await made.send(outgoing()) == ACCEPTED
    assert fake.logins == [("us er", scheme == "smtp")]  # aiosmtpd knows of STARTTLS only


async def test_a_wrong_password_is_the_operators(fake: FakeSmtp) -> None:
    authority = make_authority()
    async with FakeSmtp("user", "right").serving(server_context(authority)) as secured:
        settings = EmailSettings.load(f"smtp://user:wrong@127.0.0.1:{secured.port}", SENDER)
        async with EmailProvider(settings, client_context(authority)) as made:
            answer = await made.send(outgoing())
            assert (answer.verdict, answer.detail) == (Verdict.MISCONFIGURED, "535 5.7.8")
            secured.plan("AUTH", "454 4.7.0 Later", "454 4.7.0 Later")
            assert (await made.send(outgoing())).verdict is Verdict.RETRY
    assert secured.mails == []


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_server_that_nobody_vouches_for_gets_nothing(scheme: str) -> None:
    context = server_context(make_authority())
    contexts = {"starttls": context} if scheme == "smtp" else {"smtps": context}
    async with FakeSmtp().serving(**contexts) as fake:
        settings = EmailSettings.load(f"{scheme}://127.0.0.1:{fake.port}", SENDER)
        async with EmailProvider(settings, client_context(make_authority())) as made:
            answer = await made.send(outgoing())
    assert (answer.verdict, answer.detail) == (Verdict.RETRY, "not reached: its certificate is not trusted")
    assert fake.mails == []


async def test_a_server_elsewhere_that_offers_no_tls_gets_no_password(fake: FakeSmtp) -> None:
    elsewhere = EmailSettings.load(f"smtp://user:secret@mail.example:{fake.port}", SENDER)
    settings = EmailSettings(
        host="127.0.0.1", port=fake.port, sender=elsewhere.sender, user="user", password="secret", tls=elsewhere.tls
    )
    async with EmailProvider(settings) as made:
        assert (await made.send(outgoing())).verdict is Verdict.MISCONFIGURED
    assert fake.logins == []
