"""The notification centre by REST: pages, badges, changes that all devices hear of, and nobody else's."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.centre import FRIEND, MILESTONE, NO_LINE, add, add_delivery, notice
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

PATH = "/v1/me/notifications"


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def listed(user: User, **params: Any) -> list[int]:
    return [item["id"] for item in (await user.get(PATH, **params))["items"]]


async def unread(user: User) -> int:
    answer = await user.get(f"{PATH}/unread")
    assert answer["is_more"] is False
    number: int = answer["unread"]
    return number


async def post(user: User, path: str, body: Any = None) -> dict[str, Any]:
    response = await user.post(f"{PATH}/{path}", body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_line_is_the_event_with_its_category(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    hug = await server.hug(ben, ana, message="well done!")
    (item, *others) = (await ana.get(PATH))["items"]
    assert item == {
        "id": item["id"],
        "kind": "hug.received",
        "category": "hugs",
        "at": item["event"]["at"],
        "event": {
            "type": "hug.received",
            "at": item["at"],
            "id": hug,
            "from": {"id": ben.id, "name": "Ben"},
            "kind": "warm",
            "message": "well done!",
        },
    }
    assert [other["kind"] for other in others] == ["friend.accepted"]
    assert [event["type"] for event in server.delivery.events(ana.id)] == ["friend.accepted", "hug.received"]
    assert await unread(ana) == 2
    await ana.post("/v1/hugs/seen", {"ids": [hug]})
    assert await unread(ana) == 1
    assert (await ana.get(PATH))["items"][0]["read_at"] >= item["at"]


async def test_a_hug_that_is_taken_back_is_listed_no_more(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    hug = await server.hug(ben, ana)
    await post(ana, "read-all")
    assert len(await listed(ana)) == 2
    await ben.post("/v1/hugs/undo", {"id": hug})
    assert len(await listed(ana)) == 1
    assert await unread(ana) == 0


@pytest.mark.parametrize("only_unread", [False, True])
async def test_pages_hold_each_line_once(server: RestServer, only_unread: bool) -> None:
    ana = await server.user("Ana")
    seqs = await add(server.database, ana.id, *[FRIEND, NO_LINE] * 8)
    lines = seqs[::2][::-1]
    are_read = lines[::3]
    await post(ana, "read", {"ids": are_read})
    params = {"limit": 3, "unread": str(only_unread).lower()}
    found: list[int] = []
    while True:
        page = await ana.get(PATH, **params)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        await add(server.database, ana.id, MILESTONE)  # what comes meanwhile shifts nothing
        params["cursor"] = page["next"]
    assert found == [seq for seq in lines if not only_unread or seq not in are_read]


async def test_every_change_is_rung_to_all_devices(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    one, two, three, four = await add(server.database, ana.id, FRIEND, MILESTONE, notice(), FRIEND)
    await add(server.database, ben.id, FRIEND)
    for is_again in (False, True):
        for left, call in (
            (2, ana.post(f"{PATH}/read", {"ids": [two, one, 99]})),
            (1, ana.call("DELETE", f"{PATH}/{three}")),
            (0, ana.post(f"{PATH}/read-all", None)),
        ):
            assert (await call).json() == {"unread": 0 if is_again else left, "is_more": False}
    change = {"type": "notification"}
    assert server.delivery.events(ana.id) == [
        change | {"change": "read", "ids": [one, two], "unread": 2},
        change | {"change": "deleted", "ids": [three], "unread": 1},
        change | {"change": "read", "through": four + 2, "unread": 0},
    ]
    assert [event.seq for event in server.delivery.rung] == [four + 1, four + 2, four + 3]
    assert await listed(ana) == [four, two, one], "changes are no lines themselves"
    assert await listed(ana, unread="true") == []
    assert await unread(ben) == 1
    assert server.delivery.events(ben.id) == []


async def test_what_is_not_wanted_in_the_app_is_not_listed(server: RestServer) -> None:
    ana = await server.user("Ana")
    friend, _ = await add(server.database, ana.id, FRIEND, MILESTONE)
    change = {"categories": {"streaks": {"in_app": False}}}
    assert (await ana.call("PATCH", "/v1/me/preferences", change)).status_code == 200
    assert await listed(ana) == [friend]
    assert await unread(ana) == 1


async def test_an_opened_push_is_one_s_own(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    first, other, last = await add(server.database, ana.id, FRIEND, MILESTONE, FRIEND)
    delivery = await add_delivery(server.database, ana.id, "friend.requested", first, last)
    response = await ben.post(f"{PATH}/opened", {"delivery": delivery})
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    for _ in range(2):
        assert await post(ana, "opened", {"delivery": delivery.upper()}) == {"unread": 1, "is_more": False}
    assert [event["ids"] for event in server.delivery.events(ana.id)] == [[first, last]]
    assert await listed(ana, unread="true") == [other]
    assert await server.database.fetchval("select state from deliveries") == "opened"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "read", {"ids": []}),
        ("POST", "read", {"ids": [0]}),
        ("POST", "read", {"ids": ["1"]}),
        ("POST", "read", {"ids": list(range(1, 102))}),
        ("POST", "opened", {"delivery": "7"}),
        ("DELETE", "0", None),
        ("DELETE", "-1", None),
        ("DELETE", "1.5", None),
        ("DELETE", "9" * 17, None),
        ("DELETE", "%D9%A1", None),
    ],
)
async def test_a_wrong_change_is_refused(server: RestServer, method: str, path: str, body: Any) -> None:
    ana = await server.user("Ana")
    response = await ana.call(method, f"{PATH}/{path}", body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid"), response.text
    assert server.delivery.rung == []


@pytest.mark.parametrize("params", [{"limit": 0}, {"unread": "perhaps"}, {"cursor": "abc"}, {"before": 7}])
async def test_a_wrong_question_is_refused(server: RestServer, params: dict[str, Any]) -> None:
    ana = await server.user("Ana")
    assert (await ana.call("GET", PATH, **params)).status_code == 400
