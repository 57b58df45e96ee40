"""Who may know what of the life of a hug."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from domain.ids import uuid7
from tests.support.people import NOW_MS
from tests.support.push_rows import add_delivery, add_device, add_notification
from tests.support.rest_server import RestServer, User, rest_server

pytestmark = pytest.mark.integration

SECOND = timedelta(seconds=1)


@pytest_asyncio.fixture
async def server(database_url: str, redis_url: str) -> AsyncIterator[RestServer]:
    async with rest_server(database_url, redis_url) as running:
        yield running


async def steps(user: User, hug: str) -> list[dict[str, Any]]:
    """What *user* sees, in the order of time; without the times."""
    found = (await user.get(f"/v1/hugs/{hug}/trace"))["steps"]
    assert [step["at"] for step in found] == sorted(step["at"] for step in found)
    return [{name: value for name, value in step.items() if name != "at"} for step in found]


async def names(user: User, hug: str) -> list[str]:
    return [step["what"] for step in await steps(user, hug)]


async def friends(server: RestServer) -> tuple[User, User, str]:
    """Two of them, and a hug from the first to the second."""
    ana, ben = await server.users("Ana", "Ben")
    await server.befriend(ana, ben)
    return ana, ben, await server.hug(ana, ben)


async def seq_of(server: RestServer, hug: str) -> tuple[int, datetime]:
    row = await server.database.fetchrow("select seq, at from hugs where id = $1", hug)
    assert row is not None
    return row["seq"], row["at"]


async def test_both_see_their_own_part(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    assert await steps(ana, hug) == [{"what": "accepted"}]
    assert await steps(ben, hug) == [{"what": "accepted"}]
    seq, at = await seq_of(server, hug)
    phone = await add_device(server.database, ben.id, "Ben's phone")
    push = uuid7(NOW_MS)
    await add_notification(server.database, ben.id, seq, "sent", at + SECOND, push=push)
    times = {"sent_at": at + 2 * SECOND, "accepted_at": at + 3 * SECOND, "opened_at": at + 5 * SECOND}
    sent = await add_delivery(
        server.database, ben.id, seq, at + SECOND, push_id=push, device_id=phone, state="opened", answer="200", **times
    )
    dead = await add_delivery(
        server.database,
        ben.id,
        seq,
        at + 1.5 * SECOND,
        push_id=push,
        device_id=uuid7(NOW_MS),
        provider="apns",
        state="dead",
        reason="token_gone",
        answer="410 Unregistered",
        sent_at=at + 4 * SECOND,
        attempts=2,
    )
    await server.database.execute(
        "update hugs set acked_at = $2, acked_by = 'laptop', delivered_at = $2, seen_at = $3, told_seen_at = $3 where id = $1",
        hug,
        at + 6 * SECOND,
        at + 7 * SECOND,
    )
    server.clock.ahead_ms = 60_000
    assert (await ben.post("/v1/hugs/react", {"hug": hug, "emoji": "💜"})).status_code == 200
    assert await steps(ana, hug) == [
        {"what": "accepted"},
        {"what": "delivered"},
        {"what": "seen"},
        {"what": "felt", "detail": "💜"},
    ]
    mine = {"provider": "fcm", "device": "Ben's phone", "delivery": sent}
    gone = {"provider": "apns", "device": "removed device", "delivery": dead}
    words = "the provider does not know the device any more: 410 Unregistered"
    assert await steps(ben, hug) == [
        {"what": "accepted"},
        {"what": "push_queued", **mine},
        {"what": "push_queued", **gone},
        {"what": "push_sent", **mine},
        {"what": "push_accepted", "detail": "200", **mine},
        {"what": "push_sent", "detail": "try 2", **gone},
        {"what": "push_failed", "detail": words, **gone},
        {"what": "push_opened", **mine},
        {"what": "acked", "device": "laptop"},
        {"what": "seen"},
        {"what": "felt", "detail": "💜"},
    ]


@pytest.mark.parametrize(
    ("state", "reason", "what", "words"),
    [
        ("waiting", "quiet_hours", "waiting", "quiet hours"),
        ("waiting", "merging", "waiting", "it is merged with others of its kind"),
        ("suppressed", "muted", "push_suppressed", "its sender is muted"),
        ("suppressed", "no_device", "push_suppressed", "no device is registered, or no address is known"),
        ("expired", None, "push_suppressed", "it was worth nothing any more"),
    ],
)
async def test_why_there_is_no_push_is_said_in_words_to_the_recipient_alone(
    server: RestServer, state: str, reason: str | None, what: str, words: str
) -> None:
    ana, ben, hug = await friends(server)
    seq, at = await seq_of(server, hug)
    await add_notification(server.database, ben.id, seq, state, at + SECOND, reason=reason)
    assert await steps(ben, hug) == [{"what": "accepted"}, {"what": what, "detail": words}]
    assert await names(ana, hug) == ["accepted"]


async def test_a_push_of_several_hugs_is_part_of_those_it_tells_of(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    muted, last = await server.hug(ana, ben), await server.hug(ana, ben)
    first_seq, at = await seq_of(server, hug)
    last_seq, _ = await seq_of(server, last)
    push = uuid7(NOW_MS)
    for seq in (first_seq, last_seq):
        await add_notification(server.database, ben.id, seq, "sent", at + SECOND, push=push)
    await add_notification(server.database, ben.id, first_seq + 1, "suppressed", at + SECOND, reason="muted")
    await add_delivery(server.database, ben.id, first_seq, at + SECOND, push_id=push, last_seq=last_seq)
    await add_delivery(server.database, ben.id, first_seq, at + SECOND, kind="hug.felt", last_seq=last_seq)
    await add_delivery(server.database, ben.id, first_seq, at + SECOND, provider="email", last_seq=last_seq)
    assert await names(ben, hug) == await names(ben, last) == ["accepted", "push_queued"]
    assert await names(ben, muted) == ["accepted", "push_suppressed"]


async def test_the_sender_learns_nothing_that_receipts_do_not_tell(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    seq, at = await seq_of(server, hug)
    push = uuid7(NOW_MS)
    await add_notification(server.database, ben.id, seq, "sent", at, push=push)
    await add_delivery(server.database, ben.id, seq, at, push_id=push, state="accepted", accepted_at=at)
    assert (await ben.call("PATCH", "/v1/me/privacy", {"shares_receipts": False})).status_code == 200
    await server.database.execute("update hugs set acked_at = now(), acked_by = 'phone' where id = $1", hug)
    assert (await ben.post("/v1/hugs/seen", {"ids": [hug]})).status_code == 200
    assert await steps(ana, hug) == [{"what": "accepted"}]
    assert {"acked", "push_accepted", "seen"} < set(await names(ben, hug))


async def test_nobody_else_learns_that_there_is_such_a_hug(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    (cleo,) = await server.users("Cleo")
    unknown = (await cleo.call("GET", f"/v1/hugs/{uuid7(NOW_MS)}/trace")).json()
    assert (unknown["status"], unknown["code"]) == (404, "not_found")
    assert (await cleo.call("GET", f"/v1/hugs/{hug}/trace")).json() == unknown
    assert (await server.call("GET", f"/v1/hugs/{hug}/trace")).status_code == 401
    assert (await ana.post("/v1/hugs/undo", {"id": hug})).status_code == 200
    assert (await ben.call("GET", f"/v1/hugs/{hug}/trace")).json() == unknown, "as if it had never been"
    assert await names(ana, hug) == ["accepted", "undone"]


async def test_a_block_changes_nothing_that_the_hug_itself_would_not_tell(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    assert (await ben.post("/v1/blocks", {"user": ana.id})).status_code == 200
    for user in (ana, ben):
        whole = await user.call("GET", f"/v1/hugs/{hug}")
        assert whole.status_code == (await user.call("GET", f"/v1/hugs/{hug}/trace")).status_code
    assert await names(ana, hug) == ["accepted"]


async def test_what_is_not_kept_for_ever_is_said_to_be_gone(server: RestServer) -> None:
    ana, ben, hug = await friends(server)
    assert (await ben.get(f"/v1/hugs/{hug}/trace"))["is_expired"] is False
    await server.database.execute("update hugs set at = $2 where id = $1", hug, datetime.now(UTC) - timedelta(days=31))
    assert (await ben.get(f"/v1/hugs/{hug}/trace"))["is_expired"] is True
    assert (await ana.get(f"/v1/hugs/{hug}/trace"))["is_expired"] is False, "nothing of theirs ever expires"
