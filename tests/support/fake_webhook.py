"""An app's server that takes webhooks: it verifies each with the library, and answers as it is told."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from msgspec import Struct
from standardwebhooks import Webhook


class Planned(Struct, frozen=True):
    """An answer. *status* 0: none ever, until the server ends."""

    status: int
    headers: dict[str, str] = {}


class FakeWebhook:
    """*taken*: the ids and bodies that were signed with *secret* (whsec_), in the order they came."""

    def __init__(self, secret: str) -> None:
        self.url = ""
        self.taken: list[tuple[str, Any]] = []
        self.paths: list[str] = []
        self._signer = Webhook(secret)
        self._planned: deque[Planned] = deque()
        self._ending = asyncio.Event()

    def plan(self, *statuses: int, **headers: str) -> None:
        """What the next requests get; afterwards 204. Names of *headers* with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._planned.extend(Planned(status, named) for status in statuses)

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator["FakeWebhook"]:
        """On a free port of 127.0.0.1."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}/hooks"
        try:
            yield self
        finally:
            self._ending.set()
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.paths.append(request.path)
        self.taken.append((request.headers["webhook-id"], self._signer.verify(body, dict(request.headers))))
        planned = self._planned.popleft() if self._planned else Planned(204)
        if not planned.status:
            await self._ending.wait()
        return web.Response(status=planned.status or 204, headers=planned.headers)
