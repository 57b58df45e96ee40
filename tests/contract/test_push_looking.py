"""What is pushed to whom, and when: the deciding half of the pipeline on real servers, with the clock handed in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from domain.ids import uuid7
from domain.preferences import Channel, Preferences, Preview
from domain.presence import Rank
from domain.quiet_hours import QuietHours
from domain.times import rfc3339
from protocol.events import AccountNotice, FriendAccepted, HugFelt, HugMutual, Notification
from protocol.group_events import GroupStarted
from protocol.parts import UserRef
from tests.support.people import befriend
from tests.support.push_rig import Rig, rig_on, said
from tests.support.pushes import ack, add_address, add_device, prefer

pytestmark = pytest.mark.contract

NAMED = Preferences(preview=Preview.NAME)
MAILED = Preferences(switches={"email": True})


@pytest.fixture
async def rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    async with rig_on(database_url, redis_url) as rig:
        yield rig


def felt(rig: Rig, actor: str) -> HugFelt:
    return HugFelt(
        at=rfc3339(rig.clock()), id=uuid7(rig.clock()), from_=UserRef(actor, "Bo"), emoji="x", message="a secret"
    )


def notice(rig: Rig, **fields: Any) -> Notification:
    usual: dict[str, Any] = {
        "id": uuid7(rig.clock()),
        "about": "notice",
        "category": "insights",
        "title": "T",
        "body": "B",
    }
    return Notification(at=rfc3339(rig.clock()), **usual | fields)


def quiet(rig: Rig, hours: int = 1) -> Preferences:
    """Quiet hours that go on for so long."""
    start = rig.clock.now - timedelta(hours=1)
    end = rig.clock.now + timedelta(hours=hours)
    return Preferences(
        quiet_hours=QuietHours(start.time().replace(microsecond=0), end.time().replace(microsecond=0), "UTC")
    )


async def test_who_is_away_is_told_at_once_on_each_device(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await add_device(rig.database, ana, rig.clock.now, "apns", language="ar")
    await add_device(rig.database, ana, rig.clock.now, "webpush")  # this worker has no provider for it
    rig.badges = {ana: (7, False)}
    seq = await rig.hug(bo, ana)
    pushed = await rig.look()
    assert [(each.user, each.provider, each.state) for each in pushed] == [
        (ana, "apns", "queued"),
        (ana, "fcm", "queued"),
    ]
    assert [each.content.language for each in pushed] == ["ar", "en"]
    content = pushed[1].content
    assert (content.title, content.body, content.badge) == ("A hug for you", "Somebody hugged you.", 7)
    assert (content.kind, content.category, content.collapse_key) == ("hug.received", "hugs", "hug-received")
    assert (content.data["seq"], content.data["count"]) == (str(seq), "1")
    rows = await rig.database.fetch("select id, push_id, content, due_at, expires_at from deliveries order by id")
    assert [str(row["id"]) for row in rows] == sorted(each.content.data["delivery"] for each in pushed)
    assert len({row["push_id"] for row in rows}) == 1
    assert {row["due_at"] for row in rows} == {rig.clock.now}
    assert {row["expires_at"] for row in rows} == {rig.clock.now + timedelta(hours=24)}
    assert not [row for row in rows if "secret" in row["content"]]
    assert await rig.decided(ana) == [(seq, "sent", None)]
    assert rig.wakes == 1
    assert await rig.look(86_400) == []


async def test_who_has_no_device_is_told_nothing(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.hug(ana, bo)
    assert await rig.look() == []
    assert await rig.decided(bo) == [(1, "suppressed", "no_device")]
    assert rig.wakes == 0


async def test_who_is_connected_has_ten_seconds_to_ack(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.AWAY, ana)
    await rig.hug(bo, ana)
    assert await rig.look() == []
    assert (await rig.decided(ana), await rig.due_in_s(ana)) == ([(1, "waiting", "connected")], [10.0])
    assert await rig.look(9.999) == []
    assert said(await rig.look(0.001)) == [("Somebody hugged you.", "1")]


async def test_what_is_acked_in_between_is_nobodys_push(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.ONLINE, ana)
    first, second = await rig.hug(bo, ana), await rig.hug(bo, ana)
    await rig.look()
    await ack(rig.database, ana, first)
    assert said(await rig.look(10)) == [("Somebody hugged you.", "1")]
    assert await rig.decided(ana) == [(first, "suppressed", "acked"), (second, "sent", None)]


async def test_who_disconnects_is_told_when_the_ten_seconds_are_over_at_the_latest(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.ONLINE, ana)
    await rig.hug(bo, ana)
    await rig.look()
    await rig.disconnect(ana)
    assert len(await rig.look(10)) == 1


AWAKE = [
    ("insert into mutes values ($1, $2, null, now())", "muted"),
    ("insert into mutes values ($1, $2, now() + interval '1 year', now())", "muted"),
    ("insert into blocks values ($1, $2, now())", "blocked"),
    ("insert into blocks values ($2, $1, now())", "blocked"),
    ("delete from friendships where $1::uuid <> $2::uuid", "privacy"),
    ("update hugs set undone_at = now() where $1::uuid <> $2::uuid", "undone"),
    ("update hugs set seen_at = now() where $1::uuid <> $2::uuid", "read"),
    ("insert into notification_reads select $1, 1, now() where $1::uuid <> $2::uuid", "read"),
    ("insert into notification_marks select $1, 1, null, now() where $1::uuid <> $2::uuid", "read"),
    ("delete from devices where user_id = $1 and $1::uuid <> $2::uuid", "no_device"),
    ("delete from inbox where $1::uuid <> $2::uuid", "expired"),
]


@pytest.mark.parametrize(("statement", "reason"), AWAKE)
async def test_what_has_changed_meanwhile_counts(rig: Rig, statement: str, reason: str) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.ONLINE, ana)
    await rig.hug(bo, ana)
    await rig.look()
    await rig.database.execute(statement, ana, bo)
    assert await rig.look(10) == []
    assert await rig.decided(ana) == [(1, "expired" if reason == "expired" else "suppressed", reason)]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into mutes values ($1, $2, now() - interval '1 second', now())",
        "insert into mutes values ($2, $1, null, now())",
    ],
)
async def test_a_mute_that_is_over_or_is_the_others_is_none(rig: Rig, statement: str) -> None:
    ana, bo = await rig.friends(2)
    await rig.database.execute(statement, ana, bo)
    await rig.hug(bo, ana)
    assert len(await rig.look()) == 1


@pytest.mark.parametrize("switches", [{"push": False}, {"hugs.push": False}])
async def test_what_is_switched_off(rig: Rig, switches: dict[str, bool]) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.ONLINE, ana)
    await rig.hug(bo, ana)
    await rig.look()
    await prefer(rig.database, ana, Preferences(switches=switches), rig.clock.now)
    assert await rig.look(10) == []
    assert await rig.decided(ana) == [(1, "suppressed", "switched_off")]


async def test_a_strangers_hug_goes_only_where_it_was_asked_for(rig: Rig) -> None:
    ana, _, cleo, dan = [*await rig.friends(2), *await rig.friends(2)]
    await rig.hug(cleo, ana)
    await rig.hug(dan, ana, request=uuid7(rig.clock()))
    assert len(await rig.look()) == 1
    assert await rig.decided(ana) == [(1, "suppressed", "privacy"), (2, "sent", None)]


async def test_whoever_accepted_a_friendship_is_not_told_of_it(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    for user, other in ((ana, bo), (bo, ana)):
        event = FriendAccepted(at=rfc3339(rig.clock()), user=UserRef(other, "Bo"))
        await rig.bring(user, event)
    await add_device(rig.database, bo, rig.clock.now)
    [asker] = [str(row["requested_by"]) for row in await rig.database.fetch("select requested_by from friendships")]
    assert [each.user for each in await rig.look()] == [asker]
    accepter = bo if asker == ana else ana
    assert await rig.decided(accepter) == [(1, "suppressed", "own_doing")]


async def test_the_first_goes_at_once_and_what_follows_within_five_minutes_is_merged(rig: Rig) -> None:
    ana, bo, cleo, dan = await rig.friends(4)
    await prefer(rig.database, ana, NAMED, rig.clock.now)
    await rig.hug(bo, ana, "Bo")
    assert said(await rig.look()) == [("Bo hugged you.", "1")]
    rig.clock.forward(60)
    await rig.hug(cleo, ana, "Cleo")
    assert await rig.look() == []
    assert (await rig.decided(ana))[1:] == [(2, "waiting", "merging")]
    rig.clock.forward(60)
    await rig.hug(dan, ana, "Dan")
    assert await rig.look() == []
    assert await rig.look(179.999) == []
    [push] = await rig.look(0.001)
    assert said([push]) == [("Dan and 2 others hugged you.", "3")]
    assert push.content.collapse_key == (await rig.pushed())[0].content.collapse_key

    rig.clock.forward(1)
    await rig.hug(dan, ana, "Dan")
    assert await rig.look() == []
    assert said(await rig.look(299)) == [("Dan and 2 others hugged you.", "4")]
    rig.clock.forward(300)
    await rig.hug(bo, ana, "Bo")
    assert said(await rig.look()) == [("Bo and 2 others hugged you.", "5")]


async def test_a_merged_push_speaks_of_what_is_still_true(rig: Rig) -> None:
    ana, bo, cleo, dan, eve = await rig.friends(5)
    await prefer(rig.database, ana, NAMED, rig.clock.now)
    await rig.hug(bo, ana, "Bo")
    await rig.look()
    rig.clock.forward(1)
    await rig.hug(bo, ana, "Bo")
    await rig.hug(bo, ana, "Bo")
    await rig.hug(dan, ana, "Dan")
    undone = await rig.hug(cleo, ana, "Cleo")
    blocked = await rig.hug(eve, ana, "Eve")
    await rig.look()
    await ack(rig.database, ana, 1)
    await rig.database.execute("update hugs set undone_at = now() where seq = $1", undone)
    await rig.database.execute("insert into blocks values ($1, $2, now())", ana, eve)
    assert said(await rig.look(299)) == [("Dan and 1 other hugged you.", "3")]
    assert [state for _, state, _ in await rig.decided(ana)] == [
        "sent",
        "sent",
        "sent",
        "sent",
        "suppressed",
        "suppressed",
    ]
    assert (undone, blocked) == (5, 6)

    rig.clock.forward(1)
    await rig.hug(bo, ana, "Bo")
    await rig.look()
    await rig.database.execute("update hugs set seen_at = now() where sender_id = $1", dan)
    assert said(await rig.look(299)) == [("Bo hugged you 3 times.", "3")]


async def test_nothing_is_merged_into_a_push_that_is_not_needed_any_more(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.hug(bo, ana)
    await rig.look()
    await rig.hug(bo, ana)
    await rig.look()
    await ack(rig.database, ana, 2)
    assert await rig.look(300) == []
    assert await rig.look(3_600) == []


async def test_kinds_and_people_are_merged_apart(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await add_device(rig.database, bo, rig.clock.now)
    await rig.hug(bo, ana)
    await rig.look()
    rig.clock.forward(1)
    await rig.hug(bo, ana)
    await rig.bring(ana, felt(rig, bo))
    await rig.hug(ana, bo)
    pushed = await rig.look()
    assert sorted((each.user, each.content.kind) for each in pushed) == sorted(
        [(ana, "hug.felt"), (bo, "hug.received")]
    )
    assert "secret" not in str(pushed)


async def test_notices_are_merged_only_where_their_sender_says_so(rig: Rig) -> None:
    [ana] = await rig.friends(1)
    for title, key in (("one", None), ("two", None), ("three", "k"), ("four", "k")):
        await rig.bring(ana, notice(rig, title=title, collapse_key=key))
    pushed = await rig.look()
    titles = sorted(each.content.title.strip("\u2068\u2069") for each in pushed)
    assert titles == ["four", "one", "two"]
    assert {each.content.collapse_key for each in pushed} > {"k"}
    assert len({each.content.collapse_key for each in pushed}) == 3


async def test_data_of_a_notice_is_no_part_of_its_text(rig: Rig) -> None:
    """An app may call its own fields whatever it likes."""
    [ana] = await rig.friends(1)
    data = {"title": "not this", "body": "nor this", "id": "mine", "delivery": "x", "seq": "0", "kind": "y"}
    event = notice(rig, title="T", body="B", data=data)
    await rig.bring(ana, event)
    [push] = await rig.look()
    assert (push.content.title.strip("\u2068\u2069"), push.content.body.strip("\u2068\u2069")) == ("T", "B")
    assert push.content.data["delivery"] != "x"
    assert (push.content.data["seq"], push.content.data["kind"]) == ("1", "notice")


async def test_what_the_notification_centre_tells_itself_is_nobodys_push(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    for event in (
        Notification(at=rfc3339(rig.clock()), change="read", ids=[1], unread=0),
        Notification(at=rfc3339(rig.clock()), change="deleted", through=9, unread=0),
        HugMutual(
            at=rfc3339(rig.clock()), id=uuid7(1), user=UserRef(bo, "Bo"), hugs=[], starts_at=rfc3339(rig.clock())
        ),
    ):
        await rig.bring(ana, event)
    assert await rig.look() == []
    assert await rig.decided(ana) == []
    assert await rig.database.fetchval("select notified_seq from inbox_heads where user_id = $1", ana) == 3


async def test_who_is_not_to_be_disturbed_is_told_when_that_ends(rig: Rig) -> None:
    ana, bo = await rig.friends(2)
    await rig.connect(Rank.DO_NOT_DISTURB, ana)
    for _ in range(3):
        await rig.hug(bo, ana)
        assert await rig.look(60) == []
    assert {reason for _, _, reason in await rig.decided(ana)} == {"do_not_disturb"}
    assert await rig.due_in_s(ana) == [30.0]
    await rig.connect(Rank.ONLINE, ana)
    assert said(await rig.look(30)) == [("You got 3 hugs.", "3")]


async def test_what_is_worth_nothing_any_more_is_not_told(rig: Rig) -> None:
    [ana] = await rig.friends(1)
    await rig.connect(Rank.DO_NOT_DISTURB, ana)
    event = GroupStarted(at=rfc3339(rig.clock()), id=uuid7(rig.clock()), name="a secret", count=3)
    await rig.bring(ana, event)
    for _ in range(19):
        assert await rig.look(30) == []
    assert (await rig.decided(ana))[0][1] == "waiting"
    assert await rig.look(30) == []
    assert await rig.decided(ana) == [(1, "expired", "expired")]
    await rig.disconnect(ana)
    assert await rig.look(30) == []


async def test_one_push_comes_after_quiet_hours(rig: Rig) -> None:
    ana, bo, cleo = await rig.friends(3)
    await prefer(rig.database, ana, quiet(rig), rig.clock.now)
    for sender in (bo, cleo, bo):
        await rig.hug(sender, ana)
        assert await rig.look(600) == []
    assert {reason for _, _, reason in await rig.decided(ana)} == {"quiet_hours"}
    [due_in] = await rig.due_in_s(ana)
    assert due_in is not None
    assert 1_798 < due_in <= 1_800
    assert await rig.look(due_in - 0.001) == []
    assert said(await rig.look(0.001)) == [("You got 3 hugs.", "3")]
    assert await rig.look(86_400) == []


async def test_what_would_be_over_by_then_is_not_kept_for_the_end_of_quiet_hours(rig: Rig) -> None:
    [ana] = await rig.friends(1)
    await prefer(rig.database, ana, quiet(rig), rig.clock.now)
    await rig.bring(ana, GroupStarted(at=rfc3339(rig.clock()), id=uuid7(rig.clock()), name="G", count=3))
    assert await rig.look() == []
    assert await rig.look(600) == []
    assert await rig.decided(ana) == [(1, "expired", "expired")]


async def test_mail_only_where_it_is_wanted_and_late(rig: Rig) -> None:
    ana, bo, cleo, dan = await rig.friends(4)
    for user, name in ((ana, "ana"), (bo, "bo"), (cleo, "cleo")):
        await add_address(rig.database, user, f"{name}@a.example", rig.clock.now)
    await befriend(rig.database, [bo, cleo])
    await befriend(rig.database, [bo, dan])
    for user in (bo, dan):
        await prefer(rig.database, user, MAILED, rig.clock.now)
    switches = {"email": True, "hugs.email": False}
    await prefer(rig.database, cleo, Preferences(switches=switches), rig.clock.now)
    await rig.hug(bo, ana)
    for user in (bo, cleo, dan):
        await rig.hug(ana, user)
    assert [each.provider for each in await rig.look()] == ["fcm"]
    assert await rig.decided(ana, Channel.EMAIL) == []
    assert await rig.decided(bo, Channel.EMAIL) == [(1, "waiting", "mail_later")]
    assert await rig.decided(cleo, Channel.EMAIL) == [(1, "suppressed", "switched_off")]
    assert await rig.decided(dan, Channel.EMAIL) == [(1, "suppressed", "no_device")]
    assert await rig.look(599.999) == []
    assert [(each.user, each.device, each.provider) for each in await rig.look(0.001)] == [(bo, None, "email")]

    rig.clock.forward(60)
    await rig.hug(ana, bo)
    assert await rig.look(3_539.999) == []
    assert len(await rig.look(0.001)) == 1
    await rig.hug(ana, bo)
    await rig.look()
    await ack(rig.database, bo, 3)
    assert await rig.look(3_600) == []


async def test_account_notices_always_go_and_at_once(rig: Rig) -> None:
    [ana] = await rig.friends(1)
    await add_address(rig.database, ana, "ana@a.example", rig.clock.now)
    some = quiet(rig)
    await prefer(
        rig.database,
        ana,
        Preferences(switches={"push": False, "email": False}, quiet_hours=some.quiet_hours),
        rig.clock.now,
    )
    await rig.connect(Rank.DO_NOT_DISTURB, ana)
    for _ in range(2):
        await rig.bring(ana, AccountNotice(at=rfc3339(rig.clock()), about="password_changed"))
        pushed = await rig.look()
        assert sorted((each.provider, each.content.category) for each in pushed) == [
            ("email", "account"),
            ("fcm", "account"),
        ]
