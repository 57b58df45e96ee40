"""Group commit of group hugs against real PostgreSQL: races between two nodes end in one state, told to both."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from domain.errors import Conflict, Forbidden, NotFound, Refusal, Unavailable
from domain.groups import (
    SEAT_KEPT_MS,
    Away,
    Cancel,
    Complete,
    Due,
    Group,
    GroupState,
    How,
    Invite,
    Join,
    Leave,
    Membership,
    SeatLost,
    Squeezed,
    make_group,
    took_part,
)
from domain.ids import uuid7
from storage import group_commits
from storage.group_commits import Create, GroupChange, GroupCommits
from storage.groups import load_group
from storage.inbox import load_after
from storage.postgres import Database
from tests.support.people import NOW_MS, make_users

pytestmark = pytest.mark.contract


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Nodes:
    """Two nodes on one database."""

    def __init__(self, database: Database, other: Database) -> None:
        self.database = database
        self.clock = Clock()
        self.changes: list[GroupChange] = []
        self.unseen: set[str] | None = set()  # None: nobody can tell
        self.one = GroupCommits(database, self.clock, self.changes.append, self.invisible)
        self.two = GroupCommits(other, self.clock, self.changes.append, self.invisible)

    async def invisible(self, users: Sequence[str]) -> set[str]:
        if self.unseen is None:
            raise Unavailable
        return self.unseen & set(users)

    async def host(self, host: str, *guests: str, capacity: int = 50) -> str:
        """A group of *host* with *guests* in it; both nodes know it."""
        made = group(host, capacity=capacity)
        joins = [Join(guest, "Ana") for guest in guests]
        await self.one.act(made.id, Create(made), *joins)
        await self.two.load(made.id)
        return made.id

    async def stored(self, group_id: str) -> Group:
        """What the database holds; every node that looks again sees the same."""
        loaded = await load_group(self.database, group_id)
        assert loaded is not None
        assert await self.one.load(group_id) == await self.two.load(group_id) == loaded
        assert loaded.joined == sum(member.is_joined for member in loaded.members.values()) <= loaded.capacity
        return loaded

    async def told(self, user: str) -> list[str]:
        """The kinds of events in *user*'s inbox."""
        rows = await load_after(self.database, [(user, 0)], 1_000)
        return [msgspec.json.decode(row.body)["type"] for row in rows]


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[Nodes]:
    async with Database(database_url) as database, Database(database_url) as other:
        yield Nodes(database, other)


def group(host: str, group_id: str | None = None, capacity: int = 50, starts_ms: int | None = None) -> Group:
    return make_group(
        Group(
            id=group_id or uuid7(NOW_MS),
            creator=host,
            host=host,
            name="Sunday",
            state=GroupState.GATHERING,
            capacity=capacity,
            created_ms=NOW_MS,
            starts_ms=starts_ms,
            expires_ms=(starts_ms or NOW_MS) + 600_000,
            members={},
        ),
        "Ana",
    )


async def outcomes(*acts: object) -> list[Group | Refusal]:
    """What each got: the group, or why not."""
    results = await asyncio.gather(*acts, return_exceptions=True)  # type: ignore[call-overload]  # coroutines all
    assert all(isinstance(result, Group | Refusal) for result in results), results
    return list(results)


async def test_a_group_is_stored_and_loaded_as_it_is(nodes: Nodes) -> None:
    ana, bo, cleo = await make_users(nodes.database, 3)
    made = group(ana)
    after = await nodes.one.act(made.id, Create(made), Invite(ana, {bo: "Ana", cleo: "Ana"}), Join(bo, "Ana"))
    assert await nodes.stored(made.id) == after
    assert {user: str(member.state) for user, member in after.members.items()} == {
        ana: "joined",
        bo: "joined",
        cleo: "invited",
    }
    assert after.state is GroupState.ACTIVE
    assert await nodes.told(bo) == ["group.invited", "group.started"]
    assert await nodes.told(ana) == ["group.started"]
    assert nodes.changes[0].before is None
    assert len(nodes.changes[0].events) == 4


async def test_one_id_is_one_group_of_its_creator(nodes: Nodes) -> None:
    ana, bo, cleo = await make_users(nodes.database, 3)
    made = group(ana)
    invite = Invite(ana, {cleo: "Ana"})
    results = await outcomes(
        nodes.one.act(made.id, Create(made), invite),
        nodes.two.act(made.id, Create(made), invite),
        nodes.one.act(made.id, Create(made), invite),
    )
    assert all(isinstance(result, Group) and result.version == 2 for result in results)
    with pytest.raises(Conflict):
        await nodes.two.act(made.id, Create(group(bo, made.id)))
    assert await nodes.told(cleo) == ["group.invited"]


async def test_what_does_not_exist_is_not_found(nodes: Nodes) -> None:
    (ana,) = await make_users(nodes.database, 1)
    with pytest.raises(NotFound):
        await nodes.one.act(uuid7(NOW_MS), Join(ana, "Ana"))


async def test_only_what_changed_is_read_again(nodes: Nodes) -> None:
    ana, bo, cleo = await make_users(nodes.database, 3)
    group_id = await nodes.host(ana, bo)
    known = await load_group(nodes.database, group_id)
    assert known is not None
    assert await load_group(nodes.database, group_id, known) is known
    await nodes.two.act(group_id, Join(cleo, "Ana"))
    newer = await load_group(nodes.database, group_id, known)
    assert newer is not None
    assert newer.members[ana] is known.members[ana], "read again although nothing has changed"
    assert newer.members[cleo].is_joined
    assert newer == await load_group(nodes.database, group_id)


async def test_completed_twice_is_completed_once(nodes: Nodes) -> None:
    ana, bo = await make_users(nodes.database, 2)
    group_id = await nodes.host(ana, bo)
    results = await outcomes(
        nodes.one.act(group_id, Complete(ana)),
        nodes.two.act(group_id, Complete(ana)),
        nodes.two.act(group_id, Squeezed()),
    )
    stored = await nodes.stored(group_id)
    assert stored.state is GroupState.COMPLETED
    assert results == [stored] * 3
    for user in (ana, bo):
        assert (await nodes.told(user)).count("group.completed") == 1


async def test_joining_against_the_expiry(nodes: Nodes) -> None:
    ana, bo, *guests = await make_users(nodes.database, 12)
    group_id = await nodes.host(ana, bo)
    nodes.clock.now_ms += 600_000
    results = await outcomes(nodes.two.act(group_id, Due()), *(nodes.one.act(group_id, Join(u, "Ana")) for u in guests))
    stored = await nodes.stored(group_id)
    assert (stored.state, stored.joined) == (GroupState.EXPIRED, 2)
    assert results == [stored] * len(results)
    assert [await nodes.told(user) for user in (ana, bo)] == [["group.started", "group.cancelled"]] * 2
    assert await nodes.told(guests[0]) == []


async def test_the_host_leaves_while_completing(nodes: Nodes) -> None:
    for _ in range(10):
        ana, bo, cleo = await make_users(nodes.database, 3)
        group_id = await nodes.host(ana, bo, cleo)
        completed, left = await outcomes(nodes.one.act(group_id, Complete(ana)), nodes.two.act(group_id, Leave(ana)))
        stored = await nodes.stored(group_id)
        assert isinstance(left, Group)
        if stored.state is GroupState.COMPLETED:
            assert completed == left == stored
            assert stored.host == ana
        else:
            assert isinstance(completed, Forbidden)
            assert (stored.state, stored.host) == (GroupState.ACTIVE, bo)
        is_done = stored.state is GroupState.COMPLETED
        for user in (ana, bo, cleo):
            assert (await nodes.told(user)).count("group.completed") == is_done


async def test_fifty_seats_for_sixty(nodes: Nodes) -> None:
    ana, *guests = await make_users(nodes.database, 60)
    group_id = await nodes.host(ana)
    results = await outcomes(
        *(
            (nodes.one if number % 2 else nodes.two).act(group_id, Join(guest, "Ana"))
            for number, guest in enumerate(guests)
        )
    )
    stored = await nodes.stored(group_id)
    assert stored.joined == 50
    assert sum(isinstance(result, Conflict) for result in results) == 10
    for guest, result in zip(guests, results, strict=True):
        assert stored.is_joined(guest) == isinstance(result, Group)
    assert (await nodes.told(ana)).count("group.started") == 1


async def test_five_hundred_join_over_two_nodes(nodes: Nodes) -> None:
    ana, *guests = await make_users(nodes.database, 501)
    group_id = await nodes.host(ana, capacity=1_000)
    plan = [(nodes.one if number % 2 else nodes.two, guest) for number, guest in enumerate(guests)]

    async def join_one_after_the_other(mine: list[tuple[GroupCommits, str]]) -> None:
        for node, guest in mine:
            assert (await node.act(group_id, Join(guest, "Ana"))).is_joined(guest)

    await asyncio.gather(*(join_one_after_the_other(plan[start::50]) for start in range(50)))
    stored = await nodes.stored(group_id)
    assert (stored.joined, stored.version) == (501, 501), "one change each, none lost"
    changes = sorted(nodes.changes, key=lambda change: change.after.version)
    for earlier, later in itertools.pairwise(changes):
        assert later.before is not None
        assert later.before.version == earlier.after.version, "told as one unbroken story"
    assert sum(len(change.changed) for change in changes) == 501
    assert nodes.one.races_lost + nodes.two.races_lost > 0, "the two never met"


async def test_everybody_leaves_and_comes_at_once(nodes: Nodes) -> None:
    ana, *guests = await make_users(nodes.database, 20)
    group_id = await nodes.host(ana, *guests)
    await outcomes(
        *(nodes.one.act(group_id, Leave(user)) for user in [ana, *guests[:10]]),
        *(nodes.two.act(group_id, Leave(user)) for user in guests[10:]),
    )
    stored = await nodes.stored(group_id)
    assert (stored.joined, stored.state) == (0, GroupState.GATHERING)
    await nodes.two.act(group_id, Join(guests[3], "Ana"))
    assert (await nodes.stored(group_id)).host == guests[3]
    done = await nodes.one.act(group_id, Complete(guests[3]))
    assert (done.how, len(took_part(done))) == (How.HOST, 20)
    for user in (ana, *guests):
        assert (await nodes.told(user)).count("group.completed") == 1


async def test_a_seat_is_lost_unless_somebody_is_back_in_time(nodes: Nodes) -> None:
    ana, bo, cleo = await make_users(nodes.database, 3)
    group_id = await nodes.host(ana, bo, cleo)
    for user in (ana, bo):
        await nodes.one.act(group_id, Away(user))
    nodes.clock.now_ms += SEAT_KEPT_MS
    await outcomes(
        nodes.two.act(group_id, Join(bo, "Ana")),
        nodes.one.act(group_id, SeatLost(ana), SeatLost(cleo)),
    )
    await nodes.one.act(group_id, SeatLost(bo))
    stored = await nodes.stored(group_id)
    assert {user: member.state for user, member in stored.members.items()} == {
        ana: Membership.LEFT,
        bo: Membership.JOINED,
        cleo: Membership.JOINED,
    }
    assert stored.host in (bo, cleo)


async def test_one_bad_act_does_not_take_the_others_with_it(nodes: Nodes) -> None:
    ana, bo = await make_users(nodes.database, 2)
    group_id = await nodes.host(ana)
    nobody = uuid7(NOW_MS)
    results = await outcomes(
        nodes.one.act(group_id, Join(nobody, "Nobody")),
        nodes.one.act(group_id, Join(bo, "Ana")),
        nodes.one.act(group_id, Cancel(bo)),
    )
    assert [type(result) for result in results] == [Refusal, Group, Forbidden]
    assert set((await nodes.stored(group_id)).members) == {ana, bo}


async def test_no_answer_without_a_commit(nodes: Nodes) -> None:
    ana, bo = await make_users(nodes.database, 2)
    group_id = await nodes.host(ana)
    await nodes.database.execute("alter table inbox rename to inbox_away")
    told = len(nodes.changes)
    (refused,) = await outcomes(nodes.one.act(group_id, Join(bo, "Ana")))
    await nodes.database.execute("alter table inbox_away rename to inbox")
    assert isinstance(refused, Refusal)
    assert len(nodes.changes) == told
    assert not (await nodes.stored(group_id)).is_joined(bo)


async def test_a_scheduled_group_begins_in_time(nodes: Nodes) -> None:
    ana, bo = await make_users(nodes.database, 2)
    made = group(ana, starts_ms=NOW_MS + 60_000)
    await nodes.one.act(made.id, Create(made), Invite(ana, {bo: "Ana"}))
    assert (await nodes.two.act(made.id, Due())).state is GroupState.SCHEDULED
    nodes.clock.now_ms += 60_000
    await outcomes(nodes.one.act(made.id, Due()), nodes.two.act(made.id, Due()))
    stored = await nodes.stored(made.id)
    assert (stored.state, stored.version) == (GroupState.ACTIVE, 3)
    assert await nodes.told(ana) == ["group.started"]
    assert await nodes.told(bo) == ["group.invited"]


async def test_who_is_invisible_is_named_to_nobody_else(nodes: Nodes) -> None:
    ana, bo, cleo = await make_users(nodes.database, 3)

    async def named(unseen: set[str] | None) -> list[list[str]]:
        group_id = await nodes.host(ana, bo, cleo)
        nodes.unseen = unseen
        await nodes.one.act(group_id, Complete(ana))
        ends = [
            msgspec.json.decode((await load_after(nodes.database, [(u, 0)], 100))[-1].body) for u in (ana, bo, cleo)
        ]
        assert {end["count"] for end in ends} == {3}
        return [[one["id"] for one in end["participants"]] for end in ends]

    assert await named({bo}) == [[ana, cleo], [ana, bo, cleo], [ana, cleo]]
    assert await named(None) == [[ana], [bo], [cleo]], "while nobody can tell, nobody is named to others"


async def test_what_failed_can_be_done_again(nodes: Nodes) -> None:
    """The end of a connection in the middle of a commit: unavailable, nothing half done, and the same act works."""
    ana, bo, cleo = await make_users(nodes.database, 3)
    group_id = await nodes.host(ana)
    async with nodes.database.transaction() as lock:
        await lock.execute("select from groups where id = $1 for update", group_id)
        waiting = asyncio.create_task(nodes.two.act(group_id, Join(bo, "Ana")))
        await until_blocked(nodes.database)
        await lock.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        )
        with pytest.raises(Unavailable):
            await waiting
    assert not (await nodes.stored(group_id)).is_joined(bo)
    await outcomes(nodes.two.act(group_id, Join(bo, "Ana")), nodes.one.act(group_id, Join(cleo, "Ana")))
    assert (await nodes.stored(group_id)).joined == 3


async def until_blocked(database: Database) -> None:
    """Return once some session waits for a lock."""
    async with asyncio.timeout(20):
        while not await database.fetchval(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        ):
            pass  # looking is waiting enough


async def test_a_look_is_never_older_than_its_asking(nodes: Nodes) -> None:
    """Many who ask share one look, but only one that begins after they have asked."""
    ana, bo = await make_users(nodes.database, 2)
    group_id = await nodes.host(ana)

    async def look_all_the_time() -> None:
        while True:
            await nodes.one.load(group_id)

    looking = asyncio.create_task(look_all_the_time())
    for act in (Join(bo, "Ana"), Leave(bo)) * 50:
        committed = await nodes.two.act(group_id, act)
        assert await asyncio.gather(*(nodes.one.load(group_id) for _ in range(5))) == [committed] * 5
    looking.cancel()


async def test_what_is_not_kept_is_read_again(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commits, "KEPT_MEMBERS_MAX", 3)
    ana, bo, cleo = await make_users(nodes.database, 3)
    rooms = [await nodes.host(ana, bo) for _ in range(4)]
    for room in rooms * 2:
        await nodes.one.act(room, Join(cleo, "Ana"))
        await nodes.one.act(room, Leave(bo))
    for room in rooms:
        stored = await nodes.stored(room)
        assert {user for user, member in stored.members.items() if member.is_joined} == {ana, cleo}
        assert stored.version == 4
