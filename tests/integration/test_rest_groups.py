"""Group hugs by REST: who may see and join which, and what the lists show."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from domain.ids import uuid7
from domain.times import rfc3339
from storage import keys
from storage.redis import RedisLink
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def host(server: RestServer, user: User, **fields: Any) -> str:
    group = uuid7(server.clock())
    response = await user.post("/v1/groups", {"id": group, "name": "Sunday", **fields})
    assert response.status_code == 200, response.text
    return group


async def act(user: User, what: str, group: str, **fields: Any) -> dict[str, Any]:
    response = await user.post(f"/v1/groups/{what}", {"id": group, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def ids(user: User, **params: Any) -> list[str]:
    """All ids of their list, in pages of two."""
    found: list[str] = []
    page = await user.get("/v1/groups", limit=2, **params)
    while True:
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        page = await user.get("/v1/groups", limit=2, cursor=page["next"], **params)


def names(group: dict[str, Any]) -> list[str]:
    return [member["name"] for member in group.get("members", [])]


async def test_a_group_from_its_creation_to_its_end(server: RestServer) -> None:
    ana, ben, cleo, dan = await server.users("Ana", "Ben", "Cleo", "Dan")
    await server.befriend(ana, ben)
    group = uuid7(server.clock())
    body = {"id": group, "name": " Sunday ", "message": "Come!", "invite": [ben.id, cleo.id, ana.id, ben.id]}
    first, second = await ana.post("/v1/groups", body), await ana.post("/v1/groups", body)
    assert first.json() == second.json()
    created = first.json()
    assert (created["type"], created["id"], created["state"]) == ("ok", group, "gathering")
    assert created["ids"] == [ben.id], "Cleo is no friend: left out without a word"
    assert created["group"]["name"] == "Sunday"
    assert created["group"]["host"] == {"id": ana.id, "name": "Ana"}
    assert (created["group"]["count"], created["group"]["capacity"], created["group"]["membership"]) == (
        1,
        50,
        "joined",
    )

    invited = server.delivery.events(ben.id)[-1]
    assert (invited["type"], invited["from"]["name"], invited["message"]) == ("group.invited", "Ana", "Come!")
    assert server.delivery.events(cleo.id) == []

    joined = await act(ben, "join", group)
    assert (joined["state"], names(joined["group"])) == ("active", ["Ana", "Ben"])
    assert names((await act(dan, "join", group))["group"]) == ["Ana", "Ben", "Dan"], "who has the id may join"
    assert await act(dan, "join", group) == await act(dan, "join", group)

    assert (await act(dan, "leave", group))["state"] == "active"
    done = await act(ana, "complete", group)
    assert (done["state"], done["group"]["version"]) == ("completed", 6)
    assert await act(ana, "cancel", group) == done, "what is over stays as it is"
    for user in (ana, ben, dan):
        event = server.delivery.events(user.id)[-1]
        assert (event["type"], event["how"], event["count"]) == ("group.completed", "host", 3)
        assert [one["name"] for one in event["participants"]] == ["Ana", "Ben", "Dan"]


async def test_inviting_does_not_tell_who_is_here(server: RestServer) -> None:
    ana, ben, cleo = await server.users("Ana", "Ben", "Cleo")
    await server.befriend(ana, ben)
    body = {"id": uuid7(server.clock()), "name": "Sunday", "invite": [ben.id, cleo.id]}
    group = body["id"]
    first = await ana.post("/v1/groups", body)
    assert first.json()["ids"] == [ben.id]
    await act(cleo, "join", group)
    assert (await ana.post("/v1/groups", body)).json()["ids"] == [ben.id], "Cleo came by herself"
    for _ in range(2):  # Ben is asked, declines, is asked: all the same to Ana
        assert (await act(ana, "invite", group, users=[ben.id, cleo.id]))["ids"] == [ben.id]
        await act(ben, "leave", group)
    await act(ana, "complete", group)
    assert (await act(ana, "invite", group, users=[ben.id, cleo.id]))["ids"] == [ben.id]
    assert [event["type"] for event in server.delivery.events(ben.id)].count("group.invited") == 1


async def test_lists_and_pages(server: RestServer) -> None:
    ana, ben, cleo = await server.users("Ana", "Ben", "Cleo")
    await server.befriend(ana, ben)
    groups = [await host(server, ana) for _ in range(4)]
    invited = await host(server, ana, invite=[ben.id])
    await act(ben, "join", groups[1])
    assert await ids(ana) == sorted([*groups, invited], reverse=True)
    assert await ids(ana, state="active") == [groups[1]]
    assert await ids(ben) == sorted([groups[1], invited], reverse=True)
    assert [item["membership"] for item in (await ben.get("/v1/groups"))["items"]] == ["invited", "joined"]
    assert await ids(cleo) == []
    await act(ben, "leave", invited)
    assert await ids(ben) == [groups[1]], "declined"
    assert (await ana.call("GET", "/v1/groups", state="asleep")).status_code == 400

    page = await ana.get(f"/v1/groups/{groups[1]}/members", limit=1)
    rest = await ana.get(f"/v1/groups/{groups[1]}/members", limit=1, cursor=page["next"])
    assert [item["user"]["name"] for item in page["items"] + rest["items"]] == ["Ana", "Ben"]
    assert rest["next"] is None


async def test_a_block_hides_the_group_like_one_that_is_not_there(server: RestServer) -> None:
    ana, ben, cleo = await server.users("Ana", "Ben", "Cleo")
    await server.befriend(ana, ben)
    group = await host(server, ana, invite=[ben.id])
    await act(cleo, "join", group)
    for blocker, blocked in ((ana, ben), (ben, ana)):
        await blocker.post("/v1/blocks", {"user": blocked.id})
        for what in ("join", "leave", "complete", "cancel"):
            hidden = await ben.post(f"/v1/groups/{what}", {"id": group})
            unknown = await ben.post(f"/v1/groups/{what}", {"id": uuid7(server.clock())})
            assert (hidden.status_code, hidden.json()) == (404, unknown.json())
        for path in ("", "/members"):
            hidden = await ben.call("GET", f"/v1/groups/{group}{path}")
            unknown = await ben.call("GET", f"/v1/groups/{uuid7(server.clock())}{path}")
            assert (hidden.status_code, hidden.json()) == (404, unknown.json())
        assert await ids(ben) == []
        await blocker.call("DELETE", f"/v1/blocks/{blocked.id}")
    assert await ids(ben) == [group], "the invitation still stands"


async def test_members_hide_from_each_other_who_are_blocked(server: RestServer) -> None:
    ana, ben, cleo = await server.users("Ana", "Ben", "Cleo")
    group = await host(server, ana)
    await act(ben, "join", group)
    await cleo.post("/v1/blocks", {"user": ben.id})
    joined = await act(cleo, "join", group)
    assert (names(joined["group"]), joined["group"]["count"]) == (["Ana", "Cleo"], 3)
    assert names(await ben.get(f"/v1/groups/{group}")) == ["Ana", "Ben"]
    assert names(await ana.get(f"/v1/groups/{group}")) == ["Ana", "Ben", "Cleo"]
    members = await ben.get(f"/v1/groups/{group}/members")
    assert [item["user"]["name"] for item in members["items"]] == ["Ana", "Ben"]
    await act(ana, "complete", group)
    seen = {user.name: server.delivery.events(user.id)[-1] for user in (ana, ben, cleo)}
    assert {name: [one["name"] for one in event["participants"]] for name, event in seen.items()} == {
        "Ana": ["Ana", "Ben", "Cleo"],
        "Ben": ["Ana", "Ben"],
        "Cleo": ["Ana", "Cleo"],
    }
    assert {event["count"] for event in seen.values()} == {3}


async def test_who_is_invisible_is_not_seen_in_a_room(server: RestServer, redis_url: str) -> None:
    ana, ben = await server.users("Ana", "Ben")
    group = await host(server, ana)
    async with RedisLink(redis_url) as redis:
        await redis.call("HSET", keys.where(ben.id), "node", 4)
        assert names((await act(ben, "join", group))["group"]) == ["Ana", "Ben"], "they see themselves"
        room = await ana.get(f"/v1/groups/{group}")
        assert (names(room), room["count"]) == (["Ana"], 2)
        members = await ana.get(f"/v1/groups/{group}/members")
        assert [item["user"]["name"] for item in members["items"]] == ["Ana"]


async def test_a_scheduled_group(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    now_ms = server.clock()
    group = await host(server, ana, starts_at=rfc3339(now_ms + 60_000))
    joined = await act(ben, "join", group)
    assert joined["state"] == "scheduled"
    assert joined["group"]["expires_at"] == rfc3339(now_ms + 660_000)
    too_early = await ana.post("/v1/groups/complete", {"id": group})
    assert (too_early.status_code, too_early.json()["code"]) == (409, "conflict")
    server.clock.ahead_ms = 61_000
    again = await ana.post("/v1/groups", {"id": group, "name": "Sunday", "starts_at": rfc3339(now_ms + 60_000)})
    assert again.status_code == 200, "the same command is the same answer, also when its time has come"
    assert (await act(ana, "complete", group))["state"] == "completed"


async def test_what_is_refused(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    now_ms = server.clock()
    for fields in (
        {"name": "x" * 65},
        {"name": " "},
        {"message": "x" * 281},
        {"description": "x" * 281},
        {"capacity": 1},
        {"capacity": 10_001},
        {"starts_at": rfc3339(now_ms - 1)},
        {"starts_at": rfc3339(now_ms + 31 * 86_400_000)},
        {"expires_at": rfc3339(now_ms)},
        {"expires_at": rfc3339(now_ms + 86_400_000 + 60_000)},
        {"surprise": 1},
    ):
        response = await ana.post("/v1/groups", {"id": uuid7(now_ms), "name": "Sunday", **fields})
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), fields
    group = await host(server, ana, capacity=2)
    stranger = await ben.post("/v1/groups/invite", {"id": group, "users": [ana.id]})
    assert (stranger.status_code, stranger.json()["code"]) == (403, "forbidden")
    assert (await ben.post("/v1/groups/cancel", {"id": group})).status_code == 403
    assert (await ben.post("/v1/groups", {"id": group, "name": "Mine"})).status_code == 409
    await act(ben, "join", group)
    cleo = await server.user("Cleo")
    full = await cleo.post("/v1/groups/join", {"id": group})
    assert (full.status_code, full.json()["code"]) == (409, "conflict")


async def test_limits(database_url: str, redis_url: str) -> None:
    async with rest_server(database_url, redis_url, limits_on=True) as server:
        ana = await server.user("Ana")
        groups = [await host(server, ana) for _ in range(5)]
        sixth = await ana.post("/v1/groups", {"id": uuid7(server.clock()), "name": "Sunday"})
        assert (sixth.status_code, sixth.json()["code"]) == (409, "conflict")
        for _ in range(15):
            await act(ana, "cancel", groups.pop())
            groups.append(await host(server, ana))
        await act(ana, "cancel", groups.pop())
        response = await ana.post("/v1/groups", {"id": uuid7(server.clock()), "name": "Sunday"})
        assert (response.status_code, response.json()["code"]) == (429, "rate_limited")


async def test_a_room_of_long_names_fits_into_a_message(server: RestServer) -> None:
    ana = await server.user("Ana")
    group = await host(server, ana, capacity=300, description="é" * 280, message="é" * 280)
    users = [uuid7(server.clock()) for _ in range(250)]
    await server.database.execute(
        "insert into users (id, is_anonymous, created_at) select u, true, now() from unnest($1::uuid[]) u", users
    )
    await server.database.execute(
        "insert into profiles (user_id, display_name) select u, repeat('𝔸', 64) from unnest($1::uuid[]) u", users
    )
    await server.database.execute(
        """
        insert into group_members (group_id, user_id, state, joined_at, took_part, version)
        select $1, u, 'joined', now(), true, 2 from unnest($2::uuid[]) u
        """,
        group,
        users,
    )
    await server.database.execute("update groups set joined = 251, version = 2 where id = $1", group)
    response = await ana.call("GET", f"/v1/groups/{group}")
    assert response.json()["count"] == 251
    assert len(response.content) < 60 * 1024
    assert len(response.json()["members"]) > 100


async def test_a_new_name_is_told_everywhere(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    group = await host(server, ana)
    await act(ben, "join", group)
    for user, name in ((ana, "Anna"), (ben, "Benno")):
        assert (await user.call("PATCH", "/v1/me", {"name": name})).status_code == 200
    server.clock.ahead_ms = 2_000
    room = await ben.get(f"/v1/groups/{group}")
    assert (room["host"]["name"], names(room)) == ("Anna", ["Anna", "Benno"])
    members = await ana.get(f"/v1/groups/{group}/members")
    assert {item["user"]["name"] for item in members["items"]} == {"Anna", "Benno"}
    await act(ana, "complete", group)
    assert [one["name"] for one in server.delivery.events(ben.id)[-1]["participants"]] == ["Anna", "Benno"]
