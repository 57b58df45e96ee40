"""The fake of APNs among those of the other providers: behind a gate, and told what to do in the same words."""

from typing import Self

from tests.support.certificates import Authority
from tests.support.fake_apns import FakeApns, serve
from tests.support.fake_apns import Push as Request
from tests.support.gate import Gate
from tests.support.push_faults import FakeProvider, Push


class FakeApnsProvider(FakeProvider):
    """`broken`: by token, one of `fake_apns.BROKEN`. A fault's `body` and `location` are nothing that APNs has."""

    name = "apns"
    fake: FakeApns

    def __init__(self, authority: Authority) -> None:
        super().__init__(is_gated=True)
        self._authority = authority

    async def __aenter__(self) -> Self:
        self.fake = await self._stack.enter_async_context(serve(self._authority))
        self.fake.faults, self.fake.broken, self.fake.on_push = self.faults, self.broken, self._note_push
        self.gate = await self._stack.enter_async_context(Gate(self.fake.url))
        self.url = self.gate.url
        return self

    def release(self) -> None:
        self.fake.give_up()

    def _note_push(self, request: Request) -> None:
        alert = request.content["aps"]["alert"]
        push = Push(
            provider=self.name,
            to=request.token,
            id=request.id,
            collapse_key=request.headers.get("apns-collapse-id", ""),
            title=alert["title"],
            text=alert["body"],
            at_ms=request.at_ms,
            message=request.content,
            headers=request.headers,
            answer=int(request.outcome[:3]) if request.is_answered else 0,
        )
        self.tries.append(push)
        if request.outcome == "200":
            self.pushes.append(push)
