"""Group commit of group hugs against real PostgreSQL: races between two nodes end in one state, told to both."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from domain.errors import Conflict, NotFound, Refusal
from domain.groups import (
    Complete,
    Group,
    GroupState,
    Invite,
    Join,
    Squeezed,
    make_group,
)
from domain.ids import uuid7
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
        self.one = GroupCommits(database, self.clock, self.changes.append)
        self.two = GroupCommits(other, self.clock, self.changes.append)

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
