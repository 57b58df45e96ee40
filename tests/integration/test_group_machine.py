"""A group hug on two real hubs against the plain model that also holds the rules: whoever acts, wherever."""

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.groups import Act, Cancel, Complete, Invite, Join, Leave, Squeezed
from domain.ids import uuid7
from tests.property.test_groups import Model
from tests.support.hubs import HubProcess, Person, hub_starter, make_friends
from tests.support.wire import Wire

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MEMBERS = 4
STAY_EVERY_S = 5.0
members = st.integers(0, MEMBERS - 1)
hubs = st.integers(0, 1)
LIVE = ("gathering", "active")
ENDS = ("group.completed", "group.cancelled")


class World:
    """Two hubs and some friends, each with a socket on both."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.hubs: list[HubProcess] = []
        self.people: list[Person] = []
        self.wires: list[list[Wire]] = []
        self.stayed = time.monotonic()

    async def open(self, database_url: str, redis_url: str) -> None:
        start = await self.stack.enter_async_context(hub_starter(database_url, redis_url))
        self.hubs = [await start(limits="off"), await start(limits="off")]
        self.people = await make_friends(database_url, MEMBERS)
        for person in self.people:
            wires = [await Wire.log_in(hub.url, person.access_token) for hub in self.hubs]
            self.wires.append([await self.stack.enter_async_context(wire) for wire in wires])

    def stay(self) -> None:
        """Read on all wires now and then: who does not is not there for the hub."""
        if time.monotonic() - self.stayed > STAY_EVERY_S:
            for wire in (wire for wires in self.wires for wire in wires):
                self.runner.run(wire.ask("ping"))
            self.stayed = time.monotonic()

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()


class GroupOnTwoHubs(RuleBasedStateMachine):
    """Each act goes to one of the hubs and to the model; then both hubs are asked."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.room = uuid7(time.time_ns() // 1_000_000)
        self.names = [person.id for person in world.people]
        self.step = 0
        self.is_told = False  # of the end, by a rule that waited for it

    def ask(self, member: int, hub: int, type_: str, **fields: Any) -> dict[str, Any]:
        last_ms = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == last_ms:  # no two of them come in the same millisecond
            pass
        return self.world.runner.run(self.world.wires[member][hub].ask(type_, id=self.room, **fields))

    def expect(self, reply: dict[str, Any], act: Act) -> None:
        self.step += 1
        refused = self.model.do(act, self.step)
        assert reply.get("code") == refused, (reply, act)
        if "group" in reply:
            assert reply["group"]["state"] == self.model.state

    @initialize(capacity=st.integers(2, 4), hub=hubs)
    def create(self, capacity: int, hub: int) -> None:
        self.model = Model(capacity, None)
        self.model.expires_ms = 10**15
        self.model.host = self.names[0]
        self.model.seats = {self.names[0]: 0}
        self.model.took_part = {self.names[0]}
        reply = self.ask(0, hub, "group.create", name="Sunday", capacity=capacity)
        assert (reply["type"], reply["state"]) == ("ok", "gathering")

    @rule(member=members, hub=hubs)
    def join(self, member: int, hub: int) -> None:
        reply = self.ask(member, hub, "group.join")
        if not self.model.is_over:
            self.expect(reply, Join(self.names[member], ""))
        assert reply.get("group", {}).get("state", self.model.state) == self.model.state

    @rule(member=members, hub=hubs)
    def leave(self, member: int, hub: int) -> None:
        self.expect(self.ask(member, hub, "group.leave"), Leave(self.names[member]))

    @rule(member=members, hub=hubs, whom=st.sets(members, min_size=1))
    @precondition(lambda self: not self.model.is_over)
    def invite(self, member: int, hub: int, whom: set[int]) -> None:
        users = [self.names[other] for other in sorted(whom)]
        reply = self.ask(member, hub, "group.invite", users=users)
        others = [user for user in users if user != self.names[member]]
        self.expect(reply, Invite(self.names[member], dict.fromkeys(others, "")))

    @rule(member=members, hub=hubs)
    def complete(self, member: int, hub: int) -> None:
        self.expect(self.ask(member, hub, "group.complete"), Complete(self.names[member]))

    @rule(member=members, hub=hubs)
    def cancel(self, member: int, hub: int) -> None:
        self.expect(self.ask(member, hub, "group.cancel"), Cancel(self.names[member]))

    @rule(hub=hubs)
    @precondition(lambda self: self.model.state == "active")
    def squeeze_together(self, hub: int) -> None:
        seated = [self.names.index(user) for user in self.model.seats]
        took_part = [self.names.index(user) for user in self.model.took_part]

        async def squeeze_and_hear() -> None:
            for number, member in enumerate(seated):
                self.world.wires[member][(hub + number) % 2].say(type="group.squeeze", id=self.room, strength=1)
            for member in took_part:
                for wire in self.world.wires[member]:
                    await hear_of(wire, "group.completed", self.room)

        self.world.runner.run(squeeze_and_hear())
        self.is_told = True
        self.model.do(Squeezed(), self.step)

    @invariant()
    def both_hubs_say_what_the_model_says(self) -> None:
        if not hasattr(self, "model"):
            return
        self.world.stay()
        for hub in self.world.hubs:
            token = self.world.people[0].access_token
            group = self.world.runner.run(get(f"{hub.url}/v1/groups/{self.room}", token))
            assert group["state"] == self.model.state
            assert group["host"]["id"] == self.model.host
            if group["state"] in LIVE:
                assert group["count"] == len(self.model.seats)
                assert {member["id"] for member in group["members"]} == set(self.model.seats)

    def teardown(self) -> None:
        """Whom it concerns has been told of the end once, on all their devices, and nobody else."""
        if not hasattr(self, "model") or not self.model.is_over:
            return
        is_completed = self.model.state == "completed"
        whom = self.model.took_part if is_completed else {*self.model.seats, *self.model.invited}

        async def told(wire: Wire, is_concerned: bool) -> None:
            if is_concerned and not self.is_told:
                await hear_of(wire, "group.completed" if is_completed else "group.cancelled", self.room)
            await wire.ask("ping")
            ends = [event for event in wire.kept() if event.get("id") == self.room and event["type"] in ENDS]
            assert ends == []

        for name, wires in zip(self.names, self.world.wires, strict=True):
            for wire in wires:
                self.world.runner.run(told(wire, name in whom))


async def hear_of(wire: Wire, kind: str, room: str) -> None:
    """The *kind* of event about *room*; what was said of other rooms is done with."""
    while (await wire.hear(kind))["id"] != room:
        pass


async def get(url: str, token: str) -> dict[str, Any]:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        group: dict[str, Any] = answer.json()
        return group


def test_two_hubs_keep_the_rules(database_url: str, redis_url: str) -> None:
    world = World()
    world.runner.run(world.open(database_url, redis_url))
    try:
        run_state_machine_as_test(
            lambda: GroupOnTwoHubs(world),
            settings=settings(
                max_examples=12, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
    finally:
        world.close()
