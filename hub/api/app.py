"""REST as one Starlette application: routes, problems, the OpenAPI document and its page."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from hub.api.accounts import account_endpoints
from hub.api.care import care_endpoints
from hub.api.devices import device_endpoints
from hub.api.endpoints import Endpoint, Gate, Responder
from hub.api.groups import group_endpoints
from hub.api.hugs import hug_endpoints
from hub.api.marks import mark_endpoints
from hub.api.mood_history import mood_history_endpoints
from hub.api.mood_patterns import mood_pattern_endpoints
from hub.api.mood_words import mood_word_endpoints
from hub.api.moods import mood_endpoints
from hub.api.notifications import notification_endpoints
from hub.api.openapi import describe
from hub.api.page import render
from hub.api.people import Statuses, people_endpoints
from hub.api.preferences import preference_endpoints
from hub.api.problems import on_error, on_http_exception, problem
from hub.api.requests import request_endpoints
from hub.api.server import server_endpoints
from hub.api.traces import trace_endpoints
from hub.care import Resource
from hub.handlers.table import Handlers
from hub.tokens import TokenVerifier
from protocol.codes import ErrorCode
from storage.limits import Limits
from storage.postgres import Database

CORS_MAX_AGE_S = 3600
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
SOCKET_PATH = "/v1/socket"  # what upgrades never comes here

Answer = Callable[[Request], Awaitable[Response]]


class ApiServices(Struct, frozen=True, kw_only=True):
    """What REST needs. *statuses*(asker, users): the presence of those of *users* who are not offline.

    *care*: where to find help.
    *allowed_origins*: other web origins whose pages may call; empty: none but the hub's own.
    *more_endpoints*: those that need a whole hub behind them.
    *more_routes*: what else is served here, such as probes and files; looked at after the API's own.
    """

    database: Database
    verifier: TokenVerifier
    limits: Limits
    clock: Callable[[], int]
    handlers: Handlers
    statuses: Statuses
    care: Sequence[Resource]
    allowed_origins: Sequence[str] = ()
    more_endpoints: Sequence[Endpoint] = ()
    more_routes: Sequence[BaseRoute] = ()


def declare(services: ApiServices) -> list[Endpoint]:
    """Every endpoint there is."""
    database, handlers = services.database, services.handlers
    return [
        *account_endpoints(handlers.accounts, handlers.profiles),
        *people_endpoints(database, handlers.profiles, handlers.friends, services.statuses, services.limits),
        *mark_endpoints(database, handlers.friends, handlers.marks),
        *hug_endpoints(database, handlers.hugs, handlers.moments),
        *request_endpoints(database, handlers.requests, services.clock),
        *group_endpoints(database, handlers.groups),
        *mood_endpoints(handlers.moods, handlers.streaks),
        *care_endpoints(database, services.limits, services.care, services.clock),
        *mood_history_endpoints(database, handlers.mood_changes, services.clock),
        *mood_word_endpoints(),
        *device_endpoints(handlers.devices),
        *notification_endpoints(handlers.notifications),
        *preference_endpoints(handlers.preferences),
        *mood_pattern_endpoints(database, services.limits, handlers.moods.find_patterns),
        *trace_endpoints(database, services.clock),
        *server_endpoints(handlers.notices),
        *services.more_endpoints,
    ]


def build_api(services: ApiServices) -> Starlette:
    """The application. Whatever it does not know it answers itself, as a problem document."""
    endpoints = declare(services)
    gate = Gate(services.database, services.verifier, services.limits, services.clock)
    by_path: dict[str, dict[str, Answer]] = {}
    for endpoint in endpoints:
        answers = by_path.setdefault(endpoint.path, {})
        answers[endpoint.method] = Responder(endpoint, gate).answer
        if endpoint.method == "GET" and not endpoint.is_live:
            answers["HEAD"] = answers["GET"]
    # Longer addresses first: /v1/hugs/seen is not the hug called "seen".
    paths = sorted(by_path, key=lambda path: ("{" in path, path))
    return Starlette(
        routes=[
            *(Route(path, _by_method(by_path[path]), methods=METHODS) for path in paths),
            *_documentation(endpoints),
            Route(SOCKET_PATH, _upgrade_required),
            *services.more_routes,
        ],
        exception_handlers={HTTPException: on_http_exception, Exception: on_error},
        middleware=_middleware(services.allowed_origins),
    )


def _by_method(answers: dict[str, Answer]) -> Answer:
    """One route per path for all methods, so that 405 names those there are and no other path is tried."""
    allowed = ", ".join(sorted(answers))

    async def answer(request: Request) -> Response:
        handle = answers.get(request.method)
        if handle is None:
            raise HTTPException(405, headers={"Allow": allowed})
        return await handle(request)

    return answer


async def _upgrade_required(_request: Request) -> Response:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    return problem(426, ErrorCode.INVALID, "Connect to this address with a WebSocket.", headers=headers)


def _documentation(endpoints: Sequence[Endpoint]) -> list[Route]:
    document = describe(endpoints)
    text, page = msgspec.json.encode(document), render(document)

    async def openapi(_request: Request) -> Response:
        return Response(text, media_type="application/json")

    async def docs(_request: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    return [Route("/openapi.json", openapi), Route("/docs", docs)]


def _middleware(allowed_origins: Sequence[str]) -> list[Middleware]:
    if not allowed_origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=list(allowed_origins),
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Last-Event-ID"],
        expose_headers=["Retry-After"],
        max_age=CORS_MAX_AGE_S,
    )
    return [cors]
