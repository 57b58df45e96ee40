"""Moods over the wire: logged on a hub, saved by a worker, told to all devices."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import redis.asyncio

from domain.ids import uuid7
from domain.times import rfc3339
from storage import keys
from storage.mood_queue import shard_of
from tests.integration.test_groups import ask, connected, working
from tests.support.hubs import Person, StartHub, make_friends
from tests.support.servers import KillableServer
from tests.support.wire import Wire

pytestmark = pytest.mark.integration

WITHIN_S = 30.0  # a worker has to start first


def clock() -> int:
    return time.time_ns() // 1_000_000


def mood(word: str = "calm", **fields: Any) -> dict[str, Any]:
    return {"id": uuid7(clock()), "mood": word, "timezone": "Europe/Berlin"} | fields


def client(url: str, person: Person) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {person.access_token}"}, timeout=20)


async def test_from_the_command_to_the_streak(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    hubs = [await start_hub(), await start_hub()]
    async with working(database_url, redis_url), connected(hubs, [ana, ana]) as (phone, laptop):
        entry = mood(note="slept well", tags=["home"], factors={"sleep_hours": 7.5, "exercise": True}, intensity=0.4)
        assert (await ask(phone, "mood.log", **entry))["state"] == "queued"
        for wire in (phone, laptop):
            assert (await wire.hear("mood.saved", within_s=WITHIN_S))["id"] == entry["id"]
            streak = await wire.hear("streak.updated")
            assert (streak["current"], streak["longest"], streak["at_risk"]) == (1, 1, False)
        assert (await ask(phone, "mood.log", **entry))["state"] == "queued"  # again: still one entry
        assert (await phone.hear("mood.saved", within_s=WITHIN_S))["id"] == entry["id"]
        connection = await asyncpg.connect(database_url)
        try:
            (row,) = await connection.fetch("select * from moods")
        finally:
            await connection.close()
        assert (row["mood"], row["visibility"], row["in_streak"]) == ("calm", "private", True)
        assert b"slept" not in row["note"]
        assert row["tags"] == ["home"]
        async with client(hubs[0].url, ana) as api:
            view = (await api.get("/v1/me/streak")).json()
            assert (view["current"], view["next_milestone"], len(view["days"])) == (1, 3, 1)
            assert (await api.get("/v1/me/streak", params={"month": view["month"]})).json() == view
            assert (await api.get("/v1/me/streak", params={"month": "2020-02"})).json()["days"] == []


async def test_days_in_a_row_reach_a_milestone_once(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    hub = await start_hub()
    async with working(database_url, redis_url), connected([hub], [ana]) as (wire,), client(hub.url, ana) as api:
        noon = datetime.now(UTC).replace(hour=12) if datetime.now(UTC).hour >= 12 else datetime.now(UTC)
        days = [mood(timezone="UTC", felt_at=(noon - timedelta(days=ago)).isoformat()) for ago in (2, 0, 1)]
        answer = await api.post("/v1/moods/batch?wait=1", json={"moods": [*days, mood("nonsense")]})
        assert answer.status_code == 201, answer.text
        results = answer.json()["moods"]
        assert [result.get("state") for result in results] == ["saved"] * 3 + [None]
        assert results[3]["code"] == "invalid"
        milestone = await wire.hear("streak.milestone", within_s=WITHIN_S)
        assert (milestone["days"], milestone["seq"]) == (3, 1)
        assert (await api.post("/v1/moods?wait=1", json=mood(timezone="UTC"))).status_code == 201
        assert (await wire.ask("ping"))["type"] == "ok"
        assert not [event for event in wire.kept() if event["type"] == "streak.milestone"]


async def test_an_id_of_another_is_rejected(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    ana, bo = await make_friends(database_url, 2)
    hub = await start_hub()
    async with working(database_url, redis_url), connected([hub], [ana, bo]) as (with_ana, with_bo):
        entry = mood()
        await ask(with_ana, "mood.log", **entry)
        await with_ana.hear("mood.saved", within_s=WITHIN_S)
        await ask(with_bo, "mood.log", **entry)
        rejected = await with_bo.hear("mood.rejected", within_s=WITHIN_S)
        assert (rejected["id"], rejected["code"]) == (entry["id"], "conflict")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mood": "glorp"}, "vocabulary"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"felt_at": rfc3339(clock() + 3_600_000)}, "future"),
        ({"felt_at": rfc3339(clock() - 31 * 86_400_000)}, "30 days"),
        ({"note": "x" * 2_001}, "2,000"),
        ({"tags": ["a"] * 3 + [" "]}, "tag"),
        ({"factors": {"sleep": 1e9}}, "factor"),
        ({"valence": 2}, "valence"),
    ],
)
async def test_what_is_wrong_is_refused(
    start_hub: StartHub, database_url: str, wrong: dict[str, Any], says: str
) -> None:
    (ana,) = await make_friends(database_url, 1)
    hub = await start_hub()
    async with await Wire.log_in(hub.url, ana.access_token) as wire:
        answer = await wire.ask("mood.log", **mood(**wrong))
    assert (answer["type"], answer["code"]) == ("error", "invalid")
    assert says in answer["message"]


async def test_a_poisoned_entry_stops_nobody(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    hub = await start_hub()
    stream = keys.mood_stream(shard_of(ana.id))
    async with redis.asyncio.from_url(redis_url) as raw:
        await raw.xadd(stream, {"e": b"no mood at all"})
        await raw.xadd(stream, {"other": b"x"})
    async with working(database_url, redis_url), connected([hub], [ana]) as (wire,):
        await ask(wire, "mood.log", **mood())
        await wire.hear("mood.saved", within_s=WITHIN_S)
        async with asyncio.timeout(WITHIN_S):
            connection = await asyncpg.connect(database_url)
            try:
                while len(rows := await connection.fetch("select function, reason from dead_jobs")) < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            finally:
                await connection.close()
        assert {row["function"] for row in rows} == {"moods.save"}
        async with redis.asyncio.from_url(redis_url) as raw:
            assert await raw.xlen(stream) == 0


async def test_queues_may_have_a_redis_of_their_own(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    jobs_url = redis_url.rpartition("/")[0] + "/5"
    hub = await start_hub(jobs_redis_url=jobs_url)
    async with working(database_url, redis_url, jobs_url), connected([hub], [ana]) as (wire,):
        entry = mood()
        await ask(wire, "mood.log", **entry)
        assert (await wire.hear("mood.saved", within_s=WITHIN_S))["id"] == entry["id"]


async def test_a_redis_that_is_full_or_away_is_told_and_nothing_is_half_done(
    start_hub: StartHub, database_url: str, own_redis: Callable[[], KillableServer]
) -> None:
    (ana,) = await make_friends(database_url, 1)
    valkey = own_redis()
    hub = await start_hub(redis_url=valkey.url)
    async with await Wire.log_in(hub.url, ana.access_token) as wire:
        async with redis.asyncio.from_url(valkey.url) as raw:
            await raw.config_set("maxmemory", 1)
            refused = await wire.ask("mood.log", **mood())
            await raw.config_set("maxmemory", 0)
            assert await raw.keys("hugmood:moods:*") == []
        assert (refused["code"], refused["retryable"]) == ("unavailable", True)
        valkey.kill()
        refused = await wire.ask("mood.log", **mood())
        assert (refused["code"], refused["retryable"]) == ("unavailable", True)


async def test_a_shared_mood_is_told_to_whom_privacy_lets_see_it(
    start_hub: StartHub, database_url: str, redis_url: str
) -> None:
    ana, bo, cleo = await make_friends(database_url, 3)
    hubs = [await start_hub(), await start_hub()]
    async with (
        working(database_url, redis_url),
        connected(hubs, [ana, bo, cleo]) as (with_ana, with_bo, with_cleo),
        client(hubs[0].url, ana) as api,
    ):
        await ask(with_ana, "mood.log", **mood(visibility="friends"))  # by default nobody sees moods
        await with_ana.hear("mood.saved", within_s=WITHIN_S)
        assert (await api.patch("/v1/me/privacy", json={"who_sees_moods": "friends"})).status_code == 200
        await ask(with_ana, "user.block", user=cleo.id)
        entries = [mood("proud", visibility="private"), mood("happy", visibility="friends", note="only mine")]
        for entry in entries:
            await ask(with_ana, "mood.log", **entry)
            await with_ana.hear("mood.saved", within_s=WITHIN_S)
        shared = await with_bo.hear("mood.shared", within_s=WITHIN_S)
        assert (shared["id"], shared["user"]["id"], shared["mood"]) == (entries[1]["id"], ana.id, "happy")
        assert shared.keys() == {"type", "id", "user", "mood", "valence", "arousal", "felt_at"}
        for wire in (with_bo, with_cleo):
            await ask(wire, "ping")
            assert not [event for event in wire.kept() if event["type"] == "mood.shared"]


async def test_a_note_can_be_read_by_nobody_else(start_hub: StartHub, database_url: str, redis_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    hub, secret = await start_hub(log="debug"), "Xyzzy-Plugh-Wundertüte"
    async with await Wire.log_in(hub.url, ana.access_token) as wire, client(hub.url, ana) as api:
        entry = mood(note=secret)
        await ask(wire, "mood.log", **entry)
        wrong = await wire.ask("mood.log", **mood("glorp", note=secret))
        assert wrong["code"] == "invalid"
        async with redis.asyncio.from_url(redis_url) as raw:
            waiting = [await raw.xrange(name) for name in await raw.keys("hugmood:moods:*")]
        assert secret[:5].encode() not in repr(waiting).encode()
        assert entry["id"].encode() in repr(waiting).encode()  # it is there
        async with working(database_url, redis_url):
            await wire.hear("mood.saved", within_s=WITHIN_S)
        connection = await asyncpg.connect(database_url)
        try:
            tables = await connection.fetch(
                "select relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            )
            for table in tables:
                name = table["relname"]
                rows = await connection.fetch(f"select t::text as row from {name} t")  # noqa: S608  its own names
                text = "".join(row["row"] for row in rows)
                assert secret[:5] not in text
                assert secret[:5].encode().hex() not in text  # as bytea is written
        finally:
            await connection.close()
        assert secret[:5] not in hub.log.read_text(encoding="utf-8")
        (stored,) = (await api.get("/v1/moods")).json()["items"]
        assert stored["note"] == secret


async def test_a_day_has_so_many_moods(start_hub: StartHub, database_url: str) -> None:
    (ana,) = await make_friends(database_url, 1)
    hubs = [await start_hub(limits="on", moods_per_day="3") for _ in range(2)]
    async with connected(hubs, [ana, ana]) as wires, client(hubs[0].url, ana) as api:
        for wire in (*wires, wires[0]):
            await ask(wire, "mood.log", **mood())
        refused = await wires[1].ask("mood.log", **mood())
        assert (refused["code"], refused["retryable"]) == ("rate_limited", True)
        assert (await api.post("/v1/moods", json=mood())).status_code == 429
        (result,) = (await api.post("/v1/moods/batch", json={"moods": [mood()]})).json()["moods"]
        assert result["code"] == "rate_limited"
