"""The demo app: static files, with headers that let the page do nothing it does not need."""

from pathlib import Path

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.asyncapi import asyncapi_document

WEB = Path(__file__).parent / "web"

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # revalidated by ETag: a new release is seen at once
}


class SecurityHeaders:
    """Adds `_HEADERS` to every response that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def page_routes() -> list[BaseRoute]:
    """`/`, `/web/…`, the service worker, and the description of the socket."""
    document = msgspec.json.encode(asyncapi_document())

    async def index(_request: Request) -> Response:
        return FileResponse(WEB / "index.html")

    async def asyncapi(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def push_worker(_request: Request) -> Response:
        return FileResponse(WEB / "push_worker.js")

    return [
        Route("/", index),
        Route("/push_worker.js", push_worker),  # a service worker is for the pages at and below its own address
        Route("/asyncapi.json", asyncapi),
        Mount("/web", app=StaticFiles(directory=WEB)),
    ]
