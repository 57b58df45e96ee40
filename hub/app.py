"""The composition root of a hub: the only place where its concrete classes are named and wired."""

import asyncio
import gc
import logging
import resource
from contextlib import AsyncExitStack, closing, suppress
from datetime import UTC, date, datetime
from functools import partial

from msgspec import Struct
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from starlette.applications import Starlette

from domain.care import VERIFIED_FOR_DAYS
from domain.errors import Unavailable
from domain.friendships import NO_LIMITS, FriendLimits
from domain.hug_limits import HugLimits
from domain.hug_requests import NO_REQUEST_LIMITS, RequestLimits
from hub.admission import Admission, AdmissionLimits
from hub.api.app import ApiServices, build_api
from hub.api.live import live_endpoints
from hub.badges import Badges
from hub.care import stale_names, stale_warning
from hub.connection import ConnectionCounts
from hub.core import Core, build_core, clock
from hub.counters import Histogram
from hub.dispatch import Dispatch
from hub.handlers.accounts import AccountHandlers
from hub.handlers.devices import DeviceHandlers
from hub.handlers.friends import FriendHandlers
from hub.handlers.group_views import GroupViews
from hub.handlers.groups import GroupHandlers
from hub.handlers.hug_allowance import HugAllowance
from hub.handlers.hugs import HugHandlers, tell_delivered
from hub.handlers.marks import MarkHandlers
from hub.handlers.moments import MomentHandlers
from hub.handlers.mood_changes import MoodChangeHandlers
from hub.handlers.moods import MoodHandlers
from hub.handlers.notices import NoticeHandlers
from hub.handlers.notifications import NotificationHandlers
from hub.handlers.preferences import PreferenceHandlers
from hub.handlers.profiles import ProfileHandlers
from hub.handlers.requests import RequestHandlers
from hub.handlers.streaks import StreakHandlers
from hub.handlers.table import Handlers
from hub.health import Health, operators_app
from hub.hiding import Hiding
from hub.mailbox_reader import READERS, MailboxReader
from hub.metrics import HubCollector, Sources
from hub.opening import Openings
from hub.pages import SecurityHeaders, page_routes
from hub.passwords import Passwords
from hub.server import HubServer, OperatorsServer, listen
from hub.settings import HubSettings
from hub.streams import Streams
from hub.tick import TickWriter
from hub.tokens import TokenVerifier
from hub.unacked import Unacked
from storage.encryption import KeyRing
from storage.hug_commits import BATCH_MAX, HugCommits
from storage.inbox import load_epoch
from storage.jobs import JobQueue, open_pool
from storage.limits import Limits
from storage.mood_queue import MoodQueue
from storage.mutuals import Mutuals
from storage.push_queue import PushQueue
from storage.receipts import Receipts
from storage.redis import RedisLink

FILES_KEPT_FREE = 500  # open files for everything that is not a client's socket
BATCH_BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, BATCH_MAX)
SECONDS_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

log = logging.getLogger("hugmood.hub")


class Sockets(Struct, frozen=True, kw_only=True):
    """From a handshake to a handler, and what both count."""

    admission: Admission
    openings: Openings
    reader: MailboxReader
    commits: HugCommits
    mutuals: Mutuals
    handlers: Handlers
    limits: Limits
    verifier: TokenVerifier
    streams: Streams
    receipts: Receipts
    unacked: Unacked
    sources: Sources


async def serve(settings: HubSettings) -> None:
    """Run one hub until SIGTERM or SIGINT, then drain it.

    Raises: OSError if a port is taken, SchemaMismatch if `hugmood migrate` is needed, Unavailable if
    PostgreSQL does not answer. Redis may come later.
    """
    async with AsyncExitStack() as stack:
        public = stack.enter_context(closing(listen(settings.host, settings.port, is_shared=True)))
        # Not shared: one hub would answer for another, and seem ready before it listens.
        operators = stack.enter_context(closing(listen(settings.metrics_host, settings.metrics_port, is_shared=False)))
        core = await build_core(stack, settings)
        sockets = await _build_sockets(stack, settings, core)
        health = Health(
            core.database,
            lambda: core.listener.is_hearing,
            lambda: sockets.admission.is_draining,
            lambda: stale_warning(settings.care, _today()),
        )
        server = HubServer(
            SecurityHeaders(_build_api(settings, core, sockets, health)),
            sockets.admission,
            core.sweep,
            sockets.commits,
            sockets.mutuals,
            core.registrar,
            drain_s=settings.drain_s,
            trusted_proxies=settings.trusted_proxies,
            on_started=lambda: _started(settings, core.node.id),
        )
        await _keep_running(core, sockets)
        metrics = OperatorsServer(operators_app(health, _registry(sockets.sources)))
        core.tasks.start(metrics.serve(sockets=[operators]), "operators")
        await server.serve(sockets=[public])
        metrics.should_exit = True


async def _build_sockets(stack: AsyncExitStack, settings: HubSettings, core: Core) -> Sockets:
    batch_sizes, batch_seconds, ring_seconds = (Histogram(b) for b in (BATCH_BOUNDS, SECONDS_BOUNDS, SECONDS_BOUNDS))
    core.listener.on_probe = ring_seconds.add
    receipts = await stack.enter_async_context(
        Receipts(core.database, Hiding(core.node, core.presence), clock, partial(tell_delivered, core.delivery))
    )
    mutuals = await stack.enter_async_context(Mutuals(core.database, clock, core.delivery.ring))
    commits = await stack.enter_async_context(HugCommits(core.database, core.delivery.ring))
    commits.on_committed.append(mutuals.look)
    commits.on_batch += [lambda size, _: batch_sizes.add(size), lambda _, seconds: batch_seconds.add(seconds)]

    verifier, counts = TokenVerifier(settings.secret), ConnectionCounts()
    openings = Openings(
        core.node,
        core.rooms,
        await load_epoch(core.database),
        verifier,
        core.registrar,
        core.presence,
        core.database,
        core.sweep,
        clock,
        on_held=receipts.ack,
        per_user=settings.max_connections_per_user if settings.limits_on else 0,
    )
    limits = Limits(core.redis, clock, is_on=settings.limits_on)
    jobs = await _job_queue(stack, settings)
    handlers = await _build_handlers(stack, settings, core, jobs, commits, mutuals, receipts, limits)
    dispatch = Dispatch(
        openings,
        handlers,
        receipts,
        core.rooms,
        verifier,
        core.sweep,
        core.tasks,
        clock,
        limits_on=settings.limits_on,
    )
    tick = TickWriter(asyncio.get_running_loop())
    admission = Admission(_admission_limits(settings), core.node, core.sweep, tick, counts, clock, dispatch.receive)
    streams = Streams(admission, openings, core.node, core.sweep, counts, clock)
    reader = MailboxReader(core.node, core.database)
    sources = Sources(
        admission=admission,
        connections=counts,
        dispatch=dispatch,
        node=core.node,
        openings=openings,
        reader=reader,
        registrar=core.registrar,
        delivery=core.delivery,
        rooms=core.rooms,
        listener=core.listener,
        sweep=core.sweep,
        tasks=core.tasks,
        batch_sizes=batch_sizes,
        batch_seconds=batch_seconds,
        ring_seconds=ring_seconds,
    )
    return Sockets(
        admission=admission,
        openings=openings,
        reader=reader,
        commits=commits,
        mutuals=mutuals,
        handlers=handlers,
        limits=limits,
        verifier=verifier,
        streams=streams,
        receipts=receipts,
        unacked=_watch_acks(settings, core, jobs),
        sources=sources,
    )


async def _build_handlers(
    stack: AsyncExitStack,
    settings: HubSettings,
    core: Core,
    jobs: JobQueue,
    commits: HugCommits,
    mutuals: Mutuals,
    receipts: Receipts,
    limits: Limits,
) -> Handlers:
    is_on, delivery, database = settings.limits_on, core.delivery, core.database
    ring = KeyRing(settings.encryption_keys)
    passwords = await stack.enter_async_context(Passwords())
    requests = RequestHandlers(
        database, delivery, core.presence.shown, clock, _request_limits(settings), settings.hug_kinds
    )
    requests.on_committed.append(mutuals.look)
    return Handlers(
        accounts=AccountHandlers(database, passwords, limits, settings.secret, clock, delivery.logins_ended),
        profiles=ProfileHandlers(database, delivery),
        friends=FriendHandlers(database, delivery, clock, FriendLimits() if is_on else NO_LIMITS),
        marks=MarkHandlers(database, clock, settings.max_follows if is_on else 0),
        hugs=HugHandlers(
            core.relations,
            commits,
            receipts,
            delivery,
            clock,
            settings.hug_kinds,
            fulfil=requests.fulfil,
            allowance=_hug_allowance(settings, core, limits) if is_on else None,
            on_seen=Badges(database, core.node, core.directory, delivery, core.tasks).seen,
        ),
        moments=MomentHandlers(database, delivery, clock),
        mood_changes=MoodChangeHandlers(database, ring, delivery, clock),
        requests=requests,
        groups=GroupHandlers(
            database,
            core.groups,
            GroupViews(database, core.presence, clock),
            core.rooms,
            core.relations,
            limits,
            clock,
            limits_on=is_on,
        ),
        moods=MoodHandlers(
            database,
            await _mood_queue(stack, settings, core, jobs),
            ring,
            limits,
            clock,
            settings.moods_per_day if is_on else 0,
        ),
        streaks=StreakHandlers(database, delivery, clock),
        preferences=PreferenceHandlers(database, clock),
        notifications=NotificationHandlers(database, delivery, clock),
        notices=NoticeHandlers(database, delivery, clock),
        devices=DeviceHandlers(database, ring, clock, settings.webpush_hosts),
    )


async def _job_queue(stack: AsyncExitStack, settings: HubSettings) -> JobQueue:
    return JobQueue(await stack.enter_async_context(open_pool(settings.jobs_redis_url or settings.redis_url)))


async def _mood_queue(stack: AsyncExitStack, settings: HubSettings, core: Core, jobs: JobQueue) -> MoodQueue:
    """Streams of moods stand where the workers' queues do."""
    url = settings.jobs_redis_url or settings.redis_url
    link = core.redis if url == settings.redis_url else await stack.enter_async_context(RedisLink(url, "jobs"))
    return MoodQueue(link, jobs, core.tasks.start)


def _watch_acks(settings: HubSettings, core: Core, jobs: JobQueue) -> Unacked:
    """Workers are told of whoever has something and is nowhere, or does not ack."""
    queue = PushQueue(core.redis, jobs, core.tasks.start, core.node.id)
    core.delivery.on_absent = queue.add
    core.registrar.on_swept = queue.add
    return Unacked(core.node, settings.push_unacked_s, queue.add)


def _build_api(settings: HubSettings, core: Core, sockets: Sockets, health: Health) -> Starlette:
    return build_api(
        ApiServices(
            database=core.database,
            verifier=sockets.verifier,
            limits=sockets.limits,
            clock=clock,
            handlers=sockets.handlers,
            statuses=lambda _asker, users: core.presence.seen_by_friends(users),
            care=settings.care,
            allowed_origins=settings.allowed_origins,
            more_endpoints=live_endpoints(sockets.streams, core.database, sockets.receipts),
            more_routes=[*health.routes(), *page_routes()],
        )
    )


async def _keep_running(core: Core, sockets: Sockets) -> None:
    """Prove that the node lives, then start what runs as long as it does."""
    with suppress(Unavailable):
        await core.directory.renew()
    for loop in (
        core.sweep.run,
        sockets.openings.run,
        sockets.unacked.run,
        core.registrar.run_lease,
        core.registrar.run_presence,
        core.registrar.run_sweep,
        core.registrar.run_recovery,
        core.registrar.run_comparison,
        core.room_upkeep.run_telling,
        core.room_upkeep.run_comparison,
        *([sockets.reader.run] * READERS),
    ):
        core.tasks.keep(loop, loop.__qualname__)


def _request_limits(settings: HubSettings) -> RequestLimits:
    if not settings.limits_on:
        return NO_REQUEST_LIMITS
    return RequestLimits(an_hour=settings.requests_per_hour, community_open=settings.community_requests_open)


def _hug_allowance(settings: HubSettings, core: Core, limits: Limits) -> HugAllowance:
    rule = HugLimits(settings.hugs_per_minute, settings.hugs_per_day, settings.hugs_unanswered_per_hour)
    return HugAllowance(limits, rule, core.database, core.tasks)


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
    if stale := stale_names(settings.care, _today()):
        log.warning(
            "support resources were not verified for long", extra={"days": VERIFIED_FOR_DAYS, "resources": stale}
        )
    log.info("hub started", extra={"node": node, "host": settings.host, "port": settings.port})


def _today() -> date:
    return datetime.now(UTC).date()
