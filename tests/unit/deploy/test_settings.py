"""Settings: what is read, what is refused, and that everything wrong is said at once."""

from pathlib import Path

import pytest

from deploy.settings import (
    HUB,
    WORKER,
    WrongSettings,
    check_settings,
    load_database_url,
    load_hub_settings,
    load_secret,
    load_worker_settings,
    unknown_names,
)
from hub.settings import HubSettings
from storage.encryption_keys import EncryptionKey
from tests.support.keys import KEY
from workers.settings import WorkerSettings

pytestmark = pytest.mark.unit

SECRET = "x" * 32
LEAST = {
    "HUGMOOD_DATABASE_URL": "postgresql://hugmood:pw@db/hugmood",
    "HUGMOOD_REDIS_URL": "redis://cache:6379/0",
    "HUGMOOD_SECRET": SECRET,
    "HUGMOOD_ENCRYPTION_KEYS": KEY.line,
}


def problems_of(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(WrongSettings) as caught:
        load_hub_settings(environment)
    return caught.value.problems


def test_defaults_are_those_of_the_structs() -> None:
    assert load_hub_settings(LEAST) == HubSettings(
        database_url=LEAST["HUGMOOD_DATABASE_URL"],
        redis_url=LEAST["HUGMOOD_REDIS_URL"],
        secret=SECRET.encode(),
        encryption_keys=(KEY,),
    )
    assert load_worker_settings(LEAST) == WorkerSettings(
        database_url=LEAST["HUGMOOD_DATABASE_URL"], redis_url=LEAST["HUGMOOD_REDIS_URL"], encryption_keys=(KEY,)
    )


def test_every_field_can_be_set() -> None:
    assert {setting.field for setting in HUB} | {"secret", "encryption_keys"} == set(HubSettings.__struct_fields__)
    assert {setting.field for setting in WORKER} | {"encryption_keys", "push"} == set(WorkerSettings.__struct_fields__)


def test_values_become_what_they_mean() -> None:
    settings = load_hub_settings(
        LEAST
        | {
            "HUGMOOD_PORT": "9000",
            "HUGMOOD_LIMITS": "off",
            "HUGMOOD_ALLOWED_ORIGINS": "https://App.example, http://localhost:3000",
            "HUGMOOD_TRUSTED_PROXIES": "10.0.0.0/8,::1",
            "HUGMOOD_HUG_KINDS": "bear-claw,moon_hug",
            "HUGMOOD_HUGS_PER_MINUTE": "0",
            "HUGMOOD_HUGS_PER_DAY": "2000",
            "HUGMOOD_HUGS_UNANSWERED_PER_HOUR": "1",
            "HUGMOOD_DRAIN_S": "2.5",
        }
    )
    assert settings.port == 9000
    assert not settings.limits_on
    assert settings.allowed_origins == ("https://app.example", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.hug_kinds == ("bear-claw", "moon_hug")
    assert (settings.hugs_per_minute, settings.hugs_per_day, settings.hugs_unanswered_per_hour) == (0, 2000, 1)
    assert settings.drain_s == 2.5


def test_moods_are_kept_for_ever_or_for_two_months_at_least() -> None:
    for value, months in (("0", 0), ("2", 2), ("120", 120)):
        settings = load_worker_settings(LEAST | {"HUGMOOD_MOOD_RETENTION_MONTHS": value})
        assert settings.mood_retention_months == months
    for value in ("1", "-1", "12 months", "10000"):
        with pytest.raises(WrongSettings, match="HUGMOOD_MOOD_RETENTION_MONTHS must be 0"):
            load_worker_settings(LEAST | {"HUGMOOD_MOOD_RETENTION_MONTHS": value})


def test_an_empty_value_counts_as_not_set() -> None:
    least = load_hub_settings(LEAST)
    assert load_hub_settings(LEAST | {"HUGMOOD_PORT": "", "HUGMOOD_SECRET_FILE": ""}) == least


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HUGMOOD_DATABASE_URL", "mysql://hidden@db/x"),
        ("HUGMOOD_DATABASE_URL", "postgresql://u:hidden@db:port/x"),
        ("HUGMOOD_REDIS_URL", "hidden"),
        ("HUGMOOD_PORT", "0"),
        ("HUGMOOD_PORT", "65536"),
        ("HUGMOOD_PORT", "-1"),
        ("HUGMOOD_PORT", "eighty"),
        ("HUGMOOD_PORT", "8_0"),
        ("HUGMOOD_PORT", "９０００"),
        ("HUGMOOD_LIMITS", "OFF "),
        ("HUGMOOD_ALLOWED_ORIGINS", "app.example"),
        ("HUGMOOD_ALLOWED_ORIGINS", "https://app.example/path"),
        ("HUGMOOD_ALLOWED_ORIGINS", "*"),
        ("HUGMOOD_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("HUGMOOD_TRUSTED_PROXIES", "proxy"),
        ("HUGMOOD_HUG_KINDS", "Big Hug"),
        ("HUGMOOD_DRAIN_S", "1e3"),
        ("HUGMOOD_DRAIN_S", "601"),
        ("HUGMOOD_SECRET", "hidden"),
        ("HUGMOOD_ENCRYPTION_KEYS", "k1:hidden"),
        ("HUGMOOD_ENCRYPTION_KEYS", f"Hidden:{KEY.line[6:]}"),
        ("HUGMOOD_ENCRYPTION_KEYS", f"{KEY.line},{KEY.line}"),
        ("HUGMOOD_ENCRYPTION_KEYS", ","),
        ("HUGMOOD_MAX_CONNECTIONS", "many"),
        ("HUGMOOD_HUGS_PER_MINUTE", "-1"),
        ("HUGMOOD_HUGS_PER_DAY", "1000001"),
    ],
)
def test_a_wrong_value_is_named_and_not_quoted_if_it_may_be_secret(name: str, value: str) -> None:
    (problem,) = problems_of(LEAST | {name: value})
    assert problem.startswith(f"{name} must")
    assert "hidden" not in problem.lower()


def test_all_problems_at_once() -> None:
    found = problems_of({"HUGMOOD_PORT": "x", "HUGMOOD_LIMITS": "x"})
    assert [problem.split()[0] for problem in found] == [
        "HUGMOOD_PORT",
        "HUGMOOD_LIMITS",
        "HUGMOOD_DATABASE_URL",
        "HUGMOOD_REDIS_URL",
        "HUGMOOD_SECRET",
        "HUGMOOD_ENCRYPTION_KEYS",
    ]
    with pytest.raises(WrongSettings) as caught:
        load_worker_settings({"HUGMOOD_ENCRYPTION_KEYS": f"a:x,{KEY.line},B:x"})
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "HUGMOOD_DATABASE_URL",
        "HUGMOOD_REDIS_URL",
        *["HUGMOOD_ENCRYPTION_KEYS"] * 3,
    ]


def test_those_who_start_others_may_leave_out_what_they_make_themselves() -> None:
    check_settings({})
    with pytest.raises(WrongSettings) as caught:
        check_settings({"HUGMOOD_QUEUES": "dreams", "HUGMOOD_METRICS_PORT": "x", "HUGMOOD_LOG": "loud"})
    # Once each, although hub and worker both have a metrics port.
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "HUGMOOD_METRICS_PORT",
        "HUGMOOD_QUEUES",
        "HUGMOOD_LOG",
    ]


def test_the_secret_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert load_secret({"HUGMOOD_SECRET_FILE": str(file)}) == SECRET.encode()
    assert load_secret({}) is None
    for wrong in (
        {"HUGMOOD_SECRET_FILE": str(tmp_path / "missing")},
        {"HUGMOOD_SECRET_FILE": str(file), "HUGMOOD_SECRET": SECRET},
        {"HUGMOOD_SECRET": "x" * 31},
    ):
        with pytest.raises(WrongSettings):
            load_secret(wrong)


def test_the_keys_may_be_in_a_file_a_line_for_each(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    newest = EncryptionKey("newest", b"n" * 32)
    file.write_text(f"{newest.line}\n{KEY.line}\n")
    rest = {name: value for name, value in LEAST.items() if name != "HUGMOOD_ENCRYPTION_KEYS"}
    in_file = rest | {"HUGMOOD_ENCRYPTION_KEYS_FILE": str(file)}
    assert load_hub_settings(in_file).encryption_keys == (newest, KEY)
    assert load_worker_settings(in_file).encryption_keys == (newest, KEY)
    assert problems_of(LEAST | in_file) == (
        "HUGMOOD_ENCRYPTION_KEYS and HUGMOOD_ENCRYPTION_KEYS_FILE are both set: choose one",
    )
    for content in (b"", b"\xff\xfe", KEY.line.encode()[:-2]):
        file.write_bytes(content)
        assert all(problem.startswith("HUGMOOD_ENCRYPTION_KEYS_FILE must hold") for problem in problems_of(in_file))
    file.unlink()
    assert problems_of(in_file) == ("HUGMOOD_ENCRYPTION_KEYS_FILE cannot be read: No such file or directory",)


def test_settings_do_not_show_their_keys() -> None:
    for settings in (load_hub_settings(LEAST), load_worker_settings(LEAST)):
        assert KEY.line.partition(":")[2][:8] not in repr(settings)
        assert KEY.secret.decode()[:8] not in repr(settings)
        assert "'tests'" in repr(settings)


def test_the_database_alone() -> None:
    assert load_database_url({}) is None
    assert load_database_url(LEAST) == LEAST["HUGMOOD_DATABASE_URL"]
    with pytest.raises(WrongSettings):
        load_database_url({"HUGMOOD_DATABASE_URL": "db"})


def test_unknown_names_are_told_with_what_was_meant() -> None:
    assert unknown_names(LEAST | {"HUGMOOD_LIMTS": "off", "PATH": "/bin"}) == [
        "HUGMOOD_LIMTS is not a setting: did you mean HUGMOOD_LIMITS?"
    ]
