"""What all fakes of push providers have in common: they write down what they got, and misbehave when told to.

A fake is a real server on a port of its own. Each request takes the first fault of its list that is meant for it; without
one it is answered as the provider would.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any, Literal, Self

from aiohttp import web
from msgspec import Struct, field

from tests.support.gate import Gate


class Push(Struct, kw_only=True):
    """What a provider would show on a device. *id*: of the delivery. *at_ms*: Unix time. *headers*: of the request, lower case.

    *answer*: the status that it was answered with; 0: nobody has heard one.
    """

    provider: str
    to: str
    id: str
    collapse_key: str
    title: str
    text: str
    at_ms: int
    message: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    answer: int = 0


PUSH = web.RequestKey("push", Push)  # of a request that could be read


class Fault(Struct, kw_only=True):
    """What to do instead of answering. *what*: `answer` with the rest of this; `hang` without an answer; `close` without one;
    `goaway`, of APNs: as close, but it is said that this request and those after it were not acted upon.

    *of*: `send`, or `token` where there is one. *times*: how often; 0: until the faults are cleared. *code*: in the provider's own form; *body* instead of it
    is sent as it is, as HTML. *is_kept*: a push that hangs or is closed upon is delivered nevertheless.
    """

    what: Literal["answer", "hang", "close", "goaway"] = "answer"
    of: Literal["send", "token"] = "send"
    times: int = 1
    status: int = 503
    code: str = ""
    body: str | None = None
    retry_after: str | None = None
    location: str | None = None
    is_kept: bool = False


class FakeProvider:
    """A server. `async with` starts and stops it. Subclasses say what it serves, and how an error looks."""

    name = ""

    def __init__(self, context: ssl.SSLContext | None = None, *, is_gated: bool = False) -> None:
        """*context*: with one it speaks TLS. *is_gated*: `gate` can hold its answers back, also those of the TLS handshake."""
        self._context = context
        self._is_gated = is_gated
        self._stack = AsyncExitStack()
        self._released = asyncio.Event()
        self._news = asyncio.Event()
        self.gate: Gate | None = None
        self.url = ""
        self.pushes: list[Push] = []
        self.tries: list[Push] = []  # all requests for a push that are over, whatever became of them
        self.faults: list[Fault] = []
        self.broken: dict[str, str] = {}  # by where a push goes: what the answer is
        self.connections: set[Any] = set()
        self.requests: list[str] = []  # the path of each

    async def __aenter__(self) -> Self:
        application = web.Application(middlewares=[self._note], client_max_size=1 << 20)
        application.add_routes(list(self.routes()))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self._stack.callback(self.release)
        scheme = "https" if self._context else "http"
        self.url = f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
        if self._is_gated:
            self.gate = await self._stack.enter_async_context(Gate(self.url))
            self.url = self.gate.url
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def routes(self) -> Iterator[web.RouteDef]:
        """What it serves."""
        raise NotImplementedError

    def failed(self, status: int, code: str) -> web.Response:
        """An error as this provider tells it."""
        raise NotImplementedError

    def release(self) -> None:
        """No faults any more, and who hangs is hung up on."""
        self.faults.clear()
        self._released.set()
        self._released = asyncio.Event()

    async def arrived(self, count: int) -> None:
        """Wait until there were so many requests."""
        while len(self.requests) < count:
            self._news.clear()
            await self._news.wait()

    async def misbehave(self, request: web.Request, of: str, push: Push | None = None) -> web.Response | None:
        """The answer of the fault whose turn it is; None: there is none."""
        fault = next((each for each in self.faults if each.of == of), None)
        if fault is None:
            return None
        fault.times -= 1
        if fault.times == 0:
            self.faults.remove(fault)
        if fault.what == "answer":
            return self._answer(fault)
        if push is not None and fault.is_kept:
            self.pushes.append(push)
        if fault.what == "hang":
            await self._released.wait()
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    def _answer(self, fault: Fault) -> web.Response:
        response = self.failed(fault.status, fault.code)
        if fault.body is not None:
            response = web.Response(status=fault.status, text=fault.body, content_type="text/html")
        if fault.retry_after is not None:
            response.headers["Retry-After"] = fault.retry_after
        if fault.location is not None:
            response.headers["Location"] = fault.location
        return response

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        self.requests.append(request.path)
        self._news.set()
        answer: web.StreamResponse = await handler(request)
        if (push := request.get(PUSH)) is not None:
            is_heard = request.transport is not None and not request.transport.is_closing()
            push.answer = answer.status if is_heard else 0
            self.tries.append(push)
        return answer
