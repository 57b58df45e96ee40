"""The other commands: people, listen, send, migrate, hub and worker, as a person would type them."""

import itertools
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from deploy.ports import free_port
from hub.tokens import TokenVerifier
from storage.encryption_keys import load_keys
from tests.support.keys import KEY
from tests.support.local import HUGMOOD, Up, clean_environment, get, hugmood, running
from tests.support.servers import run, temporary_folder

pytestmark = pytest.mark.integration

PASSWORD = "correct horse battery staple"
COMMANDS = (
    "up",
    "hub",
    "worker",
    "migrate",
    "listen",
    "send",
    "people",
    "keys",
    "dead-jobs",
    "outage",
    "demo-data",
    "api-keys",
    "send-test-push",
    "trace",
)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with temporary_folder() as folder, running(folder) as up:
        yield up


@pytest.fixture(scope="module")
def people(up: Up) -> list[dict[str, Any]]:
    """Four in a ring, each with two friends."""
    out = up.data / "people.jsonl"
    done = hugmood(
        "people", "make", "--count", "4", "--friends", "2", "--password", PASSWORD, "--data", up.data, "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "4 of 4 accounts" in done.stderr
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def test_a_hug_from_shell_to_shell(up: Up, people: list[dict[str, Any]]) -> None:
    ana, ben = people[0], people[1]
    listener = subprocess.Popen(
        [HUGMOOD, "listen", "--data", str(up.data), "--token", ben["access_token"], "--count", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    with listener:
        assert listener.stderr is not None
        assert f"Connected as {ben['name']} ({ben['id']})" in listener.stderr.readline()
        first = hugmood(
            "send", "--data", up.data, "--token", ana["access_token"], "--to", ben["id"], "--message", "one"
        )
        assert first.returncode == 0, first.stderr
        # Logged in with a password, and to a username.
        said = f"{PASSWORD}\n"
        arguments = ("--data", up.data, "--email", ana["email"], "--to", ben["username"], "--kind", "bear")
        second = hugmood("send", *arguments, "--message", "two", said=said)
        assert second.returncode == 0, second.stderr
        output, _ = listener.communicate(timeout=30)
    assert listener.returncode == 0
    heard = [json.loads(line) for line in output.splitlines()]
    hugs = [event for event in heard if event["type"] == "hug.received"]
    assert [(event["seq"], event["kind"], event["message"]) for event in hugs] == [
        (1, "warm", "one"),
        (2, "bear", "two"),
    ]
    assert [event["id"] for event in hugs] == [json.loads(first.stdout)["id"], json.loads(second.stdout)["id"]]


def test_the_same_id_is_one_hug(up: Up, people: list[dict[str, Any]]) -> None:
    sender, recipient = people[2], people[3]
    arguments = ("--data", up.data, "--token", sender["access_token"], "--to", recipient["id"])
    hug = "0198f2a4-7b1c-7d3e-9f00-000000000001"
    answers = [json.loads(hugmood("send", *arguments, "--id", hug).stdout) for _ in range(2)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--email", "{email}", "--to", "{friend}"], "says:"),  # a wrong password
        (["--token", "nonsense", "--to", "{friend}"], "4301"),
        (["--token", "{token}", "--to", "no_such_person"], "knows nobody called no_such_person"),
        (["--token", "{token}", "--to", "{stranger}"], "says:"),
        (["--token", "{token}", "--to", "{friend}", "--kind", "icy"], "no hug of that kind"),
        (["--to", "{friend}"], "Say who you are"),
        (["--url", "http://127.0.0.1:1", "--token", "{token}", "--to", "ana"], "does not answer as a hub"),
        (["--url", "ftp://127.0.0.1", "--token", "{token}", "--to", "ana"], "is no address of a hub"),
        (["--token", "{token}", "--to", "{friend}", "--within", "soon"], "not a number of seconds"),
    ],
)
def test_what_cannot_be_sent(up: Up, people: list[dict[str, Any]], arguments: list[str], reason: str) -> None:
    ana = people[0]
    words = {
        "email": ana["email"],
        "token": ana["access_token"],
        "friend": people[1]["id"],
        "stranger": people[2]["id"],
    }
    given = [argument.format(**words) for argument in arguments]
    done = hugmood("send", "--data", up.data, *given, said="wrong password of ana\n")
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""


def test_people_have_the_friends_and_tokens_they_are_said_to_have(up: Up) -> None:
    out = up.data / "ring.jsonl"
    done = hugmood("people", "make", "--count", "10", "--friends", "5", "--data", up.data, "--out", out)
    assert done.returncode == 0, done.stderr
    made = {person["id"]: person for person in map(json.loads, out.read_bytes().splitlines())}
    assert len(made) == 10
    assert out.stat().st_mode & 0o077 == 0  # tokens
    for person in made.values():
        assert len(set(person["friends"]) - {person["id"]}) == 5
        assert all(person["id"] in made[friend]["friends"] for friend in person["friends"])
        assert "password" not in person
    stored = run(load_friendships(up.ready["database_url"], list(made)))
    assert len(stored) == 25
    counted = Counter(itertools.chain.from_iterable(stored))
    assert set(counted.values()) == {5}
    assert all(high in made[low]["friends"] for low, high in stored)
    verifier = TokenVerifier((up.data / "secret").read_bytes())
    one = next(iter(made.values()))
    assert verifier.verify(one["access_token"], 0).user == one["id"]


async def load_friendships(database_url: str, ids: list[str]) -> list[tuple[str, str]]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "select low_id::text, high_id::text from friendships where low_id = any($1::uuid[])", ids
        )
    finally:
        await connection.close()
    return [(row["low_id"], row["high_id"]) for row in rows]


def test_people_can_be_made_while_nothing_runs() -> None:
    with temporary_folder() as folder:
        done = hugmood("people", "make", "--count", "3", "--data", folder / "data", "--out", "-")
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 3
        with running(folder) as up:
            token = json.loads(done.stdout.splitlines()[0])["access_token"]
            sent = hugmood("listen", "--url", up.ready["url"], "--token", token + "x")
            assert "4301" in sent.stderr
            assert run(count_users(up.ready["database_url"])) == 3


async def count_users(database_url: str) -> int:
    connection = await asyncpg.connect(database_url)
    try:
        number: int = await connection.fetchval("select count(*) from users")
        return number
    finally:
        await connection.close()


def test_people_are_not_made_in_foreign_databases_by_accident(database_url: str) -> None:
    secret = "a secret of at least thirty-two bytes"
    with temporary_folder() as folder:
        arguments = ("people", "make", "--count", "2", "--data", folder / "data", "--out", folder / "out")
        refused = hugmood(*arguments, HUGMOOD_DATABASE_URL=database_url, HUGMOOD_SECRET=secret)
        assert refused.returncode == 2
        assert "--yes" in refused.stderr
        assert run(count_users(database_url)) == 0
        done = hugmood(*arguments, "--yes", HUGMOOD_DATABASE_URL=database_url, HUGMOOD_SECRET=secret)
        assert done.returncode == 0, done.stderr
        assert run(count_users(database_url)) == 2


@pytest.mark.parametrize(
    ("count", "friends", "reason"),
    [("5", "5", "at most 4 friends"), ("5", "3", "odd number"), ("0", "0", "not a number of people")],
)
def test_crowds_that_cannot_be(count: str, friends: str, reason: str) -> None:
    with temporary_folder() as folder:
        done = hugmood(
            "people", "make", "--count", count, "--friends", friends, "--data", folder / "data", "--out", folder / "out"
        )
        assert done.returncode == 2
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_migrate_says_what_it_did(databases: Any) -> None:
    with databases.fresh() as url:
        done = hugmood("migrate", HUGMOOD_DATABASE_URL=url)
        assert (done.returncode, done.stdout) == (0, "The schema is up to date.\n")
    done = hugmood("migrate")
    assert done.returncode == 2
    assert "HUGMOOD_DATABASE_URL is missing" in done.stderr


def test_a_hub_without_settings_names_all_that_is_missing() -> None:
    done = hugmood("hub")
    assert done.returncode == 2
    assert [line.split()[2] for line in done.stderr.splitlines()] == [
        "HUGMOOD_DATABASE_URL",
        "HUGMOOD_REDIS_URL",
        "HUGMOOD_SECRET",
        "HUGMOOD_ENCRYPTION_KEYS",
    ]
    done = hugmood(
        "worker", "--queues", "dreams", HUGMOOD_DATABASE_URL="postgresql://x/y", HUGMOOD_REDIS_URL="redis://x"
    )
    assert done.returncode == 2
    assert "HUGMOOD_QUEUES must be one or more of care" in done.stderr
    assert "HUGMOOD_ENCRYPTION_KEYS or HUGMOOD_ENCRYPTION_KEYS_FILE is missing" in done.stderr


def test_a_new_key_is_one_line_and_another_each_time() -> None:
    made = [hugmood("keys", "new") for _ in range(2)]
    (one,), (other,) = (load_keys(done.stdout) for done in made)
    assert one.id != other.id
    assert one.secret != other.secret
    for done in made:
        assert (done.returncode, len(done.stdout.splitlines()), len(done.stderr.splitlines())) == (0, 1, 1)
        assert "HUGMOOD_ENCRYPTION_KEYS" in done.stderr
        assert done.stdout.strip().partition(":")[2] not in done.stderr


def test_a_hub_refuses_another_schema_than_its_own(databases: Any, redis_url: str) -> None:
    async def forget_migrations(database_url: str) -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("delete from schema_migrations")
        await connection.close()

    secret = "a secret of at least thirty-two bytes"
    with databases.fresh() as url:
        run(forget_migrations(url))
        settings = {"HUGMOOD_DATABASE_URL": url, "HUGMOOD_REDIS_URL": redis_url, "HUGMOOD_SECRET": secret}
        settings["HUGMOOD_ENCRYPTION_KEYS"] = KEY.line
        ports = {"HUGMOOD_PORT": str(free_port()), "HUGMOOD_METRICS_PORT": str(free_port())}
        done = hugmood("hub", **settings, **ports)
    assert done.returncode == 2
    assert "run `hugmood migrate`" in done.stderr.splitlines()[-1]


def test_logs_are_json_and_hold_no_tokens(up: Up, people: list[dict[str, Any]]) -> None:
    assert get(f"{up.ready['url']}/healthz")[0] == 200
    logs = list((up.data / "log").glob("[hw]*.log"))
    assert len(logs) == 2
    (key,) = load_keys((up.data / "encryption-keys").read_text())
    for log in logs:
        lines = [json.loads(line) for line in log.read_bytes().splitlines()]
        assert {"time", "level", "logger", "message"} <= lines[0].keys()
        assert people[0]["access_token"] not in log.read_text()
        assert PASSWORD not in log.read_text()
        assert key.line.partition(":")[2] not in log.read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = hugmood(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: hugmood {command}")
    wrong = hugmood(command, "--surely-no-option")
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
