"""The lower half of the composition root: the servers behind a node, and the way between its sessions and the others.

What is wired here knows no handlers and no HTTP; hub/app.py puts those on top.
"""

import time
from contextlib import AsyncExitStack
from functools import partial

from msgspec import Struct

from domain.errors import Refusal
from domain.groups import Squeezed
from domain.ids import uuid7
from hub.delivery import Delivery
from hub.node import Node
from hub.registrar import Registrar
from hub.relations import Relations
from hub.room_upkeep import RoomUpkeep
from hub.rooms import Rooms
from hub.settings import HubSettings
from hub.sweep import Sweep
from hub.tasks import Tasks
from storage.directory import Directory
from storage.doorbell import Doorbell, Listener
from storage.group_commits import GroupChange, GroupCommits
from storage.migrate import check
from storage.postgres import Database
from storage.presence import Presence
from storage.redis import RedisLink
from storage.room_mail import RoomMailer
from storage.routes import Routes


def clock() -> int:
    """Now, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Core(Struct, frozen=True):
    """What everything else of a node is built on: the servers behind it, and the way between sessions and nodes."""

    database: Database
    redis: RedisLink
    listener: Listener
    node: Node
    sweep: Sweep
    tasks: Tasks
    relations: Relations
    presence: Presence
    delivery: Delivery
    registrar: Registrar
    directory: Directory
    rooms: Rooms
    room_upkeep: RoomUpkeep
    groups: GroupCommits


async def build_core(stack: AsyncExitStack, settings: HubSettings) -> Core:
    """Raises: Unavailable if PostgreSQL is away, SchemaMismatch. Redis may come later."""
    database = await stack.enter_async_context(Database(settings.database_url, max_size=settings.database_connections))
    await check(database)
    sweep = Sweep()
    tasks = await stack.enter_async_context(Tasks())
    node = Node(uuid7(clock()))
    redis = await stack.enter_async_context(RedisLink(settings.redis_url))
    listener = Listener(settings.redis_url, redis, node.id)
    doorbell, directory = Doorbell(redis, node.id), Directory(redis, node.id)
    presence = Presence(redis, database, directory, doorbell, node.show)
    relations = Relations(database, sweep, lambda: listener.is_hearing)
    routes = Routes(database, node.id)
    tasks.keep(routes.run, "routes")
    delivery = Delivery(node, directory, doorbell, relations, presence, tasks, routes, clock)
    registrar = Registrar(node, directory, presence, database, clock)
    rooms = Rooms(node, doorbell, listener, clock)
    mailer = RoomMailer(node.id, database, presence, directory, doorbell, unsure=node.is_unseen)
    room_upkeep = RoomUpkeep(rooms, mailer, database)
    groups = GroupCommits(database, clock, partial(_group_changed, delivery, room_upkeep), presence.invisible)
    rooms.on_big_squeeze = lambda room: tasks.start(_complete_by_squeeze(groups, rooms, room), "a big squeeze")
    listener.on_mail = delivery.receive
    delivery.on_room_change = rooms.seated_elsewhere
    for link in (redis, listener.subscriber):
        link.on_connect += [relations.forget_all, registrar.recover, room_upkeep.recover]
    await stack.enter_async_context(listener)
    return Core(
        database=database,
        redis=redis,
        listener=listener,
        node=node,
        sweep=sweep,
        tasks=tasks,
        relations=relations,
        presence=presence,
        delivery=delivery,
        registrar=registrar,
        directory=directory,
        rooms=rooms,
        room_upkeep=room_upkeep,
        groups=groups,
    )


def _group_changed(delivery: Delivery, room_upkeep: RoomUpkeep, change: GroupChange) -> None:
    delivery.ring(change.events)
    room_upkeep.changed(change)


async def _complete_by_squeeze(groups: GroupCommits, rooms: Rooms, room: str) -> None:
    try:
        await groups.act(room, Squeezed())
    except Refusal:
        rooms.big_squeeze_failed(room)
