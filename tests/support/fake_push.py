"""All fakes of push providers in a process of their own, which outlives the workers that a test kills.

`python -m tests.support.fake_push` prints one line of JSON, `Ready`, and serves until its standard input ends. A test
starts it with `fake_push_running()`. At `Ready.control`:

    GET    /pushes                      what all of them got, a list of `Push`
    GET    /tries                       every request for a push, with what it was answered with, a list of `Push`
    DELETE /pushes                      forget both
    POST   /{provider}/faults           a `Fault`, behind those before
    DELETE /{provider}/faults           no faults any more, and who hangs is hung up on
    POST   /{provider}/broken           {"to", "code"}: what a push to that token or endpoint is answered with
    POST   /{provider}/held             answers wait from now on, also those of new TLS handshakes
    DELETE /{provider}/held             they go through
    POST   /{provider}/shut             nobody can connect any more, and who is connected is cut off
    DELETE /{provider}/shut             they can again
    POST   /webpush/subscriptions       {"vapid"}: a new subscription
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from tests.support.certificates import make_authority, server_context
from tests.support.fake_apns import KEY_ID, TEAM_ID, TOPIC
from tests.support.fake_apns_provider import FakeApnsProvider
from tests.support.fake_fcm import FakeFcm
from tests.support.fake_webpush import FakeWebPush
from tests.support.push_faults import FakeProvider, Fault, Push

ROOT = Path(__file__).parents[2]


class Ready(Struct):
    """*urls*: of the providers, by name. *ca*: PEM of whom to trust."""

    control: str
    urls: dict[str, str]
    credentials: str  # for FCM
    apns: dict[str, str]  # arguments of `ApnsSettings.load`
    ca: str


class Control:
    """The endpoint at which a test asks and says what to do."""

    def __init__(self, fakes: dict[str, FakeProvider]) -> None:
        self._fakes = fakes

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/pushes", self._pushes),
            web.get("/tries", self._tries),
            web.delete("/pushes", self._forget),
            web.post("/webpush/subscriptions", self._subscribe),
            web.post("/{provider}/faults", self._fault),
            web.delete("/{provider}/faults", self._release),
            web.post("/{provider}/broken", self._break),
            web.post("/{provider}/held", self._hold),
            web.delete("/{provider}/held", self._let_through),
            web.post("/{provider}/shut", self._shut),
            web.delete("/{provider}/shut", self._open),
        ]

    def _fake(self, request: web.Request) -> FakeProvider:
        return self._fakes[request.match_info["provider"]]

    async def _pushes(self, request: web.Request) -> web.Response:
        return _json([push for fake in self._fakes.values() for push in fake.pushes])

    async def _tries(self, request: web.Request) -> web.Response:
        return _json([push for fake in self._fakes.values() for push in fake.tries])

    async def _forget(self, request: web.Request) -> web.Response:
        for fake in self._fakes.values():
            fake.pushes.clear()
            fake.tries.clear()
        return web.Response(status=204)

    async def _subscribe(self, request: web.Request) -> web.Response:
        fake = self._fakes["webpush"]
        assert isinstance(fake, FakeWebPush)
        return web.Response(text=fake.subscribe((await request.json())["vapid"]))

    async def _fault(self, request: web.Request) -> web.Response:
        self._fake(request).faults.append(msgspec.json.decode(await request.read(), type=Fault))
        return web.Response(status=204)

    async def _release(self, request: web.Request) -> web.Response:
        self._fake(request).release()
        return web.Response(status=204)

    async def _break(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self._fake(request).broken[asked["to"]] = asked["code"]
        return web.Response(status=204)

    async def _hold(self, request: web.Request) -> web.Response:
        gate = self._fake(request).gate
        assert gate is not None
        gate.hold_answers()
        return web.Response(status=204)

    async def _let_through(self, request: web.Request) -> web.Response:
        gate = self._fake(request).gate
        assert gate is not None
        gate.let_answers_through()
        return web.Response(status=204)

    async def _shut(self, request: web.Request) -> web.Response:
        gate = self._fake(request).gate
        assert gate is not None
        await gate.shut()
        return web.Response(status=204)

    async def _open(self, request: web.Request) -> web.Response:
        gate = self._fake(request).gate
        assert gate is not None
        await gate.open_again()
        return web.Response(status=204)


def _json(pushes: list[Push]) -> web.Response:
    return web.Response(body=msgspec.json.encode(pushes), content_type="application/json")


class FakePush:
    """What a test holds of the process."""

    def __init__(self, ready: Ready, session: aiohttp.ClientSession) -> None:
        self.ready = ready
        self._session = session

    async def pushes(self) -> list[Push]:
        """What all providers got so far, each in order."""
        return msgspec.json.decode(await self._call("GET", "/pushes"), type=list[Push])

    async def tries(self) -> list[Push]:
        """Every request for a push that is over."""
        return msgspec.json.decode(await self._call("GET", "/tries"), type=list[Push])

    async def forget(self) -> None:
        await self._call("DELETE", "/pushes")

    async def fault(self, provider: str, fault: Fault) -> None:
        await self._call("POST", f"/{provider}/faults", msgspec.to_builtins(fault))

    async def release(self, provider: str) -> None:
        """No faults any more, and who hangs is hung up on."""
        await self._call("DELETE", f"/{provider}/faults")

    async def break_(self, provider: str, to: str, code: str) -> None:
        """What a push to that token or endpoint is answered with from now on."""
        await self._call("POST", f"/{provider}/broken", {"to": to, "code": code})

    async def hold(self, provider: str) -> None:
        """Its answers wait from now on, also those of new TLS handshakes."""
        await self._call("POST", f"/{provider}/held")

    async def let_through(self, provider: str) -> None:
        await self._call("DELETE", f"/{provider}/held")

    async def shut(self, provider: str) -> None:
        """Nobody can connect any more, and who is connected is cut off."""
        await self._call("POST", f"/{provider}/shut")

    async def open_again(self, provider: str) -> None:
        await self._call("DELETE", f"/{provider}/shut")

    async def subscribe(self, vapid: str) -> str:
        """A new Web Push subscription as JSON, bound to that key."""
        return (await self._call("POST", "/webpush/subscriptions", {"vapid": vapid})).decode()

    async def _call(self, method: str, path: str, body: Any = None) -> bytes:
        async with self._session.request(method, self.ready.control + path, json=body) as response:
            response.raise_for_status()
            return await response.read()


@asynccontextmanager
async def fake_push_running() -> AsyncIterator[FakePush]:
    """The process, until the end of the block."""
    argv = [sys.executable, "-m", "tests.support.fake_push"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        ready = msgspec.json.decode(await process.stdout.readline(), type=Ready)
        async with aiohttp.ClientSession() as session:
            yield FakePush(ready, session)
    finally:
        process.stdin.close()
        await process.wait()


async def main() -> None:
    """Serve until standard input ends, as it does when whoever started this is gone."""
    authority = make_authority()
    context = server_context(authority)
    fcm = FakeFcm(context, is_gated=True)
    apns = FakeApnsProvider(authority)
    fakes: dict[str, FakeProvider] = {fake.name: fake for fake in (fcm, apns, FakeWebPush(context, is_gated=True))}
    async with AsyncExitStack() as stack:
        for fake in fakes.values():
            await stack.enter_async_context(fake)
        application = web.Application()
        application.add_routes(Control(fakes).routes())
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        urls = {name: fake.url for name, fake in fakes.items()}
        control = f"http://127.0.0.1:{runner.addresses[0][1]}"
        key = {"key": apns.fake.pem, "key_id": KEY_ID, "team_id": TEAM_ID, "topic": TOPIC, "url": apns.url}
        ready = Ready(control=control, urls=urls, credentials=fcm.credentials, apns=key, ca=authority.pem)
        print(json.dumps(msgspec.to_builtins(ready)), flush=True)  # noqa: T201  whoever started it reads this
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
