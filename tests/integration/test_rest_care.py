"""Where to find help, as people and operators meet it: always there, a gentle word now and then, to nobody else."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from deploy.children import CannotStart
from tests.support.hubs import StartHub
from tests.support.moods import feel
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000
RESOURCE = '[[resources]]\nname = "{}"\nurl = "https://help.example"\nlast_verified = {}\n'


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def log_heavy_days(server: RestServer, user: User, count: int = 5, valence: float = -0.8) -> None:
    """One entry on each of the last days in the user's zone, today included."""
    zone = ZoneInfo("Asia/Tokyo")
    today = datetime.fromtimestamp(server.clock() / 1000, zone).date()
    for ago in range(count):
        moment = datetime.fromtimestamp(server.clock() / 1000, UTC) - timedelta(days=ago)
        await feel(server.database, user.id, moment, valence, day=today - timedelta(days=ago), timezone="Asia/Tokyo")


async def prompt_of(user: User) -> Any:
    return (await user.get("/v1/care"))["prompt"]


async def test_help_is_there_without_logging_in(server: RestServer) -> None:
    answer = (await server.call("GET", "/v1/care", country="us")).json()
    assert (answer["country"], answer["prompt"]) == ("US", False)
    first = answer["resources"][0]
    assert first["phone"] == "988"
    assert first["last_verified"][:2] == "20"
    everywhere = (await server.call("GET", "/v1/care")).json()
    assert everywhere["country"] is None
    assert everywhere["resources"] == answer["resources"][-len(everywhere["resources"]) :] != []
    unknown = (await server.call("GET", "/v1/care", country="ZZ")).json()
    assert unknown["resources"] == everywhere["resources"]


@pytest.mark.parametrize("country", ["", "U", "USA", "1A", "ÜS"])
async def test_what_is_no_country_is_refused(server: RestServer, country: str) -> None:
    assert (await server.call("GET", "/v1/care", country=country)).status_code == 400


async def test_the_prompt_comes_after_five_heavy_days_and_once_in_14_days(server: RestServer) -> None:
    ana = await server.user("Ana")
    await log_heavy_days(server, ana, 4)
    assert await prompt_of(ana) is False
    await log_heavy_days(server, ana, 5)
    assert [await prompt_of(ana) for _ in range(3)] == [True] * 3, "asking does not use it up"
    shown = await ana.post("/v1/care/shown", None)
    assert (shown.status_code, shown.json()["type"]) == (200, "ok")
    assert await prompt_of(ana) is False


async def test_after_14_days_it_may_come_again(server: RestServer) -> None:
    ana = await server.user("Ana")
    await log_heavy_days(server, ana)
    for days, is_due in ((13, False), (14, True), (15, True)):
        await server.database.execute(
            "insert into care_prompts (user_id, at) values ($1, $2) on conflict (user_id) do update set at = excluded.at",
            ana.id,
            datetime.fromtimestamp((server.clock() - days * DAY_MS) / 1000, UTC),
        )
        assert await prompt_of(ana) is is_due


async def test_the_mean_of_a_day_decides_and_better_days_need_no_prompt(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await log_heavy_days(server, ana, 7, -0.7)
    await log_heavy_days(server, ana, 7, -0.5)
    assert await prompt_of(ana) is True
    await log_heavy_days(server, ben, 7, -0.55)
    assert await prompt_of(ben) is False


async def test_nobody_else_learns_of_it(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    before = len(server.delivery.rung), len(server.delivery.told)
    await log_heavy_days(server, ana)
    assert await prompt_of(ana) is True
    await ana.post("/v1/care/shown", None)
    assert await prompt_of(ben) is False
    assert (await server.call("GET", "/v1/care")).json()["prompt"] is False
    assert (len(server.delivery.rung), len(server.delivery.told)) == before


async def test_a_log_in_that_was_ended_is_told_no_more_than_a_stranger(server: RestServer) -> None:
    ana = await server.user("Ana")
    await log_heavy_days(server, ana)
    await ana.post("/v1/auth/logout", {})
    answer = await ana.call("GET", "/v1/care")
    assert (answer.status_code, answer.json()["prompt"]) == (200, False)
    assert answer.json()["resources"]
    assert (await ana.post("/v1/care/shown", None)).status_code == 401
    nonsense = await server.call("GET", "/v1/care", token="a.b.c")
    assert (nonsense.status_code, nonsense.json()["prompt"]) == (200, False)


async def test_nothing_of_it_is_in_the_logs(server: RestServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ana = await server.user("Ana")
    await log_heavy_days(server, ana)
    assert await prompt_of(ana) is True
    await ana.post("/v1/care/shown", None)
    said = [str(vars(record)) for record in caplog.records if record.name.startswith("hugmood")]
    assert not [line for line in said if ana.id in line or "care" in line]


async def test_help_is_there_while_the_database_is_away(redis_url: str, own_postgres: Any) -> None:
    postgres = own_postgres()
    async with rest_server(postgres.url, redis_url) as server:
        ana = await server.user("Ana")
        postgres.kill()
        answer = await ana.call("GET", "/v1/care", country="DE")
        assert (answer.status_code, answer.json()["prompt"]) == (200, False)
        assert answer.json()["resources"]


async def test_a_hub_serves_the_file_of_its_operator_and_warns_of_what_is_old(
    start_hub: StartHub, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "care.toml"
    path.write_text(RESOURCE.format("Fresh", datetime.now(UTC).date()) + RESOURCE.format("Old", "2020-01-01"))
    hub = await start_hub(database_url=database_url, redis_url=redis_url, care_file=str(path))
    async with httpx.AsyncClient() as client:
        care = (await client.get(f"{hub.url}/v1/care")).json()
        ready = (await client.get(f"{hub.url}/readyz")).json()
    assert [each["name"] for each in care["resources"]] == ["Fresh", "Old"]
    assert ready["status"] == "ready"
    assert [warning for warning in ready["warnings"] if warning.startswith("care: 1 of 2 ")]
    (warned,) = [line for line in hub.log.read_text().splitlines() if "not verified" in line]
    assert "Old (everywhere, 2020-01-01)" in warned
    assert "Fresh" not in warned


async def test_a_hub_does_not_start_on_a_wrong_file_and_says_all_that_is_wrong(
    start_hub: StartHub, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "care.toml"
    path.write_text(RESOURCE.format("", "2020-01-01") + "phone = 1\n")
    with pytest.raises(CannotStart) as caught:
        await start_hub(database_url=database_url, redis_url=redis_url, care_file=str(path), drain_s="soon")
    said = str(caught.value)
    for problem in (
        "HUGMOOD_CARE_FILE resource 1: name must",
        "HUGMOOD_CARE_FILE resource 1: phone must",
        "DRAIN_S must",
    ):
        assert problem in said
