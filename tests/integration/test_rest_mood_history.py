"""Stored moods by REST: history, one of them, edits, deletion, statistics, timeline."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from domain.times import from_ms, rfc3339, to_ms
from storage.encryption import KeyRing
from tests.support.keys import KEY
from tests.support.moods import SeededMood, felt, save_moods
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

NOBODY = "01981f6e-7d3a-7c21-9a44-2f0d6f1c2b11"
TUESDAY = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def ids(user: User, /, **params: Any) -> list[str]:
    """All ids, page by page."""
    found: list[str] = []
    page = await user.get("/v1/moods", **params)
    while True:
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            return found
        page = await user.get("/v1/moods", cursor=page["next"], **params)


async def let_see_moods(user: User, audience: str) -> None:
    response = await user.call("PATCH", "/v1/me/privacy", {"who_sees_moods": audience})
    assert response.status_code == 200, response.text


async def days(server: RestServer, user: User, count: int, **fields: Any) -> list[SeededMood]:
    """So many moods, one a day, the last on `TUESDAY`; the newest first."""
    moods = [felt(user.id, TUESDAY - timedelta(days=number), **fields) for number in range(count)]
    await save_moods(server.database, moods)
    return moods


async def test_one_entry_in_full(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    await let_see_moods(ana, "friends")
    mood = felt(
        ana.id,
        TUESDAY,
        mood="proud",
        valence=0.33,
        arousal=-0.1,
        intensity=0.7,
        tags=["work"],
        factors={"sleep_hours": 7.5, "exercise": True},
        visibility="friends",
        timezone="Asia/Tokyo",
    )
    mood = replace(mood, note=KeyRing([KEY]).seal("slept well", "moods", "note", mood.id))
    await save_moods(server.database, [mood])
    shared = {
        "id": mood.id,
        "mood": "proud",
        "valence": 0.33,
        "arousal": -0.1,
        "intensity": 0.7,
        "felt_at": rfc3339(to_ms(TUESDAY)),
        "visibility": "friends",
    }
    own = {
        **shared,
        "local_date": "2026-03-10",
        "timezone": "Asia/Tokyo",
        "note": "slept well",
        "tags": ["work"],
        "factors": {"sleep_hours": 7.5, "exercise": True},
        "in_streak": True,
    }
    for_ben = {**shared, "user": {"id": ana.id, "name": "Ana"}}
    assert await ana.get(f"/v1/moods/{mood.id.upper()}") == own
    assert await ana.get("/v1/moods") == {"items": [own], "next": None}
    assert await ana.get("/v1/moods", user=ana.id.upper(), tag="work") == {"items": [own], "next": None}
    assert await ana.get("/v1/moods", shared="true") == {"items": [], "next": None}
    assert await ben.get(f"/v1/moods/{mood.id}") == for_ben
    assert await ben.get("/v1/moods", user=ana.id.upper()) == {"items": [for_ben], "next": None}
    assert await ben.get("/v1/moods", shared="true") == {"items": [for_ben], "next": None}
    assert await ben.get("/v1/moods") == {"items": [], "next": None}


async def test_pages_of_all_lists_end_where_they_should(server: RestServer) -> None:
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    await let_see_moods(ana, "friends")
    moods = await days(server, ana, 10, visibility="friends")
    expected = [mood.id for mood in moods]
    for limit in (1, 5, 10, 100):
        assert await ids(ana, limit=limit) == expected
        assert await ids(ben, limit=limit, user=ana.id) == expected
        assert await ids(ben, limit=limit, shared="true") == expected
    window = {"since": moods[6].felt_at.isoformat(), "until": moods[2].felt_at.isoformat(), "limit": 2}
    assert await ids(ana, **window) == expected[3:7]
    assert await ids(ben, **window, shared="true") == expected[3:7]


async def test_what_may_not_be_seen_is_answered_like_what_does_not_exist(server: RestServer) -> None:
    ana, ben, eve = await server.users("Ana", "Ben", "Eve")
    await server.befriend(ana, ben)
    await let_see_moods(ana, "everyone")
    private, public = felt(ana.id, TUESDAY), felt(ana.id, TUESDAY, visibility="public")
    await save_moods(server.database, [private, public])
    assert (await eve.call("GET", f"/v1/moods/{public.id}")).status_code == 200
    assert (await ana.post("/v1/blocks", {"user": eve.id})).status_code == 200

    async def answers(asker: User, mood: str, owner: str) -> list[tuple[int, str]]:
        calls = [
            await asker.call("GET", f"/v1/moods/{mood}"),
            await asker.call("PATCH", f"/v1/moods/{mood}", {"note": "hm"}),
            await asker.call("DELETE", f"/v1/moods/{mood}"),
            await asker.call("GET", "/v1/moods", user=owner),
        ]
        return [(call.status_code, call.text) for call in calls]

    nothing = await answers(eve, NOBODY, NOBODY)
    assert [status for status, _ in nothing] == [404, 404, 404, 200]
    assert await answers(eve, public.id, ana.id) == nothing
    assert (await answers(ben, private.id, ana.id))[:3] == nothing[:3]
    assert (await answers(ben, public.id, ana.id))[1:3] == nothing[1:3], "seen, and not theirs to change"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/v1/moods", {"user": NOBODY, "shared": "true"}),
        ("/v1/moods", {"shared": "true", "tag": "work"}),
        ("/v1/moods", {"user": NOBODY, "tag": "work"}),
        ("/v1/moods", {"cursor": "bm8"}),
        ("/v1/moods", {"since": "2026-01-01T00:00:00"}),
        ("/v1/moods", {"limit": 101}),
        ("/v1/moods/stats", {"first": "2026-02-01", "last": "2026-01-31"}),
        ("/v1/moods/stats", {"first": "2020-01-01", "last": "2026-01-31"}),
        ("/v1/moods/stats", {"first": "today"}),
        ("/v1/moods/stats", {"by": "hour"}),
        ("/v1/moods/timeline", {"first": "2020-01-01", "last": "2026-01-31", "by": "day"}),
        ("/v1/moods/timeline", {"first": "0001-01-01", "last": "9999-12-31"}),
    ],
)
async def test_questions_that_cannot_be_answered(server: RestServer, path: str, params: dict[str, Any]) -> None:
    ana = await server.user("Ana")
    response = await ana.call("GET", path, **params)
    assert (response.status_code, response.json()["code"]) == (400, "invalid"), response.text


async def test_editing_and_deleting(server: RestServer) -> None:
    ana = await server.user("Ana")
    kept, mood = await days(server, ana, 2)
    response = await ana.call(
        "PATCH",
        f"/v1/moods/{mood.id}",
        {"mood": "happy", "note": "better now", "visibility": "public", "tags": ["sun"]},
    )
    assert response.status_code == 200, response.text
    edited = await ana.get(f"/v1/moods/{mood.id}")
    assert response.json() == edited
    assert (edited["mood"], edited["valence"], edited["arousal"]) == ("happy", 0.8675, 0.2625)
    assert (edited["note"], edited["visibility"], edited["tags"]) == ("better now", "public", ["sun"])
    assert edited["felt_at"] == rfc3339(to_ms(mood.felt_at))
    assert "edited_at" in edited
    taken = await ana.call("PATCH", f"/v1/moods/{mood.id}", {"note": None, "tags": []})
    assert not {"note", "tags"} & set(taken.json())
    for wrong in ({"felt_at": rfc3339(0)}, {"visibility": None}, {"valence": 2}, {"mood": "zen"}):
        assert (await ana.call("PATCH", f"/v1/moods/{mood.id}", wrong)).status_code == 400

    gone = await ana.call("DELETE", f"/v1/moods/{mood.id}")
    assert (gone.status_code, gone.json()["state"]) == (200, "deleted")
    assert (await ana.call("DELETE", f"/v1/moods/{mood.id}")).json() == gone.json()
    assert (await ana.call("GET", f"/v1/moods/{mood.id}")).status_code == 404
    assert await ids(ana) == [kept.id]


async def test_statistics_of_the_parts_of_periods_that_were_asked_for(server: RestServer) -> None:
    ana = await server.user("Ana")
    await days(server, ana, 9, valence=0.4, arousal=-0.2, tags=["home"])
    stats = await ana.get("/v1/moods/stats", first="2026-03-04", last="2026-03-10")
    assert stats["by"] == "week"
    assert [(each["first"], each["last"], each["count"]) for each in [stats["total"], *stats["periods"]]] == [
        ("2026-03-04", "2026-03-10", 7),
        ("2026-03-04", "2026-03-08", 5),  # the week began on the 2nd
        ("2026-03-09", "2026-03-10", 2),
    ]
    assert stats["total"] == {
        "first": "2026-03-04",
        "last": "2026-03-10",
        "count": 7,
        "days": 7,
        "valence": {"mean": 0.4, "deviation": 0.0},
        "arousal": {"mean": -0.2, "deviation": 0.0},
        "quadrants": {"high_pleasant": 0.0, "high_unpleasant": 0.0, "low_pleasant": 1.0, "low_unpleasant": 0.0},
        "words": [{"name": "calm", "count": 7}],
        "tags": [{"name": "home", "count": 7}],
    }
    (month,) = (await ana.get("/v1/moods/stats", first="2026-03-10", last="2026-04-20", by="month"))["periods"]
    assert (month["first"], month["last"], month["valence"]["deviation"]) == ("2026-03-10", "2026-03-31", None)
    (day,) = (await ana.get("/v1/moods/stats", first="2026-03-10", last="2026-03-10", by="day"))["periods"]
    assert (day["first"], day["last"]) == ("2026-03-10", "2026-03-10")


async def test_the_last_thirty_days_end_on_the_clock_of_the_one_who_asks(server: RestServer) -> None:
    ana = await server.user("Ana")
    stats = await ana.get("/v1/moods/stats")
    today = from_ms(server.clock()).date()
    assert today - date.fromisoformat(stats["total"]["last"]) in {timedelta(0), timedelta(days=1)}  # over midnight
    assert stats["total"]["count"] == 0
    assert stats["total"]["valence"] is None
    assert stats["periods"] == []
    now = from_ms(server.clock())
    lasts = []
    for zone in ("Etc/GMT+12", "Pacific/Kiritimati"):  # always two dates
        await server.database.execute(
            """
            insert into streaks (user_id, timezone, felt_at, first_day, current, longest, freezes, reckoned_for, due_at, updated_at)
            values ($1, $2, $3, $4, 0, 0, 0, $4, $3, $3) on conflict (user_id) do update set timezone = excluded.timezone
            """,
            ana.id,
            zone,
            now,
            now.date(),
        )
        total = (await ana.get("/v1/moods/stats"))["total"]
        lasts.append(date.fromisoformat(total["last"]))
        assert lasts[-1] - date.fromisoformat(total["first"]) == timedelta(days=29)
    assert lasts[1] > lasts[0]


@pytest.mark.parametrize(
    ("first", "by"),
    [
        ("2026-03-10", "hour"),
        ("2026-03-04", "hour"),
        ("2026-02-10", "day"),
        ("2025-12-10", "day"),
        ("2025-03-11", "week"),
        ("2023-03-11", "week"),
        ("2016-03-11", "month"),
    ],
)
async def test_a_timeline_has_about_a_hundred_buckets(server: RestServer, first: str, by: str) -> None:
    ana = await server.user("Ana")
    await days(server, ana, 2, valence=0.4, arousal=-0.2)
    line = await ana.get("/v1/moods/timeline", first=first, last="2026-03-10")
    assert line["by"] == by
    at = {"hour": "2026-03-10T12:00", "day": "2026-03-10", "week": "2026-03-09", "month": "2026-03-01"}[by]
    count = 1 if by in {"hour", "day"} else 2
    expected = {"at": at, "count": count, "valence": 0.4, "lowest": 0.4, "highest": 0.4, "arousal": -0.2}
    assert line["buckets"][-1] == expected
