"""A member that gives commands and follows their answers.

Invariant: each command gets exactly one answer; a refusal, and an answer that nobody waits for, is a problem.
"""

import asyncio
from collections.abc import Callable

import msgspec

from loadtest.clients.hugs import Member
from loadtest.clients.wire import Lost, client_frame

ANSWER_WITHIN_S = 60.0
PROBLEMS_KEPT = 3  # of one member

_OK = b'{"type":"ok","ref":'
_ERROR = b'{"type":"error"'


class _Error(msgspec.Struct):
    code: str
    message: str
    ref: int | None = None


class Speaker(Member):
    """Numbers its commands and knows which of them wait for their answer. Times are of `time.perf_counter()`."""

    def __init__(self) -> None:
        super().__init__()
        self.said = 0
        self.refused = 0
        self.problems: list[str] = []
        self.on_ok: Callable[[float], None] = lambda _seconds: None  # told the time since the intended one
        self.on_answers: Callable[[], None] = lambda: None  # after those of one read
        self._intended: dict[int, float] = {}  # by number, of those that wait
        self._asked: dict[int, asyncio.Future[None]] = {}
        self._outgoing: list[bytes] = []
        self._has_answers = False

    def say(self, command: bytes, intended: float) -> None:
        """*command*: JSON without its closing brace. Written at the end of this loop iteration, with the others of it."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self.flush)
        self._outgoing.append(client_frame(b'%b,"ref":%d}' % (command, self.said)))
        self._intended[self.said] = intended
        self.said += 1

    def flush(self) -> None:
        """Write what waits, in one call."""
        if self._outgoing:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            self.write(data)

    async def ask(self, **command: object) -> None:
        """One command outside of what is measured; returns with its `ok`. Raises: Lost."""
        future = self._asked[self.said] = asyncio.get_running_loop().create_future()
        self.say(msgspec.json.encode(command)[:-1], 0.0)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await asyncio.wait((future, self.lost), return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError as error:
            raise Lost(f"no answer to {command['type']} in time") from error
        if not future.done():
            raise Lost(self.lost.result())
        future.result()

    def outstanding(self) -> int:
        """Commands without an answer."""
        return len(self._intended)

    def ended(self) -> list[str]:
        """What was not as it should be, now that the run is over."""
        found = list(self.problems)
        if self.refused > len(found):
            found.append(f"{self.refused} commands of one member were refused")
        if self._intended:
            found.append(f"{len(self._intended)} commands of one member were never answered")
        if self.lost.done():
            found.append(f"a connection ended during the run: {self.lost.result()}")
        return found

    def event(self, payload: bytes, now: float) -> None:
        """Answers are followed, everything else is heard."""
        if payload.startswith(_OK):  # with nothing but its ref it ends there: -1 then leaves out the brace
            self._answered(int(payload[len(_OK) : payload.find(b",", len(_OK))]), now, "")
        elif payload.startswith(_ERROR):
            error = msgspec.json.decode(payload, type=_Error)
            self._answered(error.ref, now, f"{error.code}: {error.message}")
        else:
            self.heard(payload, now)

    def heard(self, payload: bytes, now: float) -> None:
        """Any event. Here it is let go."""

    def batch_done(self, now: float) -> None:
        """Whoever keeps commands in flight gives the next ones now."""
        if self._has_answers:
            self._has_answers = False
            self.on_answers()

    def _answered(self, ref: int | None, now: float, refusal: str) -> None:
        intended = self._intended.pop(ref, None) if ref is not None else None
        if ref is None or intended is None:
            self._problem(f"an answer that nobody waits for: {ref} {refusal}")
            return
        self._has_answers = True
        future = self._asked.pop(ref, None)
        if future is not None:
            if refusal and not future.done():
                future.set_exception(Lost(refusal))
            elif not future.done():
                future.set_result(None)
        elif refusal:
            self.refused += 1
            self._problem(refusal)
        else:
            self.on_ok(now - intended)

    def _problem(self, text: str) -> None:
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(text)
