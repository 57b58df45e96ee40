"""Which providers a worker pushes with: all that is wrong at once, and nothing of a secret in it."""

from datetime import timedelta
from pathlib import Path

import pytest

from deploy.push_settings import NAMES, load_push
from workers.push.settings import PushSettings

pytestmark = pytest.mark.unit


def problems_of(environment: dict[str, str]) -> list[str]:
    problems: list[str] = []
    assert load_push(environment, problems) == PushSettings()
    assert problems
    return problems


def test_nothing_is_needed() -> None:
    problems: list[str] = []
    assert load_push({}, problems) == load_push(dict.fromkeys(NAMES, ""), problems) == PushSettings()
    assert problems == []


def test_values_become_what_they_mean() -> None:
    problems: list[str] = []
    settings = load_push(
        {
            "HUGMOOD_PUSH_UNACKED_S": "3",
            "HUGMOOD_PUSH_MERGE_S": "60",
            "HUGMOOD_PUSH_RETRY_S": "0.5",
            "HUGMOOD_PUSH_LOG": "on",
            "HUGMOOD_WEBPUSH_SUBJECT": "mailto:us@app.example",
        },
        problems,
    )
    assert problems == []
    assert (settings.timing.unacked_ms, settings.timing.merge_ms) == (
        3_000,
        timedelta(minutes=1) // timedelta(milliseconds=1),
    )
    assert (settings.retry_s, settings.log, settings.webpush.subject) == (0.5, True, "mailto:us@app.example")
    assert (settings.fcm, settings.webhook, settings.email) == (None, None, None)


def test_everything_that_is_wrong_is_told_at_once_and_not_quoted(tmp_path: Path) -> None:
    certificates = tmp_path / "hidden.pem"
    certificates.write_text("hidden")
    environment = {
        "HUGMOOD_PUSH_UNACKED_S": "hidden",
        "HUGMOOD_PUSH_MERGE_S": "0",
        "HUGMOOD_PUSH_RETRY_S": "601",
        "HUGMOOD_PUSH_LOG": "hidden",
        "HUGMOOD_PUSH_CA_FILE": str(certificates),
        "HUGMOOD_FCM_CREDENTIALS": '{"private_key": "hidden"}',
        "HUGMOOD_FCM_URL": "hidden",
        "HUGMOOD_WEBPUSH_SUBJECT": "hidden",
        "HUGMOOD_WEBHOOK_URL": "http://hidden@hook.example/hidden",
        "HUGMOOD_WEBHOOK_SECRET": "hidden",
        "HUGMOOD_SMTP_URL": "hidden://user:hidden@mail.example",
        "HUGMOOD_MAIL_FROM": "hidden",
    }
    problems = problems_of(environment)
    for name in environment:
        assert [problem for problem in problems if name in problem], name
    assert not [problem for problem in problems if "hidden" in problem.replace(str(certificates), "").lower()]


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("HUGMOOD_FCM_URL", "HUGMOOD_FCM_CREDENTIALS"),
        ("HUGMOOD_WEBHOOK_URL", "HUGMOOD_WEBHOOK_SECRET"),
        ("HUGMOOD_WEBHOOK_SECRET", "HUGMOOD_WEBHOOK_URL"),
        ("HUGMOOD_SMTP_URL", "HUGMOOD_MAIL_FROM"),
        ("HUGMOOD_MAIL_FROM", "HUGMOOD_SMTP_URL"),
    ],
)
def test_what_is_nothing_without_another_is_told(name: str, missing: str) -> None:
    [problem] = problems_of({name: "hidden"})
    assert problem.startswith(f"{missing} is missing")
    assert name in problem
    assert "hidden" not in problem


@pytest.mark.parametrize(
    "name",
    ["HUGMOOD_FCM_CREDENTIALS", "HUGMOOD_WEBHOOK_URL", "HUGMOOD_WEBHOOK_SECRET", "HUGMOOD_SMTP_URL"],
)
def test_what_is_private_may_stand_in_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_bytes(b"hidden\xff\n")
    assert f"{name}_FILE" in NAMES
    both = problems_of({name: "hidden", f"{name}_FILE": str(path)})
    assert any("both set" in problem for problem in both)
    gone = problems_of({f"{name}_FILE": str(tmp_path / "none")})
    assert any(problem.startswith(f"{name}_FILE cannot be read") for problem in gone)
    assert not [problem for problem in (*both, *gone, *problems_of({f"{name}_FILE": str(path)})) if "hidden" in problem]
