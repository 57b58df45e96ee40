"""Preferences by REST: defaults, changes of a part, and what is refused."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.rest_server import RestServer, rest_server

pytestmark = pytest.mark.integration

PATH = "/v1/me/preferences"
CATEGORIES = ["hugs", "requests", "groups", "friends", "streaks", "insights"]
DEFAULTS: dict[str, Any] = {
    "channels": {"push": True, "email": False, "in_app": True},
    "categories": {category: {"push": True, "email": True, "in_app": True} for category in CATEGORIES},
    "quiet_hours": None,
    "preview": "generic",
    "language": "en",
    "streak_reminders": False,
}
NIGHT = {"start": "22:00", "end": "07:05", "timezone": "Europe/Berlin"}


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def test_what_is_left_out_stays(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    assert await ana.get(PATH) == DEFAULTS
    expected = dict(DEFAULTS)
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"quiet_hours": NIGHT}, {"quiet_hours": NIGHT}),
        ({"preview": "name", "language": "ar-EG"}, {"preview": "name", "language": "ar-EG"}),
        ({"channels": {"in_app": False}}, {"channels": {"push": True, "email": False, "in_app": False}}),
        ({"streak_reminders": True}, {"streak_reminders": True}),
        (
            {"categories": {"hugs": {"push": False}, "insights": {"email": False}}},
            {
                "categories": {
                    **DEFAULTS["categories"],
                    "hugs": {"push": False, "email": True, "in_app": True},
                    "insights": {"push": True, "email": False, "in_app": True},
                }
            },
        ),
        ({"categories": {"hugs": {"push": True}, "insights": {"email": True}}}, {"categories": DEFAULTS["categories"]}),
        ({"quiet_hours": None}, {"quiet_hours": None}),
    ]
    for change, changed in changes:
        expected |= changed
        response = await ana.call("PATCH", PATH, change)
        assert response.status_code == 200, response.text
        assert response.json() == await ana.get(PATH) == expected
    assert await ben.get(PATH) == DEFAULTS


@pytest.mark.parametrize(
    "change",
    [
        {"quiet_hours": {**NIGHT, "timezone": "Mars/Phobos"}},
        {"quiet_hours": {**NIGHT, "timezone": "localtime"}},
        {"quiet_hours": {**NIGHT, "start": "24:00"}},
        {"quiet_hours": {**NIGHT, "start": "7:00"}},
        {"quiet_hours": {"start": "22:00", "end": "07:00"}},
        {"preview": "everything"},
        {"language": "not a language"},
        {"categories": {"account": {"push": False}}},
        {"channels": {"pigeon": True}},
        {"channels": {"push": "no"}},
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(server: RestServer, change: dict[str, Any]) -> None:
    ana = await server.user("Ana")
    response = await ana.call("PATCH", PATH, {"streak_reminders": True, **change})
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert await ana.get(PATH) == DEFAULTS


async def test_mail_needs_an_address(server: RestServer) -> None:
    guest, ana = await server.user("Guest"), await server.registered("ana")
    for user, status in ((guest, 409), (ana, 200)):
        response = await user.call("PATCH", PATH, {"channels": {"email": True, "push": False}})
        assert response.status_code == status
        channels = (await user.get(PATH))["channels"]
        assert channels == {"push": status == 409, "email": status == 200, "in_app": True}
    assert (await guest.call("PATCH", PATH, {"channels": {"email": False}})).status_code == 200


async def test_nobody_else_reads_them(server: RestServer) -> None:
    assert (await server.call("GET", PATH)).status_code == 401
    assert (await server.call("PATCH", PATH, {})).status_code == 401
