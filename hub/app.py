"""The composition root of a hub: the only place where its concrete classes are named and wired."""

import asyncio
import gc
import logging
import resource
import time
from contextlib import AsyncExitStack, suppress
from functools import partial

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from domain.errors import Unavailable
from domain.friendships import NO_LIMITS, FriendLimits
from domain.ids import uuid7
from hub.admission import Admission, AdmissionLimits
from hub.api.app import ApiServices, build_api
from hub.connection import ConnectionCounts
from hub.counters import Histogram
from hub.delivery import Delivery
from hub.dispatch import Dispatch
from hub.handlers.accounts import AccountHandlers
from hub.handlers.friends import FriendHandlers
from hub.handlers.hugs import HugHandlers, tell_delivered
from hub.handlers.profiles import ProfileHandlers
from hub.health import Health, operators_app
from hub.mailbox_reader import READERS, MailboxReader
from hub.metrics import HubCollector, Sources
from hub.node import Node
from hub.opening import Openings
from hub.pages import SecurityHeaders, page_routes
from hub.passwords import Passwords
from hub.registrar import Registrar
from hub.relations import Relations
from hub.server import HubServer, OperatorsServer, listen
from hub.settings import HubSettings
from hub.sweep import Sweep
from hub.tasks import Tasks
from hub.tick import TickWriter
from hub.tokens import TokenVerifier
from storage.directory import Directory
from storage.doorbell import Doorbell, Listener
from storage.hug_commits import BATCH_MAX, HugCommits
from storage.inbox import load_epoch
from storage.limits import Limits
from storage.migrate import check
from storage.postgres import Database
from storage.presence import Presence
from storage.receipts import Receipts
from storage.redis import RedisLink

FILES_KEPT_FREE = 500  # open files for everything that is not a client's socket
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, BATCH_MAX)
SECONDS_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

log = logging.getLogger("hugmood.hub")


def clock() -> int:
    """Now, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


async def serve(settings: HubSettings) -> None:
    """Run one hub until SIGTERM or SIGINT, then drain it.

    Raises: OSError if a port is taken, SchemaMismatch if `hugmood migrate` is needed, Unavailable if
    PostgreSQL does not answer. Redis may come later.
    """
    public = listen(settings.host, settings.port)
    operators = listen(settings.metrics_host, settings.metrics_port)
    async with AsyncExitStack() as stack:
        stack.callback(public.close)
        stack.callback(operators.close)
        database = await stack.enter_async_context(
            Database(settings.database_url, max_size=settings.database_connections)
        )
        await check(database)
        epoch = await load_epoch(database)

        sweep, tick, counts = Sweep(), TickWriter(asyncio.get_running_loop()), ConnectionCounts()
        tasks = await stack.enter_async_context(Tasks())
        node = Node(uuid7(clock()))
        redis = await stack.enter_async_context(RedisLink(settings.redis_url))
        doorbell = Doorbell(redis, node.id)
        directory = Directory(redis, node.id)
        presence = Presence(redis, database, directory, doorbell, node.show)
        listener = Listener(settings.redis_url, redis, node.id)
        relations = Relations(database, sweep, lambda: listener.is_hearing)
        delivery = Delivery(node, directory, doorbell, relations, presence, tasks, clock)
        registrar = Registrar(node, directory, presence, database, clock)

        batch_sizes, batch_seconds, ring_seconds = (
            Histogram(BATCH_BOUNDS),
            Histogram(SECONDS_BOUNDS),
            Histogram(SECONDS_BOUNDS),
        )
        receipts = await stack.enter_async_context(Receipts(database, clock, partial(tell_delivered, delivery)))
        commits = await stack.enter_async_context(HugCommits(database, delivery.ring))
        commits.on_batch += [lambda size, _: batch_sizes.add(size), lambda _, seconds: batch_seconds.add(seconds)]
        listener.on_mail = delivery.receive
        listener.on_probe = ring_seconds.add

        verifier = TokenVerifier(settings.secret)
        reader = MailboxReader(node, database)
        per_user = settings.max_connections_per_user if settings.limits_on else 0
        openings = Openings(node, epoch, verifier, registrar, presence, database, sweep, clock, per_user)
        hugs = HugHandlers(relations, commits, receipts, delivery, clock, settings.hug_kinds)
        friends = FriendHandlers(database, delivery, clock, FriendLimits() if settings.limits_on else NO_LIMITS)
        dispatch = Dispatch(
            openings, hugs, friends, receipts, verifier, sweep, tasks, clock, limits_on=settings.limits_on
        )
        admission = Admission(_admission_limits(settings), node, sweep, tick, counts, clock, dispatch.receive)

        for link in (redis, listener.subscriber):
            link.on_connect += [relations.forget_all, registrar.recover]
        await stack.enter_async_context(listener)

        health = Health(database, lambda: listener.is_hearing, lambda: admission.is_draining)
        registry = _registry(
            Sources(
                admission=admission,
                connections=counts,
                dispatch=dispatch,
                node=node,
                openings=openings,
                reader=reader,
                registrar=registrar,
                delivery=delivery,
                listener=listener,
                sweep=sweep,
                tasks=tasks,
                batch_sizes=batch_sizes,
                batch_seconds=batch_seconds,
                ring_seconds=ring_seconds,
            )
        )
        with suppress(Unavailable):
            await directory.renew()
        for work in (
            sweep.run,
            openings.run,
            registrar.run_lease,
            registrar.run_presence,
            registrar.run_sweep,
            registrar.run_recovery,
            registrar.run_comparison,
            *([reader.run] * READERS),
        ):
            tasks.keep(work, work.__qualname__)

        passwords = await stack.enter_async_context(Passwords())
        limits = Limits(redis, clock, is_on=settings.limits_on)
        api = build_api(
            ApiServices(
                database=database,
                verifier=verifier,
                limits=limits,
                clock=clock,
                accounts=AccountHandlers(database, passwords, limits, settings.secret, clock),
                profiles=ProfileHandlers(database, delivery),
                friends=friends,
                hugs=hugs,
                statuses=lambda _asker, users: presence.seen_by_friends(users),
                allowed_origins=settings.allowed_origins,
                more_routes=[*health.routes(), *page_routes()],
            )
        )
        server = HubServer(
            SecurityHeaders(api),
            admission,
            sweep,
            commits,
            registrar,
            drain_s=settings.drain_s,
            trusted_proxies=settings.trusted_proxies,
            on_started=lambda: _started(settings, node.id),
        )
        metrics = OperatorsServer(operators_app(health, registry))
        tasks.start(metrics.serve(sockets=[operators]), "operators")
        await server.serve(sockets=[public])
        metrics.should_exit = True


def _admission_limits(settings: HubSettings) -> AdmissionLimits:
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))  # every socket is a file; the soft limit is often 1,024
    most = max(files - FILES_KEPT_FREE, files // 2)
    return AdmissionLimits(
        connections=min(settings.max_connections or most, most),
        per_address=settings.max_connections_per_address if settings.limits_on else 0,
        allowed_origins=settings.allowed_origins,
        trusted_proxies=settings.trusted_proxies,
    )


def _registry(sources: Sources) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(HubCollector(sources))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _started(settings: HubSettings, node: str) -> None:
    # What exists now lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    log.info("hub started", extra={"node": node, "host": settings.host, "port": settings.port})
